//! Rule `markers`: an answer ends before leftovers of training, which are markers spelled as text, code fences and
//! chat.

use crate::{Language, Request};

/// Beginnings of markers that a model may spell as ordinary text.
const MARKERS: &[&str] = &["<|", "<fim_", "<file_sep>", "<｜"];
/// Words that begin a sentence of chat.
const CHAT_OPENINGS: &[&str] =
    &["Here is", "Here's", "This code", "The code", "Note that", "In this example", "Explanation:", "Sure,"];

/// Ends before a marker, a code fence or a sentence of chat.
pub(super) fn end(request: &Request, text: &str) -> Option<usize> {
    let marker = MARKERS.iter().filter_map(|marker| text.find(marker)).min();
    let prose = matches!(request.document.language, Language::Markdown | Language::PlainText);
    let chat = if prose { None } else { chat_start(request, text) };
    marker.into_iter().chain(chat).min()
}

/// Offset of the first line that is a code fence or chat.
fn chat_start(request: &Request, text: &str) -> Option<usize> {
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_whole_line = number > 0 || request.line_before().trim().is_empty();
        let start = line.trim_start();
        let is_chat = start.starts_with("```") || CHAT_OPENINGS.iter().any(|words| start.starts_with(words));
        if is_whole_line && is_chat {
            return Some(at);
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn markers_fences_and_chat_end_the_answer() {
        check("x = ▁\n", "1<|fim_pad|>2", Some("1"));
        check("def f():\n    ▁\n", "return 1\n```\nHere is", Some("return 1"));
        check("def f():\n    ▁\n", "return 1\nThis code returns one.", Some("return 1"));
    }

    #[test]
    fn a_sentence_in_a_comment_is_kept() {
        check("x = 1  # ▁\n", "Here is the one", Some("Here is the one"));
    }
}
