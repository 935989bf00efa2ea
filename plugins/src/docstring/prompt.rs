//! Prompts for the fields of a docstring: the code, and the docstring up to the field.
//!
//! The part that changes from field to field comes last, so that the prefix cache covers the rest.

use super::edit::Edit;
use super::item::{DocstringPosition, ItemKind};
use super::task::DocTask;
use crate::prompt::{Part, PartSource, Prompt, Snippet};
use crate::{FimFormat, Language};

/// Texts that end the prose of a field.
pub const FIELD_STOPS: &[&str] = &["\n"];

/// Document that a docstring is written in, and the rules of its prompts.
#[derive(Debug, Clone, Copy)]
pub struct DocPromptContext<'a> {
    /// Language of the text.
    pub language: Language,
    /// Path of the file relative to the workspace.
    pub path: &'a str,
    /// Whole text.
    pub text: &'a str,
    /// Bytes of the text that a prompt may show.
    pub max_bytes: usize,
    /// Fill-in-the-middle format of the model. Without one, the prompt shows the code twice.
    pub format: Option<&'static FimFormat>,
    /// Snippets of plugins, which precede the code.
    pub snippets: &'a [Snippet],
}

/// Texts that end the answer to a [`summary_prompt`].
pub const SUMMARY_STOPS: &[&str] = &["\"\"\"", "*/", ">>>", "```"];

/// Returns the prompt for the summary: the code, and below it the beginning of a comment on it. Small models say more
/// about code that they have read than about code that is still to come.
pub fn summary_prompt(context: &DocPromptContext<'_>, task: &DocTask) -> Prompt {
    let (text, at) = without_docstring(task, context.text);
    let (code, _) = visible_code(context, task, &text, at);
    let mark = context.language.line_comment().unwrap_or("//");
    let noun = if context.language == Language::Python { "Docstring" } else { "Documentation" };
    let kind = match task.item.kind {
        ItemKind::Function => "function",
        ItemKind::Type => "type",
        ItemKind::Module => "module",
    };
    // The answer is put into the template without marks, so these need not be the template's own. Given a subject,
    // small models describe behavior in more detail; the template omits the subject. In Python they need none.
    let opening = match mark {
        _ if context.language == Language::Python => "\"\"\"".to_owned(),
        "//" => format!("/**\n * This {kind}"),
        _ => format!("{} This {kind}", task.template.render(&[]).trim()),
    };
    let code = format!("{code}\n\n{mark} {noun} of the {kind} above:\n");
    let own = vec![Part::text(code, PartSource::Prefix), Part::text(opening, PartSource::Middle)];
    // No token healing: the text after the opening is a word and not a line end. Small models then describe the
    // behavior instead of naming the item.
    Prompt { parts: [snippets_as_comments(context), own].concat(), heal: false, stop_tokens: Vec::new(), window: None }
}

/// Returns the prompt for the first field that `prose` does not fill.
pub fn prompt(context: &DocPromptContext<'_>, task: &DocTask, prose: &[String]) -> Prompt {
    let written = task.template.render(prose);
    match context.format {
        Some(format) if format.middle.is_some() => infill_prompt(context, task, &written, format),
        _ => continuation_prompt(context, task, &written),
    }
}

