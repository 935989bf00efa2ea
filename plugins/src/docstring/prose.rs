//! Prose of a docstring's fields: cleaned answers of a model, and fallback words where an answer is not usable.

use super::comment_marks::CommentMarks;
use super::doc_template::DocTemplate;
use super::field::Field;
use super::item::{DocItem, Returns};
use super::style::DocStyle;

/// Bytes of a field's prose.
const MAX_FIELD_BYTES: usize = 400;
/// Bytes of a summary, which may have several sentences.
const MAX_SUMMARY_BYTES: usize = 640;
/// Sentences of a summary.
const MAX_SUMMARY_SENTENCES: usize = 4;
/// Marks that end prose: comment marks, tags, fences, code.
const PROSE_END_MARKERS: &[&str] = &[
    "\"\"\"", "'''", "*/", "/*", "```", "///", ">>>", " // ", " @", " :param", "<param", "<returns", "</", "Args:",
    "Returns:",
];

/// Returns the part of a model's answer that goes into a field; empty if none of it is usable.
pub(super) fn clean(field: &Field, item: &DocItem, template: &DocTemplate, answer: &str) -> String {
    if *field == Field::Summary {
        return clean_summary(item, template, answer);
    }
    let line = before_end_marker(answer.trim_start().lines().next().unwrap_or_default());
    let text = without_label(field, item, template, &line);
    if is_code(text) || describes_another_parameter(field, item, text) || !text.chars().any(char::is_alphabetic) {
        return String::new();
    }
    as_sentence(field, template, escaped(template, truncated(text, MAX_FIELD_BYTES)))
}

fn clean_summary(item: &DocItem, template: &DocTemplate, answer: &str) -> String {
    let paragraph = before_end_marker(&first_paragraph(answer));
    let text = without_label(&Field::Summary, item, template, &paragraph);
    let text = without_repetition(before_code(text));
    let begins_like_prose = text.starts_with(|c: char| c.is_alphanumeric() || "`'\"".contains(c));
    if is_code(text)
        || !begins_like_prose
        || is_empty_summary(item, text)
        || describes_another_parameter(&Field::Summary, item, text)
        || !text.chars().any(char::is_alphabetic)
    {
        return String::new();
    }
    let text = as_sentence(&Field::Summary, template, escaped(template, truncated(text, MAX_SUMMARY_BYTES)));
    split_first_sentence(template, text)
}

/// Returns the text before the first mark that ends prose, with single spaces; empty if it begins with a tag.
fn before_end_marker(text: &str) -> String {
    if text.starts_with('@') {
        return String::new();
    }
    let end = PROSE_END_MARKERS.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    text[..end].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Beginnings of the lines of a docstring that are not part of its summary.
const SECTION_PREFIXES: &[&str] = &[
    "@",
    "\\",
    ":param",
    ":return",
    "Args:",
    "Arguments:",
    "Parameters",
    "Params:",
    "Returns:",
    "Raises:",
    "Example",
    ">>>",
    "<param",
    "```",
    "- ",
    "* ",
];
/// Tags before summaries.
const SUMMARY_TAGS: &[&str] = &["@brief ", "\\brief ", "@description ", "@summary ", "<summary>"];

/// Returns the first paragraph of a comment without its marks and tags.
fn first_paragraph(answer: &str) -> String {
    let answer = answer.trim_start();
    let answer = SUMMARY_TAGS.iter().find_map(|tag| answer.strip_prefix(tag)).unwrap_or(answer);
    let lines =
        answer.split('\n').enumerate().map(|(at, line)| if at == 0 { line.trim() } else { without_marks(line) });
    let continues = |(at, line): &(usize, &str)| {
        !line.is_empty() && (*at == 0 || !SECTION_PREFIXES.iter().any(|it| line.starts_with(it)))
    };
    lines.enumerate().take_while(continues).map(|(_, line)| line).collect::<Vec<_>>().join(" ")
}

/// Returns a line of a comment without its marks.
fn without_marks(line: &str) -> &str {
    let line = line.trim();
    let marks = ["///", "//!", "//", "*/", "*", "---", "--", "#"];
    marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line).trim()
}

/// Returns true if an answer has completed the summary: its first paragraph or its last sentence has ended.
pub fn is_summary_complete(answer: &str) -> bool {
    let text = answer.trim_start();
    if sentence_ends(text).count() >= MAX_SUMMARY_SENTENCES {
        return true;
    }
    let Some(end) = text.rfind('\n') else { return false };
    let probe = format!("{}\nprobe", &text[..end]);
    !first_paragraph(&probe).ends_with(" probe")
}

/// Puts the first sentence into a paragraph of its own where that is the convention: in PEP 257 and rustdoc.
fn split_first_sentence(template: &DocTemplate, text: String) -> String {
    if !matches!(template.style, DocStyle::Google | DocStyle::Numpy | DocStyle::Rest | DocStyle::Rustdoc) {
        return text;
    }
    let first = sentence_ends(&text).next();
    match first {
        Some(end) => format!("{}\n\n{}", &text[..end], &text[end + 1..]),
        None => text,
    }
}

