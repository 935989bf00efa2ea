//! Task `fill`: inline completion at the cursor.
//!
//! The prompt consists of the repository's name, snippets from elsewhere, the file's path, imports and enclosing
//! signatures from outside the window, and the text around the cursor in the order of the model's FIM format. A model
//! without fill-in-the-middle gets the same parts from left to right, and continues the text before the cursor. Without
//! a marker for files, everything from elsewhere is written as comments.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use crate::fim_format::FimFormat;
use crate::prompt::{Part, PartSource, Prompt, Snippet, Window};
use crate::request::{Answer, PromptOrder, Request};
use crate::window;
use crate::{PromptStrategy, Result, context, finish, syntax, text};

/// Maximum length of the imports from outside the window.
const MAX_IMPORT_BYTES: usize = 1500;
/// Maximum length of the imports from outside a reduced window.
const MAX_REDUCED_IMPORT_BYTES: usize = 200;
/// Maximum number of enclosing signatures from outside the window.
const MAX_ENCLOSING_SIGNATURES: usize = 6;

/// The built-in strategy of inline completion.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fill;

impl Fill {
    /// The strategy, shared by all requests and wrapped by plugins. It is always the same `Arc`, so [`Arc::ptr_eq`]
    /// distinguishes it from a strategy with plugins.
    pub fn shared() -> Arc<dyn PromptStrategy> {
        static SHARED: LazyLock<Arc<dyn PromptStrategy>> = LazyLock::new(|| Arc::new(Fill));
        SHARED.clone()
    }
}

impl PromptStrategy for Fill {
    fn name(&self) -> &str {
        "fill"
    }

    fn context(&self, request: &Request) -> Result<Vec<Snippet>> {
        Ok(context::gather(request))
    }

    fn prompt(&self, request: &Request, snippets: &[Snippet]) -> Result<Prompt> {
        let length = request.document.text.len();
        if !request.document.text.is_char_boundary(request.cursor) {
            return Err(crate::Error::Cursor { cursor: request.cursor, length });
        }
        let window = window::reuse(request).unwrap_or_else(|| {
            let window = Window::new(request);
            Window { header: header(request, snippets, &window), ..window }
        });
        Ok(build_prompt(request, window))
    }

    fn is_done(&self, request: &Request, text: &str) -> bool {
        finish::is_done(request, text)
    }

    fn finish(&self, request: &Request, answer: &Answer) -> Option<String> {
        finish::finish(request, answer)
    }
}

/// Builds the prompt on a window with a complete header.
pub(crate) fn build_prompt(request: &Request, window: Window) -> Prompt {
    let middle = Part::text(middle_text(request, &window), PartSource::Middle);
    let (parts, stop_tokens) = match &window.layout {
        Some(layout) => ([layout.parts.clone(), vec![middle]].concat(), layout.stop_tokens.clone()),
        None => (model_format_parts(request, &window, middle), format_stop_tokens(request)),
    };
    let is_anchored = request.order == PromptOrder::Anchored;
    let window = if is_anchored { Some(window) } else { None };
    Prompt { parts, heal: is_anchored || request.format.is_none(), stop_tokens, window }
}

/// Parts in the order of the model's FIM format.
fn model_format_parts(request: &Request, window: &Window, middle: Part) -> Vec<Part> {
    let prefix = Part::text(window.prefix.clone(), PartSource::Prefix);
    match request.format {
        Some(format) => {
            let suffix = Part::text(window.suffix.clone(), PartSource::Suffix);
            fim_parts(format, window.header.clone(), prefix, suffix, middle)
        }
        None => [window.header.clone(), vec![prefix, middle]].concat(),
    }
}

fn format_stop_tokens(request: &Request) -> Vec<Cow<'static, str>> {
    request.format.map_or(&[][..], |format| format.stop_tokens).iter().copied().map(Cow::Borrowed).collect()
}

/// Text between the anchor and the cursor.
fn middle_text<'a>(request: &'a Request, window: &Window) -> &'a str {
    &request.document.text[window.anchor..request.cursor]
}

/// Parts with the markers of a FIM format. The header comes before the prefix marker if the format has a marker for
/// files, otherwise it is part of the prefix.
fn fim_parts(format: &FimFormat, header: Vec<Part>, prefix: Part, suffix: Part, middle: Part) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut marked_prefix = vec![Part::special(format.prefix)];
    if format.file.is_some() {
        parts.extend(header);
    } else {
        marked_prefix.extend(header);
    }
    marked_prefix.push(prefix);
    let marked_suffix = [Part::special(format.suffix), suffix];
    if format.suffix_first {
        parts.extend(marked_suffix);
        parts.extend(marked_prefix);
    } else {
        parts.extend(marked_prefix);
        parts.extend(marked_suffix);
    }
    // Without a middle marker the model continues the prefix, which comes last and takes the middle.
    parts.extend(format.middle.map(Part::special));
    parts.push(middle);
    parts
}