/// Returns the text without the item's docstring, and the byte at which a new one begins.
fn without_docstring(task: &DocTask, text: &str) -> (String, usize) {
    let item = &task.item;
    match &item.existing {
        Some(range) => {
            let line = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
            let begins_line = text[line..range.start].trim().is_empty();
            let end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at + 1);
            let ends_line = text[range.end..end].trim().is_empty();
            let removed = if begins_line && ends_line { line..end } else { range.clone() };
            let at = removed.start;
            (Edit { range: removed, text: String::new() }.apply(text), at)
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

/// Returns a fill-in-the-middle prompt: the text before the docstring and the rest of the item, then the docstring. The
/// text after the item is left out, because a small model would describe it.
fn infill_prompt(context: &DocPromptContext<'_>, task: &DocTask, written: &str, format: &'static FimFormat) -> Prompt {
    let (text, at) = without_docstring(task, context.text);
    let end = task.item.range.end.saturating_sub(context.text.len() - text.len()).max(at);
    let after = &text[at..text.floor_char_boundary(end.min(at + context.max_bytes * 2 / 3))];
    let from = text.floor_char_boundary(at.saturating_sub(context.max_bytes.saturating_sub(after.len())));
    let before = without_partial_line(&text[from..at], from > 0);
    let markers = [format.prefix, format.suffix, format.middle.unwrap_or_default()].map(Part::special);
    let [prefix, suffix, middle] = markers;
    let mut parts = Vec::new();
    if format.name == "qwen2.5-coder"
        && let Some(file) = format.file
    {
        for snippet in context.snippets {
            let text = format!("{}\n{}\n", snippet.path, snippet.text.trim_end());
            parts.extend([Part::special(file), Part::text(text, snippet_source(snippet))]);
        }
        parts.extend([Part::special(file), Part::text(format!("{}\n", context.path), PartSource::Header)]);
    }
    let comments = if parts.is_empty() { snippets_as_comments(context) } else { Vec::new() };
    let before = [vec![prefix], comments, vec![Part::text(before, PartSource::Prefix)]].concat();
    let after = vec![suffix, Part::text(after, PartSource::Suffix)];
    parts.extend(if format.suffix_first { [after, before] } else { [before, after] }.concat());
    parts.extend([middle, Part::text(written, PartSource::Middle)]);
    Prompt { parts, heal: true, stop_tokens: stop_specials(format), window: None }
}

fn snippet_source(snippet: &Snippet) -> PartSource {
    PartSource::Snippet { path: snippet.path.clone(), origin: snippet.origin.clone() }
}

/// Returns the snippets of plugins as comments of the language.
fn snippets_as_comments(context: &DocPromptContext<'_>) -> Vec<Part> {
    let mark = context.language.line_comment().unwrap_or("//");
    let comment = |snippet: &Snippet| {
        let text = format!("{}:\n{}", snippet.path, snippet.text.trim_end());
        text.lines().map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    context.snippets.iter().map(|snippet| Part::text(comment(snippet), snippet_source(snippet))).collect()
}

fn stop_specials(format: &FimFormat) -> Vec<std::borrow::Cow<'static, str>> {
    format.stop_tokens.iter().map(|name| (*name).into()).collect()
}

/// Returns a prompt for models without a fill-in-the-middle format: the code, then the same code again up to the field
/// of its docstring.
fn continuation_prompt(context: &DocPromptContext<'_>, task: &DocTask, written: &str) -> Prompt {
    let (text, at) = without_docstring(task, context.text);
    let (shown, start) = visible_code(context, task, &text, at);
    let is_inside = at > task.item.range.start;
    let mark = context.language.line_comment().unwrap_or("//");
    let indentation = indentation_of(&text, start);
    let code = format!("{mark} {}\n{shown}\n\n{indentation}{mark} Documented:\n", context.path);
    let signature = if is_inside { format!("{indentation}{}", &text[start..at]) } else { String::new() };
    let last =
        if signature.is_empty() || signature.ends_with('\n') { written.to_owned() } else { format!("\n{written}") };
    let own = vec![Part::text(code, PartSource::Prefix), Part::text(signature + &last, PartSource::Middle)];
    let parts = [snippets_as_comments(context), own].concat();
    Prompt { parts, heal: true, stop_tokens: Vec::new(), window: None }
}

/// Returns the item with the code above it, and the byte at which the item begins in `text`, which lacks the docstring
/// at byte `at`.
fn visible_code<'a>(context: &DocPromptContext<'_>, task: &DocTask, text: &'a str, at: usize) -> (&'a str, usize) {
    let shift = context.text.len() - text.len();
    // A docstring above the item was removed before its start, one inside it after.
    let start_shift = if at > task.item.range.start { 0 } else { shift };
    let start = task.item.range.start.saturating_sub(start_shift);
    let end = task.item.range.end.saturating_sub(shift);
    let end = text.floor_char_boundary(end.min(start + context.max_bytes * 3 / 4));
    let from = text.floor_char_boundary(start.saturating_sub(context.max_bytes.saturating_sub(end - start)));
    (without_partial_line(&text[from..end], from > 0).trim_end(), start)
}

fn indentation_of(text: &str, at: usize) -> &str {
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line..at];
    if before.trim().is_empty() { before } else { "" }
}

/// Removes the first line if the text was cut inside it.
fn without_partial_line(text: &str, cut: bool) -> &str {
    if !cut { text } else { text.find('\n').map_or("", |at| &text[at + 1..]) }
}
