//! Tabs, spaces and line ends as the file has them.

use super::lines::begins_block;
use crate::request::Request;
use crate::text::indent_columns;

/// Spaces of one level where neither the file nor the answer tells.
const DEFAULT_INDENT_COLUMNS: usize = 4;

/// The text with the file's own indentation and line ends.
pub(super) fn match_file_indentation(request: &Request, text: &str) -> String {
    let mut lines = text.split('\n');
    let mut out = complete_first_indent(request, lines.next().unwrap_or_default());
    let file = file_indent_style(&request.document.text);
    let own = answer_indent_unit(request, text);
    let line_end = if request.document.text.contains("\r\n") { "\r\n" } else { "\n" };
    for line in lines {
        let body = line.trim_start_matches([' ', '\t']);
        let (blank, body) = line.split_at(line.len() - body.len());
        out.push_str(line_end);
        match file {
            Some(IndentStyle::Tabs) => out.push_str(&blank.replace(&" ".repeat(own), "\t")),
            Some(IndentStyle::Spaces(unit)) => out.push_str(&blank.replace('\t', &" ".repeat(unit))),
            None => out.push_str(blank),
        }
        out.push_str(body.trim_end_matches('\r'));
    }
    out
}

/// The first line without the part of its indentation that is typed already: a model that is asked behind half an indentation
/// may write a whole one.
fn complete_first_indent(request: &Request, first: &str) -> String {
    let typed = request.line_before();
    let body = first.trim_start_matches([' ', '\t']);
    let blank = &first[..first.len() - body.len()];
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'' | '@' | '#');
    let above = request.prefix().rsplit('\n').skip(1).find(|line| !line.trim().is_empty()).unwrap_or_default();
    let lines_up = above.trim_end().ends_with(',');
    if typed.is_empty() || !typed.trim().is_empty() || blank.is_empty() || lines_up || !body.starts_with(word) {
        return first.to_owned();
    }
    let tabs = typed.contains('\t') || above.starts_with('\t');
    let unit = match file_indent_style(&request.document.text) {
        Some(IndentStyle::Spaces(unit)) if !tabs => unit,
        _ => DEFAULT_INDENT_COLUMNS,
    };
    let expected = indent_columns(above) + if begins_block(request.document.language, above) { unit } else { 0 };
    let (there, with_all) = (indent_columns(typed), indent_columns(&format!("{typed}{blank}")));
    if there > expected || with_all <= expected {
        return first.to_owned();
    }
    let missing = expected - there;
    let blank = if tabs { "\t".repeat(missing / DEFAULT_INDENT_COLUMNS) } else { " ".repeat(missing) };
    blank + body
}

/// How a file is indented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IndentStyle {
    Tabs,
    /// So many spaces a level.
    Spaces(usize),
}

/// How the file's indented lines begin; `None` where it has none, or both kinds.
fn file_indent_style(text: &str) -> Option<IndentStyle> {
    let lines = || text.split('\n').take(2000).filter(|line| !line.trim().is_empty());
    let (tabs, spaces) = (lines().any(|line| line.starts_with('\t')), lines().any(|line| line.starts_with("  ")));
    match (tabs, spaces) {
        (true, false) => Some(IndentStyle::Tabs),
        (false, true) => Some(IndentStyle::Spaces(usual_indent_step(lines()))),
        _ => None,
    }
}

/// The step that lines are most often further in by than the line above them.
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

/// The spaces that the answer takes for one level of a file with tabs: a line below a header is one level further in than the
/// cursor's line, any other first line on its level.
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
    fn tabs_and_line_ends_of_the_file_are_kept() {
        check("def f():\n\tx = 1\n\t▁\n", "if x:\n        return 1\n", Some("if x:\n\t\treturn 1"));
        check("def f():\r\n    ▁\r\n", "x = 1\n    return x\n", Some("x = 1\r\n    return x"));
    }

    #[test]
    fn a_level_is_as_wide_as_the_file_has_it() {
        check_in("a.js", "if (a) {\n\tb();\n}\nif (x) {▁\n", "\n  f();\n}\n", Some("\n\tf();\n}"));
        check_in("a.js", "if (a) {\n  b();\n}\nif (x) {▁\n", "\n\tf();\n}\n", Some("\n  f();\n}"));
    }

    #[test]
    fn an_indentation_that_is_half_typed_is_completed_and_not_doubled() {
        check("def f(x):\n    return x\n\ndef g(x):\n  ▁\n", "    return x\n", Some("  return x"));
        check("def f(x):\n    return x\n\ndef g(x):\n  ▁\n", "  return x\n", Some("  return x"));
        check("def f(x):\n  return x\n\ndef g(x):\n  ▁\n", "  return x\n", Some("return x"));
        check("def f(x):\n\treturn x\n\ndef g(x):\n\t▁\n", "\treturn x\n", Some("return x"));
        check("def f(x):\n  return x\n\ndef g(x):\n ▁\n", "  return x\n", Some(" return x"));
    }

    #[test]
    fn what_goes_on_from_the_line_above_may_be_further_in() {
        check("x = f(a,\n ▁\n", "     b)\n", Some("     b)"));
        check_in("a.js", "  x = a\n  ▁\n", "  .b();\n", Some("  .b();"));
    }
}
