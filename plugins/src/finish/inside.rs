//! Rule `inside`: in a comment or string an answer is prose, and ends where the comment or string ends.

use crate::request::Request;
use crate::syntax::{self, Region};

/// Ends with the comment or string around the cursor, or at once if a new line of it begins with code.
pub(super) fn end(request: &Request, text: &str) -> Option<usize> {
    match syntax::region_at(request.document.tree.as_ref(), request.cursor) {
        Region::Code => None,
        Region::Comment => comment_end(request, text),
        Region::String => string_end(request, text),
    }
}

/// Ends with the line in a line comment, else with the closing mark.
fn comment_end(request: &Request, text: &str) -> Option<usize> {
    let line = request.line_before().trim_start();
    match request.document.language.line_comment() {
        Some(mark) if line.contains(mark) => text.find('\n'),
        _ => end_of_enclosed(request, text, closing_mark(request)),
    }
}

/// Closing mark of the block comment that was opened last.
fn closing_mark(request: &Request) -> &'static str {
    const PAIRS: &[(&str, &str)] = &[("/*", "*/"), ("<!--", "-->"), ("--[[", "]]"), ("=begin", "=end")];
    let opened = PAIRS.iter().max_by_key(|(open, _)| request.prefix().rfind(open));
    opened.map_or("*/", |(_, close)| close)
}

/// Ends with a docstring or another string of several lines. A string of one line ends by the other rules.
fn string_end(request: &Request, text: &str) -> Option<usize> {
    const QUOTES: &[&str] = &["\"\"\"", "'''"];
    let last = QUOTES.iter().filter_map(|quotes| Some((request.prefix().rfind(quotes)?, *quotes))).max();
    end_of_enclosed(request, text, last?.1)
}

/// Ends before the closing mark. It exists after the cursor, or the tree would not show a comment or string.
fn end_of_enclosed(request: &Request, text: &str, close: &str) -> Option<usize> {
    let on_new_line = request.line_before().trim_start_matches([' ', '\t', '*']).is_empty();
    if on_new_line && looks_like_code(text.split('\n').next().unwrap_or_default()) {
        return Some(0);
    }
    text.find(close)
}

/// Returns true if a line reads as a statement, not as a sentence. Doctests (`>>>`) are meant to, and do not count.
fn looks_like_code(line: &str) -> bool {
    const KEYWORDS: &[&str] =
        &["return ", "import ", "def ", "class ", "let ", "const ", "var ", "raise ", "throw ", "await "];
    let line = line.trim();
    if line.starts_with(">>>") || line.starts_with("...") {
        return false;
    }
    let is_header =
        ["if ", "for ", "while ", "with ", "elif "].iter().any(|word| line.starts_with(word)) && line.ends_with(':');
    let is_assignment =
        line.split_once(" = ").is_some_and(|(left, _)| !left.trim().is_empty() && !left.trim().contains(' '));
    is_header || is_assignment || line.ends_with([';', '{']) || KEYWORDS.iter().any(|word| line.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_done, check_in};

    const DOCSTRING: &str = "def f(x):\n    \"\"\"▁\n    \"\"\"\n    return x\n";

    #[test]
    fn a_docstring_ends_with_its_quotes() {
        check(DOCSTRING, "Gives x back.\n    \"\"\"\n    y = 1\n", Some("Gives x back."));
        check_done(DOCSTRING, "Gives x back.\n    \"\"\"", true);
        check("def f(x):\n    \"\"\"▁\"\"\"\n    return x\n", "Gives x back.\"\"\"\n", Some("Gives x back."));
    }

    #[test]
    fn code_ends_a_docstring() {
        let fresh = "def f(x):\n    \"\"\"Gives x back.\n\n    ▁\n    \"\"\"\n    return x\n";
        check(fresh, "return x\n", None);
        check(fresh, "y = x + 1\n    return y\n", None);
        check(fresh, "for y in x:\n        print(y)\n", None);
        check(fresh, "The same object.\n", Some("The same object."));
        check(fresh, ">>> f(1)\n    1\n", Some(">>> f(1)\n    1"));
    }

    #[test]
    fn a_comment_ends_with_its_line() {
        check("# Counts ▁\nx = 1\n", "these:\ny = 2\n", Some("these:"));
        check("# Counts ▁\nx = 1\n", "these\n# and those\n", Some("these"));
        check("x = 1  # the ▁\n", "first:\n    y\n", Some("first:"));
        check_in("a.rs", "/// Adds ▁\nfn f() {}\n", "one:\nlet x = 1;\n", Some("one:"));
    }

    #[test]
    fn a_block_comment_ends_with_its_closing_mark() {
        check_in("a.js", "/**\n * Adds ▁\n */\nf();\n", "one.\n */\ng();\n", Some("one."));
        check_in("a.js", "/**\n * ▁\n */\nf();\n", "const x = 1;\n", None);
    }
}
