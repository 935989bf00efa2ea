//! Text that stands right of the cursor already is not written a second time.

use super::lines::following;
use super::{End, line_after, line_before};
use crate::request::Request;

/// Characters that make a line worth comparing.
const TELLING: usize = 4;

fn telling(line: &str) -> bool {
    line.chars().filter(|c| c.is_alphanumeric()).count() >= TELLING
}

/// Ends before a line that comes next in the document anyway.
pub(super) fn end(request: &Request, text: &str) -> Option<End> {
    let next = following(request).next()?.trim();
    let mut at = text.find('\n')?;
    for line in text[at..].split('\n').skip(1) {
        if !line.trim().is_empty() && (line.trim() == next && telling(line)) {
            return Some(End(at));
        }
        at += 1 + line.len();
    }
    None
}

/// Takes from the end of a one-line text what the rest of the cursor's line says already.
pub(super) fn trim(request: &Request, text: &mut String) {
    let rest = line_after(request).trim_end();
    if rest.trim().is_empty() || text.contains('\n') {
        return;
    }
    let ends = (1..=rest.len()).rev().filter(|end| rest.is_char_boundary(*end));
    let overlap = ends.into_iter().find(|end| text.ends_with(&rest[..*end]));
    // A short overlap in the middle of a longer rest is chance.
    if let Some(overlap) = overlap.filter(|overlap| *overlap == rest.len() || *overlap >= TELLING) {
        text.truncate(text.len() - overlap);
    }
}

/// Whether the text would only repeat the line above or below.
pub(super) fn is_neighbour(request: &Request, text: &str) -> bool {
    let line = format!("{}{}{}", line_before(request), text, line_after(request));
    if text.trim().contains('\n') || !telling(&line) {
        return false;
    }
    let above = request.before().rsplit('\n').skip(1).map(str::trim).find(|line| !line.is_empty());
    let below = following(request).next().map(str::trim);
    Some(line.trim()) == above || Some(line.trim()) == below
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_done};

    #[test]
    fn the_next_line_is_not_written_again() {
        check("def f(x):\n    ▁\n    return total\n", "total = x\n    return total\n", Some("total = x"));
        check_done("def f(x):\n    ▁\n    return total\n", "total = x\n    return total", true);
    }

    #[test]
    fn the_rest_of_the_line_is_not_written_again() {
        check("foo(▁, bar)\n", "baz, bar)", Some("baz"));
        check("print(\"▁\")\n", "hello\")", Some("hello"));
    }

    #[test]
    fn a_copy_of_a_neighbour_is_not_shown() {
        check("total = alpha + beta\n▁\n", "total = alpha + beta\n", None);
        check("▁\ntotal = alpha + beta\n", "total = alpha + beta\n", None);
    }
}
