//! Rule `repetition`: an answer ends before a line or phrase that the model repeats, which it does when it has nothing
//! to add.

use crate::request::Request;

/// Ends before the third occurrence of a line, the second one of consecutive equal lines, or a repeated phrase.
pub(super) fn end(request: &Request, text: &str) -> Option<usize> {
    let mut at = 0;
    let mut seen: Vec<&str> = Vec::new();
    let has_whole_first_line = request.line_before().trim().is_empty();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let content = line.trim();
        if line.ends_with('\n') && content.len() > 8 && (number > 0 || has_whole_first_line) {
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

/// Number of consecutive occurrences that make a phrase a loop.
const LOOP_REPETITIONS: usize = 6;

/// End of the first occurrence of a phrase of 3 to 24 bytes that the text ends with [`LOOP_REPETITIONS`] times.
fn cycle_start(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (3..=24).find_map(|length| {
        let from = bytes.len().checked_sub(length * LOOP_REPETITIONS)?;
        let end = from + length;
        let phrase = &bytes[from..end];
        let has_letters = phrase.iter().any(u8::is_ascii_alphanumeric);
        let repeats = bytes[from..].chunks_exact(length).all(|chunk| chunk == phrase);
        if repeats && has_letters && text.is_char_boundary(end) { Some(end) } else { None }
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
