//! The prompt for a hole: the code, and the docstring as far as it is written.
//!
//! What changes from hole to hole comes last, so that a model reads only what is new.

use super::item::{DocstringPosition, ItemKind};
use super::{DocTask, Edit};
use crate::prompt::{Part, PartSource, Prompt, Snippet};
use crate::{FimFormat, Language};

/// What ends the prose of a hole.
pub const FIELD_STOPS: &[&str] = &["\n"];

/// Where a docstring is written.
#[derive(Debug, Clone, Copy)]
pub struct DocPromptContext<'a> {
    /// The language of the text.
    pub language: Language,
    /// The file, relative to the workspace.
    pub path: &'a str,
    /// The whole text.
    pub text: &'a str,
    /// Bytes of it that a prompt may show.
    pub max_bytes: usize,
    /// How the model wants fill-in-the-middle written; without it, it reads the code twice.
    pub format: Option<&'static FimFormat>,
    /// What plugins want the model to read first.
    pub snippets: &'a [Snippet],
}

/// What ends the answer to a [`summary_prompt`].
pub const SUMMARY_STOPS: &[&str] = &["\"\"\"", "*/", ">>>", "```"];

/// The prompt for the summary: the code, then a comment about it that is begun. Small models say more of code that they have read
/// than of code that is still to come.
pub fn summary_prompt(ground: &DocPromptContext<'_>, task: &DocTask) -> Prompt {
    let (text, at) = without_docstring(task, ground.text);
    let (shown, _) = visible_code(ground, task, &text, at);
    let mark = ground.language.line_comment().unwrap_or("//");
    let what = if ground.language == Language::Python { "Docstring" } else { "Documentation" };
    let kind = match task.item.kind {
        ItemKind::Function => "function",
        ItemKind::Type => "type",
        ItemKind::Module => "module",
    };
    // Whatever the frame's own marks are: what is written is put into the frame without them.
    // With a subject, small models say more of what happens when; the frame does not take it. In Python they do so without one.
    let opening = match mark {
        _ if ground.language == Language::Python => "\"\"\"".to_owned(),
        "//" => format!("/**\n * This {kind}"),
        _ => format!("{} This {kind}", task.template.render(&[]).trim()),
    };
    let code = format!("{shown}\n\n{mark} {what} of the {kind} above:\n");
    let own = vec![Part::text(code, PartSource::Prefix), Part::text(opening, PartSource::Middle)];
    // Not healed: what follows the opening is a word, no line end, and small models then say what a function does and not that it is one.
    Prompt { parts: [snippets_as_comments(ground), own].concat(), heal: false, stop_tokens: Vec::new(), window: None }
}

/// The prompt for the first hole without prose.
pub fn prompt(ground: &DocPromptContext<'_>, task: &DocTask, prose: &[String]) -> Prompt {
    let written = task.template.render(prose);
    match ground.format.filter(|format| format.middle.is_some()) {
        Some(format) => infill_prompt(ground, task, &written, format),
        None => continuation_prompt(ground, task, &written),
    }
}

/// The text without the item's docstring, and where a new one begins.
fn without_docstring(task: &DocTask, text: &str) -> (String, usize) {
    let item = &task.item;
    let removed = |range: std::ops::Range<usize>| Edit { range, text: String::new() };
    match &item.existing {
        Some(range) => {
            let line = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
            let alone = text[line..range.start].trim().is_empty();
            let end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at + 1);
            let whole = if alone && text[range.end..end].trim().is_empty() { line..end } else { range.clone() };
            let at = whole.start;
            (removed(whole).apply(text), at)
        }
        None => {
            let at = match &item.position {
                DocstringPosition::OwnLines { at, .. } => *at,
                DocstringPosition::AfterColon { gap, .. } => gap.start,
                DocstringPosition::SharedLine => item.range.start,
            };
            (text.to_owned(), at)
        }
    }
}

