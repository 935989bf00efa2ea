//! How many lines an answer has: one in the middle of a line, a statement on a statement's line, else up to the end of
//! the block, by indentation.

use crate::Language;
use crate::language::BlockStyle;
use crate::request::Request;
use crate::text::indent_columns;
use crate::window;

/// Lines of a suggestion at the most.
const MAX_SUGGESTION_LINES: usize = 16;

/// Ends with the line where a rest of line follows that is more than the closing marks of a block which opens here, or where
/// only one line is wanted.
pub(super) fn single_line_end(request: &Request, text: &str) -> Option<usize> {
    let room = request.line_after().trim().is_empty() || text.starts_with('\n') && between_brackets(request);
    let only = !request.multi_line || !room;
    text.find('\n').filter(|_| only)
}

/// Whether the cursor stands between a bracket that opens and the one that an editor put there to close it, perhaps with the
/// closing marks of what is around them.
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

/// Gives the closing marks right of the cursor a line of their own below an answer that has lines.
pub(super) fn close_below(request: &Request, text: &mut String) {
    if !text.starts_with(['\n', '\r']) || !between_brackets(request) {
        return;
    }
    let line = request.line_before();
    let blank = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
    text.push_str(if text.contains("\r\n") { "\r\n" } else { "\n" });
    text.push_str(blank);
}

/// Ends with the line where the cursor stands behind the beginning of a statement, unless the line opens a block or a
/// bracket.
pub(super) fn statement_line_end(request: &Request, text: &str) -> Option<usize> {
    let first = text.find('\n')?;
    let line = format!("{}{}", request.line_before(), &text[..first]);
    let begun = !request.line_before().trim().is_empty();
    let language = request.document.language;
    if !begun || begins_block(language, &line) {
        return None;
    }
    // A body may begin on a line of its own, which the next letter tells.
    let body = text[first..].trim_start();
    let waits = first == 0 && language.block_style() == BlockStyle::Brackets && (body.is_empty() || body.starts_with('{'));
    (!waits).then_some(first)
}

/// Whether more belongs to this line than the line itself.
pub(super) fn begins_block(language: Language, line: &str) -> bool {
    let worded = language.block_style() == BlockStyle::Keywords && begins_worded_block(line);
    continues_on_next_line(line) || worded || is_unmarked_header(language, line)
}

/// Headers of languages whose blocks have no mark.
fn is_unmarked_header(language: Language, line: &str) -> bool {
    let line = line.trim();
    match language {
        Language::Toml => line.starts_with('[') && line.ends_with(']'),
        Language::Html => line.ends_with('>') && !line.contains("</") && !line.ends_with("/>"),
        Language::Markdown => line.starts_with('#'),
        _ => false,
    }
}

/// Whether something begins with this line that goes on in the next.
fn continues_on_next_line(line: &str) -> bool {
    let end = line.trim_end();
    let words = [" then", " do", "else", "begin", "\\", "=>", "->", "="];
    end.ends_with([':', '{', '(', '[', ',']) || words.iter().any(|word| end.ends_with(word)) || end.starts_with('@')
}

/// Whether a line begins a block that a word such as `end` closes: by its first word, or by a function or block at its end.
fn begins_worded_block(line: &str) -> bool {
    const FIRST: &[&str] =
        &["def", "class", "module", "if", "unless", "while", "until", "for", "case", "begin", "function", "repeat"];
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<&str> = line.split(|c| !word(c)).filter(|word| !word.is_empty()).collect();
    let first = words.first().is_some_and(|first| FIRST.contains(first));
    let inner = words.contains(&"function") || line.contains(" do |");
    (first || inner) && words.last() != Some(&"end")
}

