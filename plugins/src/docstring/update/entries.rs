//! Entries of an existing docstring: parameters, type parameters, results, errors.

use std::ops::Range;

use super::super::field::Field;
use super::super::style::DocStyle;
use super::existing::DocstringRow;

/// Groups of fields, in the order in which docstrings have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FieldGroup {
    /// Type parameters.
    TypeParameters,
    /// Parameters.
    Parameters,
    /// Returned or yielded value.
    Returns,
    /// Errors.
    Raises,
}

impl FieldGroup {
    /// All groups in order.
    pub(super) const ALL: [Self; 4] = [Self::TypeParameters, Self::Parameters, Self::Returns, Self::Raises];

    /// Returns the group of a field; `None` for a summary.
    pub(super) fn for_field(field: &Field) -> Option<Self> {
        match field {
            Field::Summary => None,
            Field::TypeParameter(_) => Some(Self::TypeParameters),
            Field::Parameter(_) => Some(Self::Parameters),
            Field::Returns => Some(Self::Returns),
            Field::Raises(_) => Some(Self::Raises),
        }
    }
}

/// Entry for one or more fields.
#[derive(Debug)]
pub(super) struct ExistingEntry {
    /// Group of its fields.
    pub(super) group: FieldGroup,
    /// Names of its fields; empty for results.
    pub(super) names: Vec<String>,
    /// Rows of the docstring that it takes.
    pub(super) rows: Range<usize>,
}

impl ExistingEntry {
    /// Returns true if it is an entry for `field`.
    pub(super) fn describes(&self, field: &Field) -> bool {
        let named = |name: &str, group| self.group == group && self.names.contains(&bare_name(name, group));
        match field {
            Field::Summary => false,
            Field::Returns => self.group == FieldGroup::Returns,
            Field::TypeParameter(name) => named(name, FieldGroup::TypeParameters),
            Field::Parameter(name) => named(name, FieldGroup::Parameters),
            Field::Raises(name) => named(name, FieldGroup::Raises),
        }
    }
}

/// Title of a section, or a tag, that is not an entry itself.
#[derive(Debug)]
pub(super) struct Heading {
    /// Group of the entries below it, if they are of one.
    pub(super) group: Option<FieldGroup>,
    /// Rows of the docstring that it takes.
    pub(super) rows: Range<usize>,
}

/// Returns true for styles that list entries below section titles.
pub(super) fn is_sectioned(style: DocStyle) -> bool {
    matches!(style, DocStyle::Google | DocStyle::Numpy | DocStyle::Rustdoc)
}

/// Returns the entries and headings of a docstring in their order; `None` if the style has no entries or the docstring
/// documents several overloads.
pub(super) fn read_entries(style: DocStyle, rows: &[DocstringRow]) -> Option<(Vec<ExistingEntry>, Vec<Heading>)> {
    let overloads = style == DocStyle::Yard && rows.iter().any(|row| row.body.trim_start().starts_with("@overload"));
    match style {
        _ if overloads => None,
        DocStyle::Godoc => None,
        _ if is_sectioned(style) => Some(read_sections(style, rows)),
        _ => Some(read_tags(style, rows)),
    }
}

fn read_sections(style: DocStyle, rows: &[DocstringRow]) -> (Vec<ExistingEntry>, Vec<Heading>) {
    let titles = section_titles(style, rows);
    let (mut entries, mut headings) = (Vec::new(), Vec::new());
    for (number, (title, title_rows)) in titles.iter().enumerate() {
        let start = title_rows.end;
        let next = titles.get(number + 1).map_or(rows.len(), |(_, next)| next.start);
        // In Google style the content of a section is indented.
        let is_outside = |at: &usize| style == DocStyle::Google && !rows[*at].is_blank() && rows[*at].indent() == 0;
        let stop = (start..next).find(is_outside).unwrap_or(next);
        let end = end_without_blanks(rows, start..stop);
        match section_group(title) {
            Some((group, name))
                if group == FieldGroup::Returns || style == DocStyle::Rustdoc && group == FieldGroup::Raises =>
            {
                let names = name.map(str::to_owned).into_iter().collect();
                entries.push(ExistingEntry { group, names, rows: title_rows.start..end });
            }
            Some((group, _)) => {
                headings.push(Heading { group: Some(group), rows: title_rows.clone() });
                entries.extend(listed_entries(style, group, rows, start..end));
            }
            None => headings.push(Heading { group: None, rows: title_rows.clone() }),
        }
    }
    (entries, headings)
}

