//! Which marks of a text belong together.

/// For each byte that opens a bracket or a quotation, where it is closed in the same text. Quotations end in their line.
pub(super) fn matching_brackets(text: &str) -> Vec<Option<usize>> {
    let bytes = text.as_bytes();
    let mut mates = vec![None; bytes.len()];
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                if let Some(end) = closing_quote(bytes, at) {
                    mates[at] = Some(end);
                    at = end;
                }
            }
            b'(' | b'[' | b'{' => open.push(at),
            mark @ (b')' | b']' | b'}') => {
                let fits = |from: &usize| matches!((bytes[*from], mark), (b'(', b')') | (b'[', b']') | (b'{', b'}'));
                if open.last().is_some_and(fits) {
                    open.pop().into_iter().for_each(|from| mates[from] = Some(at));
                }
            }
            _ => {}
        }
        at += 1;
    }
    mates
}

fn closing_quote(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\n' => return None,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_quotations_are_letters() {
        let found: Vec<_> = matching_brackets("(\")\\\"\")").into_iter().enumerate().filter_map(|(a, b)| Some((a, b?))).collect();
        assert_eq!(found, [(0, 6), (1, 5)]);
    }
}
