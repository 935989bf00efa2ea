//! Number of lines of an answer: one if text follows the cursor, the rest of a statement that was begun, else up to the
//! end of the block by indentation.

use crate::Language;
use crate::language::BlockStyle;
use crate::request::Request;
use crate::text::indent_columns;
use crate::window;

/// Maximum number of lines of a suggestion.
const MAX_SUGGESTION_LINES: usize = 16;

/// Ends with the first line if only one line is wanted or text follows the cursor on its line. Closing brackets of a
/// block that opens at the cursor do not count as such text.
pub(super) fn single_line_end(request: &Request, text: &str) -> Option<usize> {
    let has_room = request.line_after().trim().is_empty() || text.starts_with('\n') && between_brackets(request);
    if request.multi_line && has_room {
        return None;
    }
    text.find('\n')
}

/// Returns true if the cursor is between an opening bracket and the closing one that the editor inserted, followed by
/// nothing but further closing marks.
pub(super) fn between_brackets(request: &Request) -> bool {
    let rest = request.line_after().trim();
    let closer = match request.line_before().trim_end().chars().next_back() {
        Some('{') => '}',
        Some('[') => ']',
        Some('(') => ')',
        _ => return false,
    };
    rest.starts_with(closer) && rest.chars().all(|c| matches!(c, '}' | ']' | ')' | ';' | ','))
}

/// Moves the closing marks right of the cursor to a line of their own below an answer of several lines.
pub(super) fn close_below(request: &Request, text: &mut String) {
    if !text.starts_with('\n') || !between_brackets(request) {
        return;
    }
    let line = request.line_before();
    let indentation = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
    text.push('\n');
    text.push_str(indentation);
}

/// Ends with the first line if the cursor is behind the beginning of a statement, unless that line opens a block or a
/// bracket.
pub(super) fn statement_line_end(request: &Request, text: &str) -> Option<usize> {
    let line_end = text.find('\n')?;
    let line = format!("{}{}", request.line_before(), &text[..line_end]);
    let has_statement = !request.line_before().trim().is_empty();
    let language = request.document.language;
    if !has_statement || begins_block(language, &line) {
        return None;
    }
    // The brace of a body may come on a line of its own; the next character tells.
    let rest = text[line_end..].trim_start();
    let may_have_body =
        line_end == 0 && language.block_style() == BlockStyle::Brackets && (rest.is_empty() || rest.starts_with('{'));
    if may_have_body { None } else { Some(line_end) }
}

/// Returns true if the following lines belong to this one.
pub(super) fn begins_block(language: Language, line: &str) -> bool {
    let worded = language.block_style() == BlockStyle::Keywords && begins_worded_block(line);
    continues_on_next_line(line) || worded || is_unmarked_header(language, line)
}

/// Returns true for a header in a language whose blocks have no opening mark.
fn is_unmarked_header(language: Language, line: &str) -> bool {
    let line = line.trim();
    match language {
        Language::Toml => line.starts_with('[') && line.ends_with(']'),
        Language::Html => line.ends_with('>') && !line.contains("</") && !line.ends_with("/>"),
        Language::Markdown => line.starts_with('#'),
        _ => false,
    }
}

/// Returns true if the end of a line shows that it continues on the next one.
fn continues_on_next_line(line: &str) -> bool {
    let end = line.trim_end();
    let words = [" then", " do", "else", "begin", "\\", "=>", "->", "="];
    end.ends_with([':', '{', '(', '[', ',']) || words.iter().any(|word| end.ends_with(word)) || end.starts_with('@')
}

/// Returns true if a line begins a block that a keyword such as `end` closes: by its first word, or by a function or a
/// block with parameters inside the line.
fn begins_worded_block(line: &str) -> bool {
    const FIRST: &[&str] =
        &["def", "class", "module", "if", "unless", "while", "until", "for", "case", "begin", "function", "repeat"];
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<&str> = line.split(|c| !word(c)).filter(|word| !word.is_empty()).collect();
    let first = words.first().is_some_and(|first| FIRST.contains(first));
    let inner = words.contains(&"function") || line.contains(" do |");
    (first || inner) && words.last() != Some(&"end")
}

/// Ends where the block ends: at a line indented less than the first, at a blank line, or after
/// [`MAX_SUGGESTION_LINES`]. Below a header, a single blank line belongs to the body if the next line is indented more
/// than the header.
pub(super) fn block_end(request: &Request, text: &str) -> Option<usize> {
    let line = request.line_before();
    let has_header = !line.trim().is_empty();
    let first = text.split('\n').next().unwrap_or_default();
    let base = if has_header { indent_columns(line) } else { indent_columns(&format!("{line}{first}")) };
    // Without indentation, a blank line ends the body.
    let is_flat = has_header && is_unmarked_header(request.document.language, &format!("{line}{first}"));
    let mut at = first.len();
    let mut blank_line: Option<usize> = None;
    for (number, line) in text[at..].split('\n').skip(1).enumerate() {
        let (start, is_blank) = (at, line.trim().is_empty());
        at += 1 + line.len();
        let is_complete = at < text.len();
        let opens_body = has_header && number == 0 && line.trim_start().starts_with('{');
        if is_blank && !is_complete || opens_body {
            continue;
        }
        let indent = indent_columns(line);
        if let Some(blank_line) = blank_line.take()
            && (is_blank || indent <= base)
        {
            return Some(blank_line);
        }
        if is_blank && number > 0 && has_header && !is_flat {
            blank_line = Some(start);
            continue;
        }
        let leaves_body = has_header && !is_flat && indent == base && !closes_or_resumes_block(line);
        let leaves_block = !is_blank && (indent < base || leaves_body);
        if leaves_block && closes_or_resumes_block(line) {
            // The bracket rule decides whether a closing line belongs to the answer.
            continue;
        }
        if leaves_block || is_blank && number > 0 || number >= MAX_SUGGESTION_LINES {
            return Some(start);
        }
    }
    None
}