/// Returns the titles of sections with their rows. Lines in code fences are not titles.
fn section_titles(style: DocStyle, rows: &[DocstringRow]) -> Vec<(String, Range<usize>)> {
    let mut in_fence = false;
    let mut found = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let body = row.body.trim_end();
        in_fence ^= body.trim_start().starts_with("```");
        if in_fence {
            continue;
        }
        let below = rows.get(at + 1).map_or("", |row| row.body.trim());
        let is_underlined = below.len() >= 3 && below.chars().all(|c| c == '-');
        let title = match style {
            DocStyle::Google if row.indent() == 0 && at > 0 => body.strip_suffix(':').filter(|title| is_title(title)),
            DocStyle::Google => None,
            DocStyle::Numpy if is_underlined => Some(body),
            DocStyle::Numpy => None,
            _ if body.starts_with('#') => body.trim_start_matches('#').strip_prefix(' '),
            _ => None,
        };
        let Some(title) = title else { continue };
        let rows_below = match style {
            DocStyle::Google => 0,
            DocStyle::Numpy => 1,
            _ => usize::from(below.is_empty()),
        };
        found.push((title.trim().to_owned(), at..(at + 1 + rows_below).min(rows.len())));
    }
    found
}

/// Returns true for `Args` and `Keyword Args`, and false for a sentence that ends with a colon.
fn is_title(text: &str) -> bool {
    let words = text.split(' ').count();
    words <= 2 && text.starts_with(char::is_uppercase) && text.chars().all(|c| c.is_alphabetic() || c == ' ')
}

/// Returns the group of a section by its title, and the name of its field if the section is one entry.
fn section_group(title: &str) -> Option<(FieldGroup, Option<&'static str>)> {
    Some(match &*title.to_ascii_lowercase() {
        "args" | "arguments" | "parameters" | "params" => (FieldGroup::Parameters, None),
        "type parameters" | "generics" | "generic parameters" => (FieldGroup::TypeParameters, None),
        "returns" | "return" | "yields" | "yield" | "return value" => (FieldGroup::Returns, None),
        "raises" | "raise" | "throws" => (FieldGroup::Raises, None),
        "error" | "errors" => (FieldGroup::Raises, Some("Errors")),
        "panic" | "panics" => (FieldGroup::Raises, Some("Panics")),
        _ => return None,
    })
}

/// Returns the entries that are listed in a section.
fn listed_entries(
    style: DocStyle,
    group: FieldGroup,
    rows: &[DocstringRow],
    content: Range<usize>,
) -> Vec<ExistingEntry> {
    let indent = content.clone().find(|at| !rows[*at].is_blank()).map_or(0, |at| rows[at].indent());
    let names =
        |at: usize| if rows[at].indent() == indent { listed_names(style, group, &rows[at].body) } else { Vec::new() };
    let starts: Vec<_> = content.clone().map(|at| (at, names(at))).filter(|(_, names)| !names.is_empty()).collect();
    let end = |number: usize| {
        let (at, _) = starts[number];
        let next = starts.get(number + 1).map_or(content.end, |(next, _)| *next);
        // A separate paragraph is about all entries.
        let is_separate =
            |it: &usize| rows[*it - 1].is_blank() && !rows[*it].is_blank() && rows[*it].indent() <= indent;
        (at + 1..next).find(is_separate).map_or(next, |it| end_without_blanks(rows, at..it))
    };
    let entry = |(number, (at, names)): (usize, &(usize, Vec<String>))| ExistingEntry {
        group,
        names: names.clone(),
        rows: *at..end(number),
    };
    starts.iter().enumerate().map(entry).collect()
}

/// Returns the names that a line of a list describes; none if it does not begin an entry.
fn listed_names(style: DocStyle, group: FieldGroup, body: &str) -> Vec<String> {
    let body = body.trim();
    let head = match style {
        DocStyle::Google if !body.contains(':') => return Vec::new(),
        DocStyle::Google => body.split([':', '(']).next(),
        DocStyle::Numpy => body.split(" :").next().and_then(|it| it.split(':').next()),
        _ => {
            let Some(item) = ["* ", "- ", "+ "].iter().find_map(|bullet| body.strip_prefix(bullet)) else {
                return Vec::new();
            };
            item.strip_prefix('`').map_or_else(|| item.split([' ', ':']).next(), |name| name.split('`').next())
        }
    };
    let names: Vec<_> = head.unwrap_or_default().split(',').map(|name| bare_name(name, group)).collect();
    let named = names.iter().all(|name| !name.is_empty() && !name.contains(char::is_whitespace));
    if named { names } else { Vec::new() }
}

/// Returns the entries and headings of styles in which each entry is a tag.
fn read_tags(style: DocStyle, rows: &[DocstringRow]) -> (Vec<ExistingEntry>, Vec<Heading>) {
    let (mut entries, mut headings): (Vec<ExistingEntry>, Vec<Heading>) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < rows.len() {
        let Some((word, rest)) = tag(style, &rows[at].body) else {
            at += 1;
            continue;
        };
        let end = end_of_tag(style, rows, at, word);
        match tag_group(style, word, rest) {
            Some((group, names)) => entries.push(ExistingEntry { group, names, rows: at..end }),
            // Tags of the summary precede all entries.
            None if matches!(word, "brief" | "summary" | "description" | "desc") => {}
            None => headings.push(Heading { group: None, rows: at..end }),
        }
        at = end;
    }
    // Blank lines between two entries of a group belong to the first.
    for next in 1..entries.len() {
        let between = entries[next - 1].rows.end..entries[next].rows.start;
        if entries[next - 1].group == entries[next].group && between.clone().all(|at| rows[at].is_blank()) {
            entries[next - 1].rows.end = between.end;
        }
    }
    (entries, headings)
}