/// Returns the byte after each sentence that another sentence follows.
fn sentence_ends(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices(". ").map(|(at, _)| at + 1).filter(|at| {
        let next = text[at + 1..].chars().next();
        let word = text[..*at].rsplit(' ').next().unwrap_or_default();
        next.is_some_and(|next| next.is_uppercase() || next == '`') && !["e.g.", "i.e.", "etc.", "vs."].contains(&word)
    })
}

/// Returns the sentences up to the first that begins like an earlier one, at most [`MAX_SUMMARY_SENTENCES`]. Small
/// models repeat themselves.
fn without_repetition(text: &str) -> &str {
    /// Words at the beginning of a sentence that are compared.
    const COMPARED_WORDS: usize = 3;
    let mut beginnings: Vec<Vec<&str>> = Vec::new();
    let mut start = 0;
    for end in sentence_ends(text).chain([text.len()]) {
        let beginning: Vec<_> = text[start..end].split_whitespace().take(COMPARED_WORDS).collect();
        if beginnings.contains(&beginning) || beginnings.len() == MAX_SUMMARY_SENTENCES {
            return text[..start].trim_end();
        }
        beginnings.push(beginning);
        start = end;
    }
    text
}

/// Removes bullets, the field's own name, and a type that the model repeats.
fn without_label<'a>(field: &Field, item: &DocItem, template: &DocTemplate, text: &'a str) -> &'a str {
    let strip =
        |text: &'a str| text.trim_start_matches([' ', '-', '*', ':', '#', '>', '.', ',', '\u{2013}', '\u{2014}']);
    let mut text = strip(without_signature(field, item, template, without_subject(field, strip(text))));
    let name = match field {
        Field::Parameter(name) | Field::TypeParameter(name) | Field::Raises(name) => {
            name.trim_start_matches(['*', '$', '&', '.'])
        }
        Field::Summary => &item.name,
        Field::Returns => "",
    };
    let word = if *field == Field::Returns { "Returns" } else { "" };
    if let Some(rest) = after_label(text, name).or_else(|| after_label(text, word)) {
        text = strip(rest);
    }
    strip(after_bracket_group(text).or_else(|| after_type(field, item, text)).unwrap_or(text))
}

/// Removes a subject such as `This function` from a summary.
fn without_subject<'a>(field: &Field, text: &'a str) -> &'a str {
    const KINDS: &[&str] = &["function ", "method ", "type ", "class ", "module "];
    match text.strip_prefix("This ") {
        Some(rest) if *field == Field::Summary => KINDS.iter().find_map(|kind| rest.strip_prefix(kind)).unwrap_or(text),
        _ => text,
    }
}

/// Removes `name(parameters) -> type` from a summary, and in Go the name, which the template has.
fn without_signature<'a>(field: &Field, item: &DocItem, template: &DocTemplate, text: &'a str) -> &'a str {
    let begins_with_name = text.get(..item.name.len()).is_some_and(|it| it.eq_ignore_ascii_case(&item.name));
    if *field != Field::Summary || item.name.is_empty() || !begins_with_name {
        return text;
    }
    let rest = &text[item.name.len()..];
    if rest.starts_with('(')
        && let Some(after_parameters) = after_bracket_group(rest)
    {
        return match after_parameters.strip_prefix("->") {
            Some(result) => result.trim_start().split_once(' ').map_or("", |(_, rest)| rest),
            None => after_parameters,
        };
    }
    if template.style == DocStyle::Godoc && rest.starts_with(' ') { rest.trim_start() } else { text }
}

/// Returns the text after `name:`, `name -` or `name (type):`, with or without backticks.
fn after_label<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    if name.is_empty() {
        return None;
    }
    let rest = text.strip_prefix('`').unwrap_or(text).strip_prefix(name)?;
    let rest = rest.strip_prefix('`').unwrap_or(rest).trim_start();
    let rest = after_bracket_group(rest).unwrap_or(rest);
    rest.strip_prefix(':').or_else(|| rest.strip_prefix("- ")).or_else(|| rest.strip_prefix("\u{2013} "))
}

/// Returns the text after a group in brackets, such as `(int): `.
fn after_bracket_group(text: &str) -> Option<&str> {
    if !text.starts_with(['(', '{', '[']) {
        return None;
    }
    let mut depth = 0usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(text[at + letter.len_utf8()..].trim_start());
        }
    }
    None
}

/// Returns the text after the type of a parameter or result, as in `int: the sum`.
fn after_type<'a>(field: &Field, item: &DocItem, text: &'a str) -> Option<&'a str> {
    let type_name = match field {
        Field::Parameter(name) => item.parameters.iter().find(|it| it.name == *name)?.type_name.as_deref()?,
        Field::Returns => match &item.returns {
            Returns::Value(it) | Returns::Yields(it) => it.as_deref()?,
            Returns::Nothing => return None,
        },
        _ => return None,
    };
    after_label(text, type_name)
}