/// Returns true for a line that closes a block, and may open the next part of it.
fn closes_or_resumes_block(line: &str) -> bool {
    let line = line.trim_start();
    let words = [
        "end", "fi", "done", "esac", "else", "elif", "elsif", "except", "finally", "case", "rescue", "ensure",
        "default",
    ];
    line.starts_with(['}', ')', ']'])
        || words.iter().any(|word| line.split(|c: char| !c.is_alphanumeric()).next() == Some(word))
}

/// Drops the last line, in which decoding was cut off, if there is text before it.
pub(super) fn drop_partial_line(text: &mut String) {
    if let Some(at) = text.rfind('\n')
        && !text[..at].trim().is_empty()
    {
        text.truncate(at);
    }
}

/// Lines below the cursor's line that are not blank.
pub(super) fn lines_below(request: &Request) -> impl Iterator<Item = &str> {
    let after = window::visible_suffix(request);
    after.split('\n').skip(1).filter(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_done, check_done_in, check_in};

    #[test]
    fn keyword_blocks_are_kept_whole() {
        check_in("a.rb", "def f(x)▁\n", "\n  x + 1\nend\n\ndef g", Some("\n  x + 1\nend"));
        check_in("a.rb", "list.each do |x|▁\n", "\n  puts x\nend\nputs 1\n", Some("\n  puts x\nend"));
        check_in("a.lua", "local function f(x)▁\n", "\n  return x\nend\nprint(1)\n", Some("\n  return x\nend"));
        check_in("a.sh", "for f in *; do▁\n", "\n  cat $f\ndone\necho 1\n", Some("\n  cat $f\ndone"));
        check_in("a.rb", "x = ▁\n", "1\ny = 2\n", Some("1"));
    }

    #[test]
    fn a_body_may_begin_on_its_own_line() {
        check_in("a.c", "int f(int a)▁\n", "\n{\n    return a;\n}\n", Some("\n{\n    return a;\n}"));
        check_in("a.c", "int x = 1;▁\n", "\nint y = 2;\n", None);
        check_in("a.toml", "[dependencies]▁\n", "\nserde = \"1\"\n", Some("\nserde = \"1\""));
    }

    #[test]
    fn text_after_the_cursor_limits_the_answer_to_one_line() {
        check("f(▁, y)\n", "x\nz", Some("x"));
    }

    #[test]
    fn a_partial_statement_ends_with_its_line() {
        check("x = ▁\n", "1\ny = 2\n", Some("1"));
        check("def f():\n    return ▁\n", "1\n\ndef g():\n    pass\n", Some("1"));
        check_done("x = ▁\n", "1\n", true);
        check_done("x = ▁\n", "1", false);
    }

    #[test]
    fn a_header_keeps_its_body() {
        check("def f(x):▁\n", "\n    y = x\n    return y\n\ndef g():\n", Some("\n    y = x\n    return y"));
        check("for x in y▁\n", ":\n    print(x)\nprint(y)\n", Some(":\n    print(x)"));
    }

    #[test]
    fn a_body_may_contain_single_blank_lines() {
        let body = "\n    y = x\n\n    return y";
        check("def f(x):▁\n", &format!("{body}\n\n\n    z = 1\n"), Some(body));
        check("def f(x):▁\n", &format!("{body}\n\ndef g():\n"), Some(body));
        check("def f(x):▁\n", &format!("{body}\n\n"), Some(body));
        check_done("def f(x):▁\n", "\n    y = x\n\n", false);
        check_done("def f(x):▁\n", "\n    y = x\n\n  ", false);
        check_done("def f(x):▁\n", "\n    y = x\n\nd", true);
        check_in("a.js", "function f() {▁\n", "\n  a();\n\n  b();\n}\n", Some("\n  a();\n\n  b();\n}"));
        check("def f():\n    ▁\n", "y = x\n    z = 1\n\n    return y\n", Some("y = x\n    z = 1"));
    }

    #[test]
    fn auto_closed_brackets_may_hold_several_lines() {
        check_in("a.js", "list.map((x) => {▁});\n", "\n  f(x);\n  g(x);\n});\n", Some("\n  f(x);\n  g(x);\n"));
        check_in("a.js", "  on(() => {▁})\n", "\n    f();\n  })\n", Some("\n    f();\n  "));
        check_in("a.js", "f({ a: ▁ });\n", "1,\n b: 2", Some("1,"));
        check("x = f(▁)\n", "a, b)\ny = 1\n", Some("a, b"));
        check_done_in("a.js", "f(() => {▁});\n", "\n", false);
    }

    #[test]
    fn a_block_ends_where_its_indentation_ends() {
        check("def f(x):\n    ▁\n", "y = x\n    return y\nprint(f(1))\n", Some("y = x\n    return y"));
        check(
            "def f(x):\n    ▁\n",
            "if x:\n        return 1\n    return 2\n\n\ndef g",
            Some("if x:\n        return 1\n    return 2"),
        );
    }

    #[test]
    fn an_incomplete_last_line_is_dropped() {
        check("def f(x):\n    ▁\n", "y = x\n    retu", Some("y = x"));
        check("x = ▁\n", "some_func", Some("some_func"));
    }
}
