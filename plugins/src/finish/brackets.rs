//! Brackets: an answer ends before a bracket that closes what was opened before the cursor, unless nothing closes it yet.

use super::{End, line_after};
use crate::request::Request;
use crate::window::floor;

const PAIRS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];

/// Bytes around the cursor in which brackets are counted.
const REACH: usize = 3000;

/// Ends before the first closing bracket that is too many.
pub(super) fn end(request: &Request, text: &str) -> Option<End> {
    let mut missing = missing(request);
    let mut open: Vec<char> = Vec::new();
    let mut quote = None;
    for (at, c) in text.char_indices() {
        if quote.is_some() {
            quote = quote.filter(|q| *q != c && c != '\n');
        } else if matches!(c, '"' | '`') {
            quote = Some(c);
        } else if let Some((_, close)) = PAIRS.iter().find(|(open, _)| *open == c) {
            open.push(*close);
        } else if let Some(kind) = PAIRS.iter().position(|(_, close)| *close == c) {
            if open.last() == Some(&c) {
                open.pop();
            } else if missing[kind] > 0 {
                missing[kind] -= 1;
            } else {
                return Some(End(at));
            }
        }
    }
    None
}

/// For each kind, how many brackets are open before the cursor that nothing after it closes.
fn missing(request: &Request) -> [usize; 3] {
    let before = request.before();
    let before = &before[floor(before, before.len().saturating_sub(REACH))..];
    let after = &request.after()[..floor(request.after(), REACH)];
    std::array::from_fn(|kind| {
        let (open, close) = PAIRS[kind];
        let opened = unmatched(before.chars().rev(), close, open);
        // A bracket at once right of the cursor was put there by the editor for the last one opened.
        let closed = unmatched(after.chars(), open, close).max(usize::from(line_after(request).contains(close)));
        opened.saturating_sub(closed)
    })
}

/// How many `wanted` there are that no `other` before them (in the order given) makes up for.
fn unmatched(chars: impl Iterator<Item = char>, other: char, wanted: char) -> usize {
    let (mut depth, mut count) = (0usize, 0);
    for c in chars {
        if c == other {
            depth += 1;
        } else if c == wanted {
            match depth {
                0 => count += 1,
                _ => depth -= 1,
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn a_bracket_that_is_closed_already_is_not_closed_again() {
        check("f(▁)\n", "x, y)", Some("x, y"));
        check("x = [▁]\n", "1, 2]\ny = 3", Some("1, 2"));
        check("fn f() {\n    ▁\n}\n", "g();\n}\n\nfn h() {", Some("g();"));
    }

    #[test]
    fn a_bracket_that_nothing_closes_may_be_closed() {
        check("f(▁\n", "x, y)\n", Some("x, y)"));
        check("x = [g(▁\n", "1)]\nz = 1\n", Some("1)]"));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        check("print(▁)\n", "\")\", x)", Some("\")\", x"));
    }
}
