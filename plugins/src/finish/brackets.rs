//! Rule `brackets`: an answer ends before a bracket that closes one opened before the cursor, unless that one is still
//! open.

use std::collections::VecDeque;

use crate::Language;
use crate::language::BlockStyle;
use crate::request::Request;
use crate::text::indent_columns;

const BRACKET_PAIRS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];

/// Ends before the first closing bracket without a partner.
pub(super) fn end(request: &Request, text: &str) -> Option<usize> {
    let language = request.document.language;
    let mut missing: Option<VecDeque<char>> = None;
    let mut open: Vec<char> = Vec::new();
    for (at, c) in code_chars(language, text) {
        if let Some((_, close)) = BRACKET_PAIRS.iter().find(|(open, _)| *open == c) {
            open.push(*close);
        } else if BRACKET_PAIRS.iter().any(|(_, close)| *close == c) {
            if open.last() == Some(&c) {
                open.pop();
                continue;
            }
            let missing = missing.get_or_insert_with(|| missing_closers(request));
            if missing.front() == Some(&c) {
                missing.pop_front();
            } else if !(c == ')' && may_stand_alone(request, &text[..at])) {
                return Some(at);
            }
        }
    }
    None
}

/// Returns true if a `)` after `text` may have no partner: in a `case` label of a shell, or in prose after the number
/// of an item or the eyes of a smiley.
fn may_stand_alone(request: &Request, text: &str) -> bool {
    const MAX_ITEM_CHARS: usize = 3;
    match request.document.language {
        Language::Bash => true,
        Language::Markdown | Language::PlainText => {
            let before = [request.line_before(), text].concat();
            let before = before.rsplit('\n').next().unwrap_or_default().trim_start();
            let is_item = before.len() <= MAX_ITEM_CHARS && before.chars().all(char::is_alphanumeric);
            is_item || before.ends_with([':', ';', '-'])
        }
        _ => false,
    }
}

/// Characters of a text outside strings and comments, as far as their marks tell, with their byte offsets.
fn code_chars(language: Language, text: &str) -> impl Iterator<Item = (usize, char)> {
    use Language::{C, CSharp, Cpp, Go, Java, Markdown, PlainText, Rust};
    // Here a single quote delimits one character, begins a lifetime or is an apostrophe.
    let has_char_literals = matches!(language, Rust | C | Cpp | CSharp | Java | Go | Markdown | PlainText);
    let mut quote: Option<char> = None;
    let mut skip_to = 0;
    text.char_indices().filter(move |(at, c)| {
        if *at < skip_to {
            return false;
        }
        if let Some(open) = quote {
            match *c {
                '\\' => skip_to = at + 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
                '\n' => quote = None,
                c if c == open => quote = None,
                _ => {}
            }
            return false;
        }
        if let Some(length) = comment_len(language, text, *at) {
            skip_to = at + length;
            return false;
        }
        match *c {
            '"' | '`' => quote = Some(*c),
            '\'' if has_char_literals => skip_to = at + char_literal_len(&text[*at..]),
            '\'' => quote = Some(*c),
            _ => return true,
        }
        false
    })
}

