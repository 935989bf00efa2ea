//! What a model writes into a hole, cleaned, and plain words where it writes nothing of use.

use super::doc_template::{CommentMarks, DocTemplate, Field};
use super::item::{DocItem, Returns};
use super::style::DocStyle;

/// The longest prose of a hole in bytes.
const MAX_FIELD_BYTES: usize = 400;
/// The longest summary, which may have several sentences.
const MAX_SUMMARY_BYTES: usize = 640;
/// The sentences of a summary at the most.
const MAX_SUMMARY_SENTENCES: usize = 4;
/// What ends prose: marks of comments, tags, fences, code.
const PROSE_END_MARKERS: &[&str] = &[
    "\"\"\"", "'''", "*/", "/*", "```", "///", ">>>", " // ", " @", " :param", "<param", "<returns", "</", "Args:",
    "Returns:",
];

/// What of `answer` goes into the hole; empty if nothing does.
pub(super) fn clean(about: &Field, item: &DocItem, frame: &DocTemplate, answer: &str) -> String {
    let summary = *about == Field::Summary;
    let line = if summary { &first_paragraph(answer) } else { answer.trim_start().lines().next().unwrap_or_default() };
    let end = PROSE_END_MARKERS.iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
    let line = if line.starts_with('@') { "" } else { &line[..end] };
    let text = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = without_label(about, item, frame, &text);
    let text = if summary { without_repetition(before_code(text)) } else { text };
    if is_code(text)
        || summary
            && (is_empty_summary(item, text) || !text.starts_with(|c: char| c.is_alphanumeric() || "`'\"".contains(c)))
        || describes_another_parameter(about, item, text)
        || !text.chars().any(char::is_alphabetic)
    {
        return String::new();
    }
    let text = escaped(frame, truncated(text, if summary { MAX_SUMMARY_BYTES } else { MAX_FIELD_BYTES }));
    let text = as_sentence(about, frame, text);
    if summary { split_first_sentence(frame, text) } else { text }
}

/// What begins the parts of a docstring that are not its summary.
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
/// Tags of summaries.
const SUMMARY_TAGS: &[&str] = &["@brief ", "\\brief ", "@description ", "@summary ", "<summary>"];

/// The first paragraph of a comment without its marks and tags.
fn first_paragraph(answer: &str) -> String {
    let answer = answer.trim_start();
    let answer = SUMMARY_TAGS.iter().find_map(|tag| answer.strip_prefix(tag)).unwrap_or(answer);
    let lines =
        answer.split('\n').enumerate().map(|(at, line)| if at == 0 { line.trim() } else { without_marks(line) });
    let goes_on = |(at, line): &(usize, &str)| {
        !line.is_empty() && (*at == 0 || !SECTION_PREFIXES.iter().any(|it| line.starts_with(it)))
    };
    lines.enumerate().take_while(goes_on).map(|(_, line)| line).collect::<Vec<_>>().join(" ")
}

/// A line of a comment without what marks it as one.
fn without_marks(line: &str) -> &str {
    let line = line.trim();
    let marks = ["///", "//!", "//", "*/", "*", "---", "--", "#"];
    marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line).trim()
}

/// Whether an answer about the summary has come to its end: behind its first paragraph or its last sentence.
pub fn is_summary_complete(answer: &str) -> bool {
    let text = answer.trim_start();
    if sentence_ends(text).count() >= MAX_SUMMARY_SENTENCES {
        return true;
    }
    let Some(end) = text.rfind('\n') else { return false };
    let probe = format!("{}\nprobe", &text[..end]);
    !first_paragraph(&probe).ends_with(" probe")
}

/// With the first sentence in a paragraph of its own, where that is the custom: PEP 257 and rustdoc.
fn split_first_sentence(frame: &DocTemplate, text: String) -> String {
    if !matches!(frame.style, DocStyle::Google | DocStyle::Numpy | DocStyle::Rest | DocStyle::Rustdoc) {
        return text;
    }
    let first = sentence_ends(&text).next();
    match first {
        Some(end) => format!("{}\n\n{}", &text[..end], &text[end + 1..]),
        None => text,
    }
}