/// Returns true if the text is code or a tag, or speaks about the task.
fn is_code(text: &str) -> bool {
    const KEYWORDS: &[&str] =
        &["def ", "fn ", "func ", "function ", "return ", "class ", "import ", "pub ", "const ", "let "];
    const OPERATORS: &[&str] = &[" = ", " == ", ":=", "=>", "();", " += "];
    let is_tag = text.starts_with(['@', '<', '\\']) || text.contains("docstring");
    let has_operator = OPERATORS.iter().any(|operator| text.contains(operator));
    is_tag
        || text.ends_with([';', '{', '}', '='])
        || has_operator && !text.contains('`')
        || KEYWORDS.iter().any(|word| text.starts_with(word))
}

/// Returns true if the text is about another parameter, as in `other: …`.
fn describes_another_parameter(field: &Field, item: &DocItem, text: &str) -> bool {
    let is_own = |name: &str| matches!(field, Field::Parameter(it) | Field::TypeParameter(it) if it == name);
    let bare = |name: &str| name.trim_start_matches(['*', '$', '&', '.']).to_owned();
    let begins = |name: &str| {
        after_label(text, name).is_some()
            || text.strip_prefix('`').is_some_and(|it| it.starts_with(&format!("{name}`")))
    };
    item.parameters.iter().any(|it| !is_own(&it.name) && begins(&bare(&it.name)))
}

/// Returns true if a summary repeats the name or begins a section.
fn is_empty_summary(item: &DocItem, text: &str) -> bool {
    let first = text.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    let section_words = ["param", "params", "parameter", "parameters", "args", "arguments"];
    section_words.iter().any(|word| first.eq_ignore_ascii_case(word)) || words(text) == words(&item.name)
}

/// Returns the sentences before the first that is code, or the whole text if that is the very first.
fn before_code(text: &str) -> &str {
    let ends = text.match_indices(". ").map(|(at, _)| at + 1).chain([text.len()]);
    let mut from = 0;
    for end in ends {
        if is_code(text[from..end].trim()) {
            return if from == 0 { text } else { &text[..from] };
        }
        from = end;
    }
    text
}

/// Returns the beginning of a text up to the last sentence, or else the last word, that ends within `max_bytes`.
fn truncated(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let short = &text[..text.floor_char_boundary(max_bytes)];
    let end = short.rfind(". ").map(|at| at + 1).or_else(|| short.rfind(' '));
    short[..end.unwrap_or(short.len())].trim_end()
}

/// Escapes or removes characters with a meaning in the style or the language.
fn escaped(template: &DocTemplate, text: &str) -> String {
    let mut text = match template.marks {
        CommentMarks::Quotes => text.replace('\\', "\\\\").replace('"', "'"),
        CommentMarks::Block => text.replace(['\\', '@'], ""),
        CommentMarks::Lines(_) => text.replace('\\', ""),
    };
    if text.matches('`').count() % 2 == 1 {
        text = text.replace('`', "");
    }
    match template.style {
        DocStyle::Xmldoc => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        DocStyle::Javadoc => text.replace('<', "&lt;").replace('>', "&gt;"),
        _ => text,
    }
}

/// Returns the text as a sentence, with a capital and a full stop. In Go, the summary follows the name and begins in
/// lower case.
fn as_sentence(field: &Field, template: &DocTemplate, text: String) -> String {
    let text = text.trim_end_matches([',', ':', '-', ' ', '(']);
    let follows_name = template.style == DocStyle::Godoc && *field == Field::Summary;
    let mut letters = text.chars();
    let first = letters.next().map(|first| match letters.clone().next() {
        // An acronym keeps its capitals.
        Some(second) if follows_name && !second.is_uppercase() => first.to_lowercase().collect::<String>(),
        _ if follows_name => first.to_string(),
        _ => first.to_uppercase().collect(),
    });
    let end = if text.ends_with(['.', '!', '?', '。', '！', '？']) { "" } else { "." };
    format!("{}{}{end}", first.unwrap_or_default(), letters.as_str())
}

/// Returns prose made of names alone, for a field that no model has filled.
pub(super) fn fallback_prose(field: &Field, item: &DocItem) -> String {
    match field {
        Field::Summary if item.name.is_empty() => "This module.".into(),
        Field::Summary => capitalized(&words(&item.name)),
        Field::Parameter(name) | Field::TypeParameter(name) => format!("The {}.", words(name)),
        Field::Returns => "The result.".into(),
        Field::Raises(name) if name == "Errors" => "If it fails.".into(),
        Field::Raises(name) if name == "Panics" => "If an assumption does not hold.".into(),
        Field::Raises(_) => "If the input is not valid.".into(),
    }
}

fn capitalized(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|it| it.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Returns the words of a name such as `has_close_elements` or `hasCloseElements`.
fn words(name: &str) -> String {
    let mut out = String::new();
    let mut after_lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() {
            out.push(' ');
        } else {
            if letter.is_uppercase() && after_lower {
                out.push(' ');
            }
            out.extend(letter.to_lowercase());
        }
        after_lower = letter.is_lowercase();
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}
