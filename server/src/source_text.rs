//! Texts of files, whose lines end with `\n` inside Foretype whatever they end with on disk.

use std::path::Path;

use foretype_plugins::docstring::Edit;
use foretype_plugins::{LineEnds, LoneCr};

/// Text of a file that may be written back.
#[derive(Debug)]
pub(crate) struct SourceText {
    /// Text with the line ends of the file.
    pub(crate) original: String,
    /// Text whose lines end with `\n`.
    pub(crate) lines: String,
    /// Line ends of the file.
    pub(crate) line_ends: LineEnds,
}

impl SourceText {
    /// Splits a text from its line ends.
    pub(crate) fn new(original: String) -> Self {
        let (lines, line_ends) = LineEnds::split(&original, LoneCr::EndsLine);
        Self { lines: lines.into_owned(), line_ends, original }
    }

    /// Edit of the original text that an edit of [`lines`](Self::lines) means. New lines end as the line does where the
    /// edit begins.
    pub(crate) fn original_edit(&self, edit: &Edit) -> Edit {
        let line = |at: usize| self.lines[..at].matches('\n').count();
        let offset = |at: usize| at + self.line_ends.extra_bytes(line(at));
        let text = self.line_ends.of_line(line(edit.range.start)).apply(&edit.text);
        Edit { range: offset(edit.range.start)..offset(edit.range.end), text: text.into_owned() }
    }
}

/// Reads a file for a prompt or an index, with `\n` at each line end.
///
/// # Errors
/// If the file cannot be read or is not UTF-8.
pub(crate) fn read_lines(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path).map(LineEnds::normalize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_of_a_file_keeps_the_line_ends_around_it_and_adopts_them() {
        let source = SourceText::new("a\r\nb\nc\r\nd".to_owned());
        let apply =
            |range, text: &str| source.original_edit(&Edit { range, text: text.into() }).apply(&source.original);
        assert_eq!(source.lines, "a\nb\nc\nd");
        assert_eq!(apply(1..1, "\nx"), "a\r\nx\r\nb\nc\r\nd");
        assert_eq!(apply(2..4, "x\ny\n"), "a\r\nx\ny\nc\r\nd");
        assert_eq!(apply(4..6, "x\ny\n"), "a\r\nb\nx\r\ny\r\nd");
        assert_eq!(apply(7..7, "\nx"), "a\r\nb\nc\r\nd\r\nx");
    }
}