/// Parts before the file's own text, the most stable first: repository, snippets, path, imports, enclosing signatures.
pub(crate) fn header(request: &Request, snippets: &[Snippet], window: &Window) -> Vec<Part> {
    let mut parts = match request.format.and_then(|format| format.file) {
        Some(file_marker) => marked_header(request, snippets, file_marker),
        None => commented_header(request, snippets),
    };
    parts.extend(outside_window(request, window));
    parts
}

/// Header of a FIM format with a marker for files.
fn marked_header(request: &Request, snippets: &[Snippet], file_marker: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let repository_marker = request.format.and_then(|format| format.repository);
    if let (Some(marker), Some(name), false) = (repository_marker, &request.repository, snippets.is_empty()) {
        parts.extend([Part::special(marker), Part::text(format!("{name}\n"), PartSource::Header)]);
    }
    for snippet in snippets {
        let text = format!("{}\n{}\n", snippet.path, snippet.text.trim_end());
        parts.extend([Part::special(file_marker), Part::text(text, source_of(snippet))]);
    }
    let path = &request.document.path;
    if !path.is_empty() {
        parts.extend([Part::special(file_marker), Part::text(format!("{path}\n"), PartSource::Header)]);
    }
    parts
}

/// Header as comments in the language of the document.
fn commented_header(request: &Request, snippets: &[Snippet]) -> Vec<Part> {
    let mark = request.document.language.line_comment().unwrap_or("#");
    let comment = |text: &str| text.lines().map(|line| format!("{mark} {line}\n")).collect::<String>();
    let mut parts = Vec::new();
    for snippet in snippets {
        let text = format!("{}:\n{}", snippet.path, snippet.text.trim_end());
        parts.push(Part::text(comment(&text), source_of(snippet)));
    }
    let path = &request.document.path;
    if !path.is_empty() {
        parts.push(Part::text(comment(path), PartSource::Header));
    }
    parts
}

fn source_of(snippet: &Snippet) -> PartSource {
    PartSource::Snippet { path: snippet.path.clone(), origin: snippet.origin.clone() }
}

/// Imports and enclosing signatures above the window.
fn outside_window(request: &Request, window: &Window) -> Vec<Part> {
    let window_start = window.anchor - window.prefix.len();
    let Some(tree) = &request.document.tree else { return Vec::new() };
    if window_start == 0 {
        return Vec::new();
    }
    let max_bytes = if window.reduced { MAX_REDUCED_IMPORT_BYTES } else { MAX_IMPORT_BYTES };
    let mut imports = String::new();
    for range in syntax::import_ranges(tree).into_iter().filter(|range| range.end <= window_start) {
        let import = request.document.text.get(range).unwrap_or_default().trim_end();
        if imports.len() + import.len() < max_bytes {
            imports.push_str(import);
            imports.push('\n');
        }
    }
    let (above, shown) = request.prefix().split_at(window_start);
    let mut parts = vec![
        Part::text(imports, PartSource::Imports),
        Part::text(enclosing_signatures(above, shown), PartSource::Enclosing),
    ];
    parts.retain(|part| part.content.text().is_some_and(|text| !text.is_empty()));
    parts
}

/// Lines above the window that enclose the cursor by indentation: each is indented less than everything between it and
/// the cursor. Syntax would tell more, but it is rarely complete while a statement is being typed.
fn enclosing_signatures(above: &str, shown: &str) -> String {
    let mut limit = text::indent_columns(shown.rsplit('\n').next().unwrap_or_default());
    for line in shown.rsplit('\n').skip(1).filter(|line| !line.trim().is_empty()) {
        limit = limit.min(text::indent_columns(line));
    }
    let mut signatures = Vec::new();
    for line in above.rsplit('\n').map(str::trim_end).filter(|line| line.chars().any(char::is_alphanumeric)) {
        if limit == 0 || signatures.len() == MAX_ENCLOSING_SIGNATURES {
            break;
        }
        if text::indent_columns(line) < limit {
            limit = text::indent_columns(line);
            signatures.push(line);
        }
    }
    signatures.iter().rev().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests;