/// Ends where the block ends: at a line that is indented less than the first, at a blank line, or after so many lines. Below a
/// header a single blank line belongs to the body if what follows is further in than the header.
pub(super) fn block_end(request: &Request, text: &str) -> Option<usize> {
    let line = request.line_before();
    let header = !line.trim().is_empty();
    let first = text.split('\n').next().unwrap_or_default();
    let base = if header { indent_columns(line) } else { indent_columns(&format!("{line}{first}")) };
    // A body that is not indented ends with a blank line.
    let flat = header && is_unmarked_header(request.document.language, &format!("{line}{first}"));
    let mut at = first.len();
    let mut gap: Option<usize> = None;
    for (number, line) in text[at..].split('\n').skip(1).enumerate() {
        let (start, blank) = (at, line.trim().is_empty());
        at += 1 + line.len();
        let complete = at < text.len();
        let opens_here = header && number == 0 && line.trim_start().starts_with('{');
        if blank && !complete || opens_here {
            continue;
        }
        if let Some(gap) = gap.take()
            && (blank || indent_columns(line) <= base)
        {
            return Some(gap);
        }
        if blank && number > 0 && header && !flat {
            gap = Some(start);
            continue;
        }
        let out = !blank
            && (indent_columns(line) < base
                || header && !flat && indent_columns(line) == base && !closes_or_resumes_block(line));
        if out && closes_or_resumes_block(line) && indent_columns(line) <= base {
            // Whether a closing line belongs to the answer is for the brackets to say.
            continue;
        }
        if out || blank && number > 0 || number >= MAX_SUGGESTION_LINES {
            return Some(start);
        }
    }
    None
}

/// Whether a line only closes what was opened, or goes on after closing it.
fn closes_or_resumes_block(line: &str) -> bool {
    let line = line.trim_start();
    let words = [
        "end", "fi", "done", "esac", "else", "elif", "elsif", "except", "finally", "case", "rescue", "ensure",
        "default",
    ];
    line.starts_with(['}', ')', ']'])
        || words.iter().any(|word| line.split(|c: char| !c.is_alphanumeric()).next() == Some(word))
}

/// Drops the last line where the model was cut off in it and there is a whole one before.
pub(super) fn drop_partial_line(text: &mut String) {
    if let Some(at) = text.rfind('\n').filter(|at| !text[..*at].trim().is_empty()) {
        text.truncate(at);
    }
}

/// What follows the cursor's line.
pub(super) fn lines_below(request: &Request) -> impl Iterator<Item = &str> {
    let after = window::visible_suffix(request);
    after.split('\n').skip(1).map(|line| line.trim_end_matches('\r')).filter(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_done, check_done_in, check_in};

    #[test]
    fn blocks_that_a_word_closes_are_taken_whole() {
        check_in("a.rb", "def f(x)▁\n", "\n  x + 1\nend\n\ndef g", Some("\n  x + 1\nend"));
        check_in("a.rb", "list.each do |x|▁\n", "\n  puts x\nend\nputs 1\n", Some("\n  puts x\nend"));
        check_in("a.lua", "local function f(x)▁\n", "\n  return x\nend\nprint(1)\n", Some("\n  return x\nend"));
        check_in("a.sh", "for f in *; do▁\n", "\n  cat $f\ndone\necho 1\n", Some("\n  cat $f\ndone"));
        check_in("a.rb", "x = ▁\n", "1\ny = 2\n", Some("1"));
    }

    #[test]
    fn a_body_may_begin_on_a_line_of_its_own() {
        check_in("a.c", "int f(int a)▁\n", "\n{\n    return a;\n}\n", Some("\n{\n    return a;\n}"));
        check_in("a.c", "int x = 1;▁\n", "\nint y = 2;\n", None);
        check_in("a.toml", "[dependencies]▁\n", "\nserde = \"1\"\n", Some("\nserde = \"1\""));
    }

    #[test]
    fn inside_a_line_there_is_one_line() {
        check("f(▁, y)\n", "x\nz", Some("x"));
    }

    #[test]
    fn a_begun_statement_ends_with_its_line() {
        check("x = ▁\n", "1\ny = 2\n", Some("1"));
        check("def f():\n    return ▁\n", "1\n\ndef g():\n    pass\n", Some("1"));
        check_done("x = ▁\n", "1\n", true);
        check_done("x = ▁\n", "1", false);
    }

    #[test]
    fn a_header_takes_its_body() {
        check("def f(x):▁\n", "\n    y = x\n    return y\n\ndef g():\n", Some("\n    y = x\n    return y"));
        check("for x in y▁\n", ":\n    print(x)\nprint(y)\n", Some(":\n    print(x)"));
    }

    #[test]
    fn a_body_may_hold_single_blank_lines() {
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
    fn between_brackets_that_an_editor_closed_there_is_room_for_lines() {
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
    fn a_line_that_was_cut_off_is_dropped() {
        check("def f(x):\n    ▁\n", "y = x\n    retu", Some("y = x"));
        check("x = ▁\n", "some_func", Some("some_func"));
    }
}