/// Where the sentences of a text end that others follow.
fn sentence_ends(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices(". ").map(|(at, _)| at + 1).filter(|at| {
        let next = text[at + 1..].chars().next();
        let word = text[..*at].rsplit(' ').next().unwrap_or_default();
        next.is_some_and(|next| next.is_uppercase() || next == '`') && !["e.g.", "i.e.", "etc.", "vs."].contains(&word)
    })
}

/// The sentences up to the first that begins as an earlier one does: small models go on in circles. At most [`SENTENCES`].
fn without_repetition(text: &str) -> &str {
    /// Words that sentences may have in common.
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

/// Without bullets, the hole's own name and a type that the model repeats.
fn without_label<'a>(about: &Field, item: &DocItem, frame: &DocTemplate, text: &'a str) -> &'a str {
    let strip =
        |text: &'a str| text.trim_start_matches([' ', '-', '*', ':', '#', '>', '.', ',', '\u{2013}', '\u{2014}']);
    let mut text = strip(without_signature(about, item, frame, without_subject(about, strip(text))));
    let own = match about {
        Field::Parameter(name) | Field::TypeParameter(name) | Field::Raises(name) => {
            name.trim_start_matches(['*', '$', '&', '.'])
        }
        Field::Summary => &item.name,
        Field::Returns => "",
    };
    if let Some(rest) =
        after_label(text, own).or_else(|| after_label(text, if *about == Field::Returns { "Returns" } else { "" }))
    {
        text = strip(rest);
    }
    strip(after_bracket_group(text).or_else(|| after_type(about, item, text)).unwrap_or(text))
}

/// What a summary says of `This function`.
fn without_subject<'a>(about: &Field, text: &'a str) -> &'a str {
    let rest = text.strip_prefix("This ").filter(|_| *about == Field::Summary);
    let kinds = ["function ", "method ", "type ", "class ", "module "];
    rest.and_then(|rest| kinds.iter().find_map(|kind| rest.strip_prefix(kind))).unwrap_or(text)
}

/// What follows `name(parameters) -> type` in a summary; in Go, where the frame has it, what follows the name.
fn without_signature<'a>(about: &Field, item: &DocItem, frame: &DocTemplate, text: &'a str) -> &'a str {
    let begins = text.get(..item.name.len()).is_some_and(|it| it.eq_ignore_ascii_case(&item.name));
    if *about != Field::Summary || item.name.is_empty() || !begins {
        return text;
    }
    let rest = &text[item.name.len()..];
    if let Some(behind) = rest.starts_with('(').then(|| after_bracket_group(rest)).flatten() {
        let of_type = behind.strip_prefix("->").map(|it| it.trim_start().split_once(' ').map_or("", |(_, rest)| rest));
        return of_type.unwrap_or(behind);
    }
    if frame.style == DocStyle::Godoc && rest.starts_with(' ') { rest.trim_start() } else { text }
}

/// What follows `name:`, `name -`, or `name (type):`, with or without backticks.
fn after_label<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let bare = text.strip_prefix('`').unwrap_or(text);
    let rest = bare.strip_prefix(name).filter(|_| !name.is_empty())?;
    let rest = rest.strip_prefix('`').unwrap_or(rest).trim_start();
    let rest = after_bracket_group(rest).unwrap_or(rest);
    rest.strip_prefix(':').or_else(|| rest.strip_prefix("- ")).or_else(|| rest.strip_prefix("\u{2013} "))
}

/// What follows a group in brackets, such as `(int): `.
fn after_bracket_group(text: &str) -> Option<&str> {
    let mut depth = 0usize;
    text.starts_with(['(', '{', '[']).then_some(())?;
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

/// What follows the type of a parameter or result, as in `int: the sum`.
fn after_type<'a>(about: &Field, item: &DocItem, text: &'a str) -> Option<&'a str> {
    let written = match about {
        Field::Parameter(name) => item.parameters.iter().find(|it| it.name == *name)?.type_name.as_deref()?,
        Field::Returns => match &item.returns {
            Returns::Value(it) | Returns::Yields(it) => it.as_deref()?,
            Returns::Nothing => return None,
        },
        _ => return None,
    };
    after_label(text, written)
}

