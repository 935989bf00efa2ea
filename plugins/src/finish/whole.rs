//! Rule `whole`: an answer that breaks the syntax of the file is cut back to the last line with which it parses.

use std::time::Duration;

use tree_sitter::{InputEdit, Point, Tree};

use crate::request::Request;
use crate::syntax;

/// Length of a document above which it is not parsed again for each suggestion.
const MAX_DOCUMENT_BYTES: usize = 300_000;
/// Number of lines that are cut off before the rest is kept as it is.
const MAX_CUT_LINES: usize = 8;
/// Time limit of one parse.
const PARSE_TIMEOUT: Duration = Duration::from_millis(20);

/// Cuts `text` back line by line while it adds syntax errors. A single line is kept: the user is in the middle of it,
/// and an error may be theirs.
pub(super) fn cut_to_parsing_lines(request: &Request, text: &mut String) {
    if !text.contains('\n') {
        return;
    }
    let Some(before) = errors_with(request, "") else { return };
    for _ in 0..MAX_CUT_LINES {
        let Some(after) = errors_with(request, text) else { return };
        let Some(last_line) = text.rfind('\n') else { return };
        if after <= before {
            return;
        }
        text.truncate(text[..last_line].trim_end().len());
    }
}

/// Number of syntax errors of the document with `text` inserted at the cursor. A bracket or an `end` too many may show
/// at the end of the document only.
fn errors_with(request: &Request, text: &str) -> Option<usize> {
    let tree = parse_with_inserted(request, text)?;
    Some(syntax::count_errors(&tree, &(0..request.document.text.len() + text.len())))
}

/// Syntax tree of the document with `text` inserted at the cursor.
pub(super) fn parse_with_inserted(request: &Request, text: &str) -> Option<Tree> {
    let document = &request.document;
    if document.text.len() > MAX_DOCUMENT_BYTES {
        return None;
    }
    let mut tree = document.tree.clone()?;
    let whole = [request.prefix(), text, request.suffix()].concat();
    let (start, end) = (request.cursor, request.cursor + text.len());
    let at = point(&whole, start);
    tree.edit(&InputEdit {
        start_byte: start,
        old_end_byte: start,
        new_end_byte: end,
        start_position: at,
        old_end_position: at,
        new_end_position: point(&whole, end),
    });
    syntax::parse_within(document.language, &whole, Some(&tree), PARSE_TIMEOUT)
}

fn point(text: &str, offset: usize) -> Point {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Point { row: before.bytes().filter(|byte| *byte == b'\n').count(), column: offset - line_start }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn lines_that_break_the_syntax_are_removed() {
        check("def f():\n    ▁\n\nx = 1\n", "y = 1\n    z = = 2\n", Some("y = 1"));
    }
}
