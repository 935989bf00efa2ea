//! Models that have nothing left to say say it again.

use crate::request::Request;

/// Ends before a line that comes a third time, or at once a second time.
pub(super) fn end(request: &Request, text: &str) -> Option<usize> {
    let mut at = 0;
    let mut seen: Vec<&str> = Vec::new();
    let whole_first = request.line_before().trim().is_empty();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let content = line.trim();
        if line.ends_with('\n') && content.len() > 8 && (number > 0 || whole_first) {
            let times = seen.iter().filter(|other| **other == content).count();
            if times >= 2 || seen.last() == Some(&content) {
                return Some(at);
            }
            seen.push(content);
        }
        at += line.len();
    }
    cycle_start(text)
}

/// Where a short piece begins to be repeated over and over at the end of the text.
fn cycle_start(text: &str) -> Option<usize> {
    const TIMES: usize = 6;
    let bytes = text.as_bytes();
    (3..=24).find_map(|length| {
        let from = bytes.len().checked_sub(length * TIMES)?;
        let piece = &bytes[from..from + length];
        let blank = piece.iter().all(|byte| !byte.is_ascii_alphanumeric());
        let same = bytes[from..].chunks_exact(length).all(|chunk| chunk == piece);
        (same && !blank && text.is_char_boundary(from + length)).then_some(from + length)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn a_repeated_line_ends_the_answer() {
        check("def f():\n    ▁\n", "print(alpha)\n    print(alpha)\n    print(alpha)\n", Some("print(alpha)"));
    }

    #[test]
    fn a_loop_inside_a_line_ends_the_answer() {
        check("x = ▁\n", "a + abc abc abc abc abc abc abc abc", Some("a + abc abc abc"));
    }
}