/// Returns the name of the tag that a line begins with, and the text after the name.
fn tag(style: DocStyle, body: &str) -> Option<(&str, &str)> {
    let body = body.trim_start();
    let rest = match style {
        DocStyle::Rest => body.strip_prefix(':'),
        DocStyle::Xmldoc => body.strip_prefix('<'),
        DocStyle::Doxygen => body.strip_prefix(['@', '\\']),
        _ => body.strip_prefix('@'),
    }?;
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    if end > 0 { Some(rest.split_at(end)) } else { None }
}

/// Returns the end of a range of rows without the blank rows at its end.
fn end_without_blanks(rows: &[DocstringRow], range: Range<usize>) -> usize {
    range.clone().rev().find(|at| !rows[*at].is_blank()).map_or(range.start, |at| at + 1)
}

/// Returns the row after a tag. An XML element extends to its closing tag. In some styles a tag extends to the next
/// tag, in others to a blank line, or beyond it while lines are indented.
fn end_of_tag(style: DocStyle, rows: &[DocstringRow], at: usize, word: &str) -> usize {
    if style == DocStyle::Xmldoc {
        let closes =
            |row: &DocstringRow| row.body.contains(&format!("</{word}>")) || row.body.trim_end().ends_with("/>");
        return (at..rows.len()).find(|it| closes(&rows[*it])).map_or(at + 1, |it| it + 1);
    }
    let next = (at + 1..rows.len()).find(|it| tag(style, &rows[*it].body).is_some()).unwrap_or(rows.len());
    let is_blank = |it: &usize| rows[*it].is_blank();
    let is_separate =
        |it: &usize| rows[*it - 1].is_blank() && !rows[*it].is_blank() && rows[*it].indent() <= rows[at].indent();
    let end = match style {
        DocStyle::Jsdoc | DocStyle::Tsdoc | DocStyle::Javadoc | DocStyle::Phpdoc => None,
        DocStyle::Rest | DocStyle::Yard => (at + 1..next).find(is_separate),
        _ => (at + 1..next).find(is_blank),
    };
    end_without_blanks(rows, at..end.unwrap_or(next))
}

/// Returns the group of a tag and the names of its fields; `None` for a tag that is not an entry.
fn tag_group(style: DocStyle, word: &str, rest: &str) -> Option<(FieldGroup, Vec<String>)> {
    let group = match word {
        "param" | "parameter" | "arg" | "argument" => FieldGroup::Parameters,
        "type" | "keyword" | "key" if style == DocStyle::Rest => FieldGroup::Parameters,
        "tparam" | "template" | "typeParam" | "typeparam" => FieldGroup::TypeParameters,
        "return" | "returns" | "yield" | "yields" => return Some((FieldGroup::Returns, Vec::new())),
        "rtype" if style == DocStyle::Rest => return Some((FieldGroup::Returns, Vec::new())),
        "throws" | "throw" | "exception" | "raise" | "raises" => FieldGroup::Raises,
        _ => return None,
    };
    let group = if group == FieldGroup::Parameters && rest.trim_start().starts_with('<') {
        FieldGroup::TypeParameters
    } else {
        group
    };
    Some((group, vec![bare_name(name(style, group, rest)?, group)]))
}

/// Returns the name after a tag.
fn name(style: DocStyle, group: FieldGroup, rest: &str) -> Option<&str> {
    match style {
        DocStyle::Rest => rest.split(':').next()?.split_whitespace().last(),
        DocStyle::Xmldoc => rest.split('"').nth(1),
        DocStyle::Phpdoc if group == FieldGroup::Parameters => rest.split_whitespace().find(|word| word.contains('$')),
        // The class of an error is not a type that precedes a name.
        _ if group == FieldGroup::Raises => rest.split_whitespace().find(|word| *word != "{@link"),
        _ => {
            let words = without_groups(rest, style);
            words.split_whitespace().next()
        }
    }
}

/// Removes the type or the direction before a name: `{number} x`, `[in] x`, `[String] x`.
fn without_groups(rest: &str, style: DocStyle) -> &str {
    let mut rest = rest.trim_start();
    // In other styles brackets hold a name with its default: `[x=1]`.
    let has_bracketed_types = matches!(style, DocStyle::Doxygen | DocStyle::Yard);
    for (open, close) in [('{', '}'), ('[', ']')] {
        if rest.starts_with(open) && (open == '{' || has_bracketed_types) {
            rest = rest.split_once(close).map_or("", |(_, rest)| rest).trim_start();
        }
    }
    rest
}

/// Returns a name without stars, dollar signs, brackets, default and qualifiers.
fn bare_name(name: &str, group: FieldGroup) -> String {
    let name = name.split('=').next().unwrap_or_default();
    let name = name.trim().trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
    let part = if group == FieldGroup::Raises { name.rsplit(['.', ':', '\\']).next() } else { name.split('.').next() };
    part.unwrap_or_default().to_owned()
}
