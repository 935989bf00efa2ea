//! Matching brackets and quotation marks.

/// For each byte that opens a bracket or quotation, returns the offset of the closing mark. A quotation ends in its
/// line.
pub(super) fn matching_brackets(text: &str) -> Vec<Option<usize>> {
    let bytes = text.as_bytes();
    let mut closing = vec![None; bytes.len()];
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                if let Some(end) = closing_quote(bytes, at) {
                    closing[at] = Some(end);
                    at = end;
                }
            }
            b'(' | b'[' | b'{' => open.push(at),
            mark @ (b')' | b']' | b'}') => {
                if let Some(from) = open.pop_if(|from| is_pair(bytes[*from], mark)) {
                    closing[from] = Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    closing
}

fn is_pair(open: u8, close: u8) -> bool {
    matches!((open, close), (b'(', b')') | (b'[', b']') | (b'{', b'}'))
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
    fn brackets_in_quotations_do_not_count() {
        let closing = matching_brackets("(\")\\\"\")");
        let found: Vec<_> = closing.into_iter().enumerate().filter_map(|(open, close)| Some((open, close?))).collect();
        assert_eq!(found, [(0, 6), (1, 5)]);
    }
}
