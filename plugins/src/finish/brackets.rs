//! Rule `brackets`: an answer ends before a bracket that closes one opened before the cursor, unless that one is still
//! open.

use crate::Language;
use crate::request::Request;

const BRACKET_PAIRS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];

/// Reach around the cursor in which brackets are counted, in bytes.
const CURSOR_REACH_BYTES: usize = 3000;

/// Ends before the first closing bracket without a partner. Prose has such brackets, and so have `case` labels of a
/// shell.
pub(super) fn end(request: &Request, text: &str) -> Option<usize> {
    let language = request.document.language;
    if matches!(language, Language::Markdown | Language::PlainText) {
        return None;
    }
    let mut missing = missing_closers(request);
    let mut open: Vec<char> = Vec::new();
    for (at, c) in outside_strings(language, text) {
        if let Some((_, close)) = BRACKET_PAIRS.iter().find(|(open, _)| *open == c) {
            open.push(*close);
        } else if let Some(kind) = BRACKET_PAIRS.iter().position(|(_, close)| *close == c) {
            if open.last() == Some(&c) {
                open.pop();
            } else if missing[kind] > 0 {
                missing[kind] -= 1;
            } else if !(language == Language::Bash && c == ')') {
                return Some(at);
            }
        }
    }
    None
}

/// Characters of a text outside strings, as far as its quotes tell, with their byte offsets.
fn outside_strings(language: Language, text: &str) -> impl Iterator<Item = (usize, char)> {
    use Language::{C, CSharp, Cpp, Go, Java, Rust};
    // In these languages a single quote delimits one character, or begins a lifetime.
    let has_char_literals = matches!(language, Rust | C | Cpp | CSharp | Java | Go);
    let mut quote: Option<char> = None;
    let mut skip_to = 0;
    text.char_indices().filter(move |(at, c)| {
        if *at < skip_to {
            return false;
        }
        match quote {
            Some(open) => {
                if *c == open || *c == '\n' {
                    quote = None;
                }
                return false;
            }
            None if matches!(c, '"' | '`') || (*c == '\'' && !has_char_literals) => quote = Some(*c),
            None if *c == '\'' => skip_to = at + char_literal_len(&text[*at..]),
            None => return true,
        }
        false
    })
}

/// Length of the character literal at the start of a text; 1 if there is none.
fn char_literal_len(text: &str) -> usize {
    let inner = text.get(1..).unwrap_or_default();
    let length = if inner.starts_with('\\') { 2 } else { 1 };
    let end = inner.char_indices().nth(length).filter(|(_, c)| *c == '\'');
    end.map_or(1, |(at, _)| at + 2)
}

/// Returns true if cutting `text` at `at` removes a bracket or quote that closes one of the text's own.
pub(super) fn cut_unbalances(text: &str, at: usize) -> bool {
    let surplus = |text: &str, (open, close): (char, char)| {
        text.matches(open).count().saturating_sub(text.matches(close).count())
    };
    let brackets = BRACKET_PAIRS.iter().any(|pair| surplus(&text[..at], *pair) > surplus(text, *pair));
    let quotes = ['"', '\'', '`']
        .iter()
        .any(|quote| text[at..].contains(*quote) && text.matches(*quote).count().is_multiple_of(2));
    brackets || quotes
}

/// For each kind of bracket, the number opened before the cursor that nothing after it closes.
fn missing_closers(request: &Request) -> [usize; 3] {
    let before = request.prefix();
    let before = &before[before.floor_char_boundary(before.len().saturating_sub(CURSOR_REACH_BYTES))..];
    let after = &request.suffix()[..request.suffix().floor_char_boundary(CURSOR_REACH_BYTES)];
    std::array::from_fn(|kind| {
        let (open, close) = BRACKET_PAIRS[kind];
        let opened = count_unmatched(before.chars().rev(), close, open);
        // A closing bracket on the cursor's line was inserted by the editor for the last one opened.
        let closed = count_unmatched(after.chars(), open, close).max(usize::from(request.line_after().contains(close)));
        opened.saturating_sub(closed)
    })
}

/// Number of `counted` without a preceding `partner` that belongs to them.
fn count_unmatched(chars: impl Iterator<Item = char>, partner: char, counted: char) -> usize {
    let (mut depth, mut count) = (0usize, 0);
    for c in chars {
        if c == partner {
            depth += 1;
        } else if c == counted {
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
    use super::super::tests::{check, check_in};

    #[test]
    fn lone_brackets_of_shell_and_prose_are_kept() {
        check_in("a.sh", "case \"$1\" in▁\nesac\n", "\n  start) run ;;\n", Some("\n  start) run ;;"));
        check_in("a.md", "1) fast\n2) small\n▁\n", "3) quiet\n", Some("3) quiet"));
    }

    #[test]
    fn brackets_in_single_quotes_are_ignored() {
        check_in("a.js", "return c === ▁;\n", "')'", Some("')'"));
        check_in("a.rs", "fn f() {\n    g(▁);\n}\n", "')', x", Some("')', x"));
        check_in("a.rs", "fn f() {\n    g(▁);\n}\n", "&'a x)", Some("&'a x"));
    }

    #[test]
    fn closed_brackets_are_not_closed_again() {
        check("f(▁)\n", "x, y)", Some("x, y"));
        check("x = [▁]\n", "1, 2]\ny = 3", Some("1, 2"));
        check("fn f() {\n    ▁\n}\n", "g();\n}\n\nfn h() {", Some("g();"));
    }

    #[test]
    fn open_brackets_may_be_closed() {
        check("f(▁\n", "x, y)\n", Some("x, y)"));
        check("x = [g(▁\n", "1)]\nz = 1\n", Some("1)]"));
    }

    #[test]
    fn brackets_in_strings_are_ignored() {
        check("print(▁)\n", "\")\", x)", Some("\")\", x"));
    }
}