/// Fill in the middle: what stands before the docstring and the rest of the item, then the docstring. What follows the item is not
/// shown: a small model would speak of that.
fn infill_prompt(ground: &DocPromptContext<'_>, task: &DocTask, written: &str, format: &'static FimFormat) -> Prompt {
    let (text, at) = without_docstring(task, ground.text);
    let end = task.item.range.end.saturating_sub(ground.text.len() - text.len()).max(at);
    let after = &text[at..text.floor_char_boundary(end.min(at + ground.max_bytes * 2 / 3))];
    let from = text.floor_char_boundary(at.saturating_sub(ground.max_bytes.saturating_sub(after.len())));
    let before = without_partial_line(&text[from..at], from > 0);
    let markers = [format.prefix, format.suffix, format.middle.unwrap_or_default()].map(Part::special);
    let [prefix, suffix, middle] = markers;
    let mut parts = Vec::new();
    if let Some(file) = format.file.filter(|_| format.name == "qwen2.5-coder") {
        for snippet in ground.snippets {
            let text = format!("{}\n{}\n", snippet.path, snippet.text.trim_end());
            parts.extend([Part::special(file), Part::text(text, snippet_source(snippet))]);
        }
        parts.extend([Part::special(file), Part::text(format!("{}\n", ground.path), PartSource::Header)]);
    }
    let foreign = if parts.is_empty() { snippets_as_comments(ground) } else { Vec::new() };
    let before = [vec![prefix], foreign, vec![Part::text(before, PartSource::Prefix)]].concat();
    let after = vec![suffix, Part::text(after, PartSource::Suffix)];
    parts.extend(if format.suffix_first { [after, before] } else { [before, after] }.concat());
    parts.extend([middle, Part::text(written, PartSource::Middle)]);
    Prompt { parts, heal: true, stop_tokens: stop_specials(format), window: None }
}

fn snippet_source(snippet: &Snippet) -> PartSource {
    PartSource::Snippet { path: snippet.path.clone(), origin: snippet.origin.clone() }
}

/// What plugins add, as comments of the language.
fn snippets_as_comments(ground: &DocPromptContext<'_>) -> Vec<Part> {
    let mark = ground.language.line_comment().unwrap_or("//");
    let comment = |snippet: &Snippet| {
        let text = format!("{}:\n{}", snippet.path, snippet.text.trim_end());
        text.lines().map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    ground.snippets.iter().map(|snippet| Part::text(comment(snippet), snippet_source(snippet))).collect()
}

fn stop_specials(format: &FimFormat) -> Vec<std::borrow::Cow<'static, str>> {
    format.stop_tokens.iter().map(|name| (*name).into()).collect()
}

/// The code, then the same code again with its docstring: for every model that goes on with a text.
fn continuation_prompt(ground: &DocPromptContext<'_>, task: &DocTask, written: &str) -> Prompt {
    let (text, at) = without_docstring(task, ground.text);
    let (shown, start) = visible_code(ground, task, &text, at);
    let inside = at > task.item.range.start;
    let mark = ground.language.line_comment().unwrap_or("//");
    let indentation = indentation_of(&text, start);
    let code = format!("{mark} {}\n{shown}\n\n{indentation}{mark} Documented:\n", ground.path);
    let signature = if inside { format!("{indentation}{}", &text[start..at]) } else { String::new() };
    let last =
        if signature.is_empty() || signature.ends_with('\n') { written.to_owned() } else { format!("\n{written}") };
    let own = vec![Part::text(code, PartSource::Prefix), Part::text(signature + &last, PartSource::Middle)];
    let parts = [snippets_as_comments(ground), own].concat();
    Prompt { parts, heal: true, stop_tokens: Vec::new(), window: None }
}

/// The item with what stands above it, and where it begins in a text without its docstring, which would stand at `at`.
fn visible_code<'a>(ground: &DocPromptContext<'_>, task: &DocTask, text: &'a str, at: usize) -> (&'a str, usize) {
    let shift = ground.text.len() - text.len();
    // A docstring above the item was taken out before it, one inside it within.
    let before = if at > task.item.range.start { 0 } else { shift };
    let start = task.item.range.start.saturating_sub(before);
    let end = task.item.range.end.saturating_sub(shift);
    let end = text.floor_char_boundary(end.min(start + ground.max_bytes * 3 / 4));
    let from = text.floor_char_boundary(start.saturating_sub(ground.max_bytes.saturating_sub(end - start)));
    (without_partial_line(&text[from..end], from > 0).trim_end(), start)
}

fn indentation_of(text: &str, at: usize) -> &str {
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line..at];
    if before.trim().is_empty() { before } else { "" }
}

/// Without a first line that is not whole.
fn without_partial_line(text: &str, cut: bool) -> &str {
    if !cut { text } else { text.find('\n').map_or("", |at| &text[at + 1..]) }
}
