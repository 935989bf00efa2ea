//! Rule `overlap`: text that follows the cursor already is not written a second time.

use super::brackets;
use super::lines::lines_below;
use crate::request::Request;
use crate::text::indent_columns;

/// Number of letters and digits that make a line distinctive enough to compare.
const MIN_DISTINCTIVE_CHARS: usize = 4;

fn is_distinctive(line: &str) -> bool {
    line.chars().filter(|c| c.is_alphanumeric()).count() >= MIN_DISTINCTIVE_CHARS
}

/// Ends before a copy of the next line of the document. The answer's first line takes part if the cursor's line is
/// blank.
pub(super) fn end(request: &Request, text: &str) -> Option<usize> {
    let next = lines_below(request).next()?;
    let first = text.find('\n')?;
    if request.line_before().trim().is_empty()
        && repeats_next_line(&[request.line_before(), &text[..first]].concat(), next)
    {
        return Some(0);
    }
    let mut at = first;
    for line in text[at..].split('\n').skip(1) {
        if repeats_next_line(line, next) {
            return Some(at);
        }
        at += 1 + line.len();
    }
    None
}

/// Returns true if a line repeats the document's `next` line. A copy that is indented deeper belongs to another block;
/// a line that is not distinctive must have the same indentation.
fn repeats_next_line(line: &str, next: &str) -> bool {
    let (own, others) = (indent_columns(line), indent_columns(next));
    let has_words = line.trim().chars().any(char::is_alphanumeric) && line.trim().len() >= 2;
    line.trim() == next.trim() && own <= others && (is_distinctive(line) || has_words && own == others)
}

/// Removes from the end of a one-line answer what follows the cursor on its line already.
pub(super) fn trim_rest_of_line(request: &Request, text: &mut String) {
    let rest = request.line_after().trim_end();
    if rest.trim().is_empty() || text.contains('\n') {
        return;
    }
    let ends = (1..=rest.len()).rev().filter(|end| rest.is_char_boundary(*end));
    let mut overlaps = ends.filter(|end| text.ends_with(&rest[..*end]));
    // A short overlap with part of the rest is chance.
    let overlap = overlaps.find(|end| {
        let is_distinctive = *end == rest.len() || *end >= MIN_DISTINCTIVE_CHARS;
        is_distinctive && !brackets::cut_unbalances(text, text.len() - end)
    });
    if let Some(overlap) = overlap {
        text.truncate(text.len() - overlap);
    }
}

/// Returns true if the text would only repeat the line above or below.
pub(super) fn repeats_adjacent_line(request: &Request, text: &str) -> bool {
    let line = format!("{}{}{}", request.line_before(), text, request.line_after());
    if text.trim().contains('\n') || !is_distinctive(&line) {
        return false;
    }
    let above = request.prefix().rsplit('\n').skip(1).map(str::trim).find(|line| !line.is_empty());
    let below = lines_below(request).next().map(str::trim);
    Some(line.trim()) == above || Some(line.trim()) == below
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_done, check_in};

    #[test]
    fn the_next_line_is_not_repeated() {
        check("def f(x):\n    ▁\n    return total\n", "total = x\n    return total\n", Some("total = x"));
        check_done("def f(x):\n    ▁\n    return total\n", "total = x\n    return total", true);
        check_in("a.sh", "if x; then\n  ▁\nfi\n", "run\nfi\n", Some("run"));
    }

    #[test]
    fn the_rest_of_the_line_is_not_repeated() {
        check("foo(▁, bar)\n", "baz, bar)", Some("baz"));
        check("print(\"▁\")\n", "hello\")", Some("hello"));
    }

    #[test]
    fn the_answer_keeps_its_own_closers() {
        check("print(▁)\n", "total(values))", Some("total(values)"));
        check("print(\"sum\", ▁)\n", "sum(values))", Some("sum(values)"));
        check("x = [▁]\n", "y[0]]", Some("y[0]"));
        check("f(▁\"\n", "\"a\"", Some("\"a\""));
        check("f(\"▁\")\n", "a\")", Some("a"));
    }

    #[test]
    fn the_same_line_in_another_block_is_kept() {
        let rust = "fn f(c: char) {\n    match c {\n        ▁\n        _ => 0,\n    }\n}\n";
        check(rust, "'a' => 1,\n        _ => 0,\n    }", Some("'a' => 1,"));
        let written = "if x < 0:\n        return 1\n    y = 2\n";
        check("def f(x):\n    ▁\n    return 1\n", written, Some(written.trim_end()));
        check("▁\nalpha = beta\n", "alpha = beta\ngamma = 1\n", None);
    }

    #[test]
    fn a_copy_of_an_adjacent_line_is_not_shown() {
        check("total = alpha + beta\n▁\n", "total = alpha + beta\n", None);
        check("▁\ntotal = alpha + beta\n", "total = alpha + beta\n", None);
    }
}