/// Whether text begins or ends with what only code or a tag does.
fn is_code(text: &str) -> bool {
    const BEGINS: &[&str] =
        &["def ", "fn ", "func ", "function ", "return ", "class ", "import ", "pub ", "const ", "let "];
    // A tag instead of a sentence, or talk about the task.
    let tag = text.starts_with(['@', '<', '\\']) || text.contains("docstring");
    let ends = tag || text.ends_with([';', '{', '}', '=']);
    let holds = [" = ", " == ", ":=", "=>", "();", " += "].iter().any(|mark| text.contains(mark));
    ends || holds && !text.contains('`') || BEGINS.iter().any(|word| text.starts_with(word))
}

/// Whether text is about another parameter, as in `other: …`.
fn describes_another_parameter(about: &Field, item: &DocItem, text: &str) -> bool {
    let own = |name: &str| matches!(about, Field::Parameter(it) | Field::TypeParameter(it) if it == name);
    let bare = |name: &str| name.trim_start_matches(['*', '$', '&', '.']).to_owned();
    let begins = |name: &str| {
        after_label(text, name).is_some()
            || text.strip_prefix('`').is_some_and(|it| it.starts_with(&format!("{name}`")))
    };
    item.parameters.iter().filter(|it| !own(&it.name)).any(|it| begins(&bare(&it.name)))
}

/// Whether a summary is the name again, or the beginning of a section.
fn is_empty_summary(item: &DocItem, text: &str) -> bool {
    let first = text.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    let section = ["param", "params", "parameter", "parameters", "args", "arguments"];
    section.iter().any(|word| first.eq_ignore_ascii_case(word)) || words(text) == words(&item.name)
}

/// The sentences up to the first that is code, or all if that is the very first.
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

/// The beginning of a text that is not too long, to the end of a sentence or else of a word.
fn truncated(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let short = &text[..text.floor_char_boundary(most)];
    let end = short.rfind(". ").map(|at| at + 1).or_else(|| short.rfind(' '));
    short[..end.unwrap_or(short.len())].trim_end()
}

/// With what means something to the style or the language made harmless.
fn escaped(frame: &DocTemplate, text: &str) -> String {
    let mut text = match frame.marks {
        CommentMarks::Quotes => text.replace('\\', "\\\\").replace('"', "'"),
        CommentMarks::Block => text.replace(['\\', '@'], ""),
        CommentMarks::Lines(_) => text.replace('\\', ""),
    };
    if text.matches('`').count() % 2 == 1 {
        text = text.replace('`', "");
    }
    match frame.style {
        DocStyle::Xmldoc => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        DocStyle::Javadoc => text.replace('<', "&lt;").replace('>', "&gt;"),
        _ => text,
    }
}

/// As a sentence: a capital first, but for Go, where the name comes first; a full stop last.
fn as_sentence(about: &Field, frame: &DocTemplate, text: String) -> String {
    let text = text.trim_end_matches([',', ':', '-', ' ', '(']);
    let goes_on = frame.style == DocStyle::Godoc && *about == Field::Summary;
    let mut letters = text.chars();
    let first = letters.next().map(|first| match letters.clone().next() {
        Some(second) if goes_on && !second.is_uppercase() => first.to_lowercase().collect::<String>(),
        _ if goes_on => first.to_string(),
        _ => first.to_uppercase().collect(),
    });
    let end = if text.ends_with(['.', '!', '?', '。', '！', '？']) { "" } else { "." };
    format!("{}{}{end}", first.unwrap_or_default(), letters.as_str())
}

/// Words from names alone, for a hole that no model has filled.
pub(super) fn fallback_prose(about: &Field, item: &DocItem) -> String {
    match about {
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

/// `has_close_elements` and `hasCloseElements` as words.
fn words(name: &str) -> String {
    let mut out = String::new();
    let mut lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() {
            out.push(' ');
        } else {
            if letter.is_uppercase() && lower {
                out.push(' ');
            }
            out.extend(letter.to_lowercase());
        }
        lower = letter.is_lowercase();
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}
