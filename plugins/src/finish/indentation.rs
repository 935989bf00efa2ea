//! Rule `indentation`: an answer adopts the tabs and spaces of the file.

use super::lines::begins_block;
use crate::request::Request;
use crate::text::indent_columns;

/// Number of lines of a file that show its indentation.
const MAX_STYLE_LINES: usize = 2000;
/// Width of a level where neither the file nor the answer shows one.
const DEFAULT_INDENT_COLUMNS: usize = 4;

/// The text with the file's indentation.
pub(super) fn match_file_indentation(request: &Request, text: &str) -> String {
    let mut lines = text.split('\n');
    let mut out = complete_first_indent(request, lines.next().unwrap_or_default());
    let file = file_indent_style(&request.document.text);
    let answer_unit = answer_indent_unit(request, text);
    for line in lines {
        let body = line.trim_start_matches([' ', '\t']);
        let (blank, body) = line.split_at(line.len() - body.len());
        out.push('\n');
        match file {
            Some(IndentStyle::Tabs) => out.push_str(&blank.replace(&" ".repeat(answer_unit), "\t")),
            Some(IndentStyle::Spaces(unit)) => out.push_str(&blank.replace('\t', &" ".repeat(unit))),
            None => out.push_str(blank),
        }
        out.push_str(body);
    }
    out
}

/// The first line without the part of its indentation that is typed already. A model that continues half an indentation
/// may write all of it.
fn complete_first_indent(request: &Request, first: &str) -> String {
    let typed = request.line_before();
    let body = first.trim_start_matches([' ', '\t']);
    let indentation = &first[..first.len() - body.len()];
    let starts_statement = |c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'' | '@' | '#');
    let above = request.prefix().rsplit('\n').skip(1).find(|line| !line.trim().is_empty()).unwrap_or_default();
    // Continuation lines are aligned with the line above, not with a level.
    let is_continuation = above.trim_end().ends_with(',') || !body.starts_with(starts_statement);
    let is_half_typed = !typed.is_empty() && typed.trim().is_empty() && !indentation.is_empty();
    if !is_half_typed || is_continuation {
        return first.to_owned();
    }
    let uses_tabs = typed.contains('\t') || above.starts_with('\t');
    let unit = match file_indent_style(&request.document.text) {
        Some(IndentStyle::Spaces(unit)) if !uses_tabs => unit,
        _ => DEFAULT_INDENT_COLUMNS,
    };
    let expected = indent_columns(above) + if begins_block(request.document.language, above) { unit } else { 0 };
    let typed_columns = indent_columns(typed);
    let total_columns = indent_columns(&format!("{typed}{indentation}"));
    if typed_columns > expected || total_columns <= expected {
        return first.to_owned();
    }
    let missing = expected - typed_columns;
    let indentation = if uses_tabs { "\t".repeat(missing / DEFAULT_INDENT_COLUMNS) } else { " ".repeat(missing) };
    indentation + body
}

/// Indentation of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IndentStyle {
    /// One tab per level.
    Tabs,
    /// This many spaces per level.
    Spaces(usize),
}

/// Indentation of the file; `None` without indented lines and if tabs and spaces are mixed.
fn file_indent_style(text: &str) -> Option<IndentStyle> {
    let lines = || text.split('\n').take(MAX_STYLE_LINES).filter(|line| !line.trim().is_empty());
    let (tabs, spaces) = (lines().any(|line| line.starts_with('\t')), lines().any(|line| line.starts_with("  ")));
    match (tabs, spaces) {
        (true, false) => Some(IndentStyle::Tabs),
        (false, true) => Some(IndentStyle::Spaces(usual_indent_step(lines()))),
        _ => None,
    }
}

/// Most frequent increase in indentation from a line to the next, in columns.
fn usual_indent_step<'a>(lines: impl Iterator<Item = &'a str>) -> usize {
    let mut counts = [0usize; 9];
    let mut above = 0;
    for column in lines.map(indent_columns) {
        let step = column.saturating_sub(above);
        if (2..counts.len()).contains(&step) {
            counts[step] += 1;
        }
        above = column;
    }
    let best = (2..counts.len()).max_by_key(|step| (counts[*step], std::cmp::Reverse(*step)));
    best.filter(|step| counts[*step] > 0).unwrap_or(DEFAULT_INDENT_COLUMNS)
}

/// Number of spaces that the answer uses for one level, in a file with tabs. The line below a header is one level
/// deeper than the cursor's line; otherwise the second line is on its level.
fn answer_indent_unit(request: &Request, text: &str) -> usize {
    let line = request.line_before();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let level = line.chars().take_while(|c| *c == '\t').count()
        + usize::from(begins_block(request.document.language, &format!("{line}{first}")));
    let next = rest.split('\n').find(|line| !line.trim().is_empty()).unwrap_or_default();
    let spaces = next.len() - next.trim_start_matches(' ').len();
    if level > 0 && spaces.is_multiple_of(level) && (2..=8).contains(&(spaces / level)) {
        spaces / level
    } else {
        DEFAULT_INDENT_COLUMNS
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_in};

    #[test]
    fn tabs_follow_the_file() {
        check("def f():\n\tx = 1\n\t▁\n", "if x:\n        return 1\n", Some("if x:\n\t\treturn 1"));
    }

    #[test]
    fn levels_are_as_wide_as_in_the_file() {
        check_in("a.js", "if (a) {\n\tb();\n}\nif (x) {▁\n", "\n  f();\n}\n", Some("\n\tf();\n}"));
        check_in("a.js", "if (a) {\n  b();\n}\nif (x) {▁\n", "\n\tf();\n}\n", Some("\n  f();\n}"));
    }

    #[test]
    fn a_half_typed_indentation_is_completed_once() {
        check("def f(x):\n    return x\n\ndef g(x):\n  ▁\n", "    return x\n", Some("  return x"));
        check("def f(x):\n    return x\n\ndef g(x):\n  ▁\n", "  return x\n", Some("  return x"));
        check("def f(x):\n  return x\n\ndef g(x):\n  ▁\n", "  return x\n", Some("return x"));
        check("def f(x):\n\treturn x\n\ndef g(x):\n\t▁\n", "\treturn x\n", Some("return x"));
        check("def f(x):\n  return x\n\ndef g(x):\n ▁\n", "  return x\n", Some(" return x"));
    }

    #[test]
    fn continuation_lines_may_be_indented_further() {
        check("x = f(a,\n ▁\n", "     b)\n", Some("     b)"));
        check_in("a.js", "  x = a\n  ▁\n", "  .b();\n", Some("  .b();"));
    }
}