/// Length of the comment that starts at a byte offset, without its line end; `None` if none starts there.
fn comment_len(language: Language, text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    if language.block_style() == BlockStyle::Brackets && rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    let mark = language.line_comment()?;
    // `$#` of a shell and the anchor of a URL are no comments.
    let may_start = mark != "#" || text[..at].chars().next_back().is_none_or(char::is_whitespace);
    if may_start && rest.starts_with(mark) { Some(rest.find('\n').unwrap_or(rest.len())) } else { None }
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

/// Bracket without a partner on its side of the cursor.
struct LoneBracket {
    closer: char,
    /// Indentation of its line in columns; `None` for a closing bracket that does not begin its line.
    indent: Option<usize>,
}

/// Closing brackets that the document lacks at the cursor, the innermost first.
///
/// Brackets are counted in the whole document, since the end of a class may be far away. Where more are open than
/// closed, indentation shows which: a closing bracket that begins a line closes nothing that is indented deeper.
fn missing_closers(request: &Request) -> VecDeque<char> {
    let (opened, closed) = lone_brackets(request);
    let count = |brackets: &[LoneBracket], kind: char| brackets.iter().filter(|it| it.closer == kind).count();
    let mut missing = VecDeque::new();
    for bracket in opened.iter().rev() {
        let closer = bracket.closer;
        let already_missing = missing.iter().filter(|it| **it == closer).count();
        let is_balanced = count(&opened, closer) <= count(&closed, closer) + already_missing;
        let next = closed.iter().find(|it| it.closer == closer);
        let is_closed = next.is_some_and(|next| next.indent.is_none_or(|indent| Some(indent) >= bracket.indent));
        if is_balanced || is_closed {
            break;
        }
        missing.push_back(closer);
    }
    missing
}

/// Brackets opened before the cursor and not closed there, the outermost first; and brackets closed after it that were
/// not opened there, in order.
fn lone_brackets(request: &Request) -> (Vec<LoneBracket>, Vec<LoneBracket>) {
    let (text, cursor) = (&*request.document.text, request.cursor);
    let (mut opened, mut closed): (Vec<LoneBracket>, Vec<LoneBracket>) = (Vec::new(), Vec::new());
    let mut opened_after: Vec<char> = Vec::new();
    let (mut line_start, mut searched) = (0, 0);
    for (at, c) in code_chars(request.document.language, text) {
        if let Some(line_end) = text[searched..at].rfind('\n') {
            line_start = searched + line_end + 1;
        }
        searched = at;
        let line = &text[line_start..];
        if let Some((_, closer)) = BRACKET_PAIRS.iter().find(|(open, _)| *open == c) {
            if at < cursor {
                opened.push(LoneBracket { closer: *closer, indent: Some(indent_columns(line)) });
            } else {
                opened_after.push(*closer);
            }
        } else if BRACKET_PAIRS.iter().any(|(_, close)| *close == c) {
            if at < cursor {
                if let Some(partner) = opened.iter().rposition(|it| it.closer == c) {
                    opened.remove(partner);
                }
            } else if let Some(partner) = opened_after.iter().rposition(|closer| *closer == c) {
                opened_after.remove(partner);
            } else {
                let begins_line = line.trim_start().len() == text.len() - at;
                closed.push(LoneBracket { closer: c, indent: begins_line.then(|| indent_columns(line)) });
            }
        }
    }
    (opened, closed)
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
    fn a_block_that_ends_far_below_is_not_closed_again() {
        let method = |name: &str| format!("    fn {name}(&self) -> bool {{\n        self.{name}\n    }}\n\n");
        let below: String = (0..200).map(|number| method(&format!("m{number}"))).collect();
        let file = format!("impl A {{\n    fn f(&self) -> bool {{\n        ▁\n    }}\n\n{below}}}\n");
        check(&file, "self.len == 0\n    }\n", Some("self.len == 0"));
        let file = format!("impl A {{\n    fn f(&self) -> bool {{\n        ▁\n\n{below}}}\n");
        check(&file, "self.len == 0\n    }\n", Some("self.len == 0\n    }"));
    }

    #[test]
    fn an_open_bracket_elsewhere_does_not_hide_the_closed_one_here() {
        let file = "fn a() {\n    if x {\n}\n\nfn b() {\n    ▁\n}\n";
        check(file, "c();\n}\n", Some("c();"));
    }

    #[test]
    fn files_without_a_grammar_have_their_brackets_closed_once() {
        check_in("a.zig", "fn f() void {\n    ▁\n}\n", "g();\n}\n", Some("g();"));
        check_in("a.zig", "fn f() void {\n    ▁\n", "g();\n}\n", Some("g();\n}"));
        check_in("a.md", "It works▁\n", " :)", Some(" :)"));
    }

    #[test]
    fn brackets_in_comments_are_ignored() {
        check("fn f() {\n    // Ends with }.\n    ▁\n}\n", "g();\n}\n", Some("g();"));
        check("fn f() {\n    /* { */\n    ▁\n}\n", "g();\n}\n", Some("g();"));
        check_in("a.sh", "f() {\n  echo ${#x} $# # {\n  ▁\n}\n", "g\n}\n", Some("g"));
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
