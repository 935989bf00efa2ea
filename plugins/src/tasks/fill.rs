//! `fill`: writes what belongs at the cursor.
//!
//! The prompt is made of the repository's name, snippets from elsewhere, the file's path, imports and enclosing signatures
//! that lie outside the window, and the file's text around the cursor in the order that the model was trained on. A model
//! without fill-in-the-middle gets the same from left to right, with everything foreign in comments.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use crate::fim_format::FimFormat;
use crate::prompt::{Part, PartSource, Prompt, Snippet, Window};
use crate::request::{Answer, PromptOrder, Request};
use crate::window;
use crate::{PromptStrategy, Result, context, finish, syntax, text};

/// The strategy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fill;

impl Fill {
    /// The strategy, shared by all requests and wrapped by plugins. It is always the same `Arc`, so [`Arc::ptr_eq`] tells it
    /// from a strategy with plugins.
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

/// The prompt on a window whose header is known.
pub(crate) fn build_prompt(request: &Request, window: Window) -> Prompt {
    let typed = Part::text(middle(request, &window), PartSource::Middle);
    let (parts, stop_specials) = match &window.layout {
        Some(layout) => ([layout.parts.clone(), vec![typed]].concat(), layout.stop_tokens.clone()),
        None => (model_format_parts(request, &window, typed), stop_tokens(request)),
    };
    let window = (request.order == PromptOrder::Anchored).then_some(window);
    Prompt {
        parts,
        heal: request.order == PromptOrder::Anchored || request.format.is_none(),
        stop_tokens: stop_specials,
        window,
    }
}

/// The parts as the model's own format has them.
fn model_format_parts(request: &Request, window: &Window, typed: Part) -> Vec<Part> {
    let before = [window.header.clone(), vec![Part::text(window.prefix.clone(), PartSource::Prefix)]].concat();
    let after = Part::text(window.suffix.clone(), PartSource::Suffix);
    match request.format {
        Some(format) => fim_parts(format, before, after, typed),
        None => [before, vec![typed]].concat(),
    }
}

fn stop_tokens(request: &Request) -> Vec<Cow<'static, str>> {
    request.format.map_or(&[][..], |format| format.stop_tokens).iter().copied().map(Cow::Borrowed).collect()
}

fn middle<'a>(request: &'a Request, window: &Window) -> &'a str {
    &request.document.text[window.anchor..request.cursor]
}

/// The text around the cursor in the order of the format. What is foreign stands before the prefix marker where the format
/// has a token for files, and else inside the prefix.
fn fim_parts(format: &FimFormat, mut before: Vec<Part>, after: Part, typed: Part) -> Vec<Part> {
    let own = if format.file.is_some() { before.split_off(before.len() - 1) } else { std::mem::take(&mut before) };
    let prefix = [vec![Part::special(format.prefix)], own].concat();
    let suffix = vec![Part::special(format.suffix), after];
    let first = if format.suffix_first { [before, suffix, prefix] } else { [before, prefix, suffix] };
    // Without a middle marker the model writes on from the prefix, so that is where the typed text goes.
    [first.concat(), format.middle.map(Part::special).into_iter().collect(), vec![typed]].concat()
}

/// Everything before the file's own text, the most stable first.
pub(crate) fn header(request: &Request, snippets: &[Snippet], window: &Window) -> Vec<Part> {
    let path = &request.document.path;
    let outside = outside_window(request, window);
    let mut parts = Vec::new();
    let named = |snippet: &Snippet| PartSource::Snippet { path: snippet.path.clone(), origin: snippet.origin.clone() };
    match request.format.and_then(|format| format.file) {
        Some(file) => {
            let repository = request.format.and_then(|format| format.repository).zip(request.repository.as_ref());
            if let Some((marker, name)) = repository.filter(|_| !snippets.is_empty()) {
                parts.extend([Part::special(marker), Part::text(format!("{name}\n"), PartSource::Header)]);
            }
            for snippet in snippets {
                let text = format!("{}\n{}\n", snippet.path, snippet.text.trim_end());
                parts.extend([Part::special(file), Part::text(text, named(snippet))]);
            }
            if !path.is_empty() {
                parts.extend([Part::special(file), Part::text(format!("{path}\n"), PartSource::Header)]);
            }
            parts.extend(outside);
            parts
        }
        None => {
            let comment = |text: &str| {
                let mark = request.document.language.line_comment().unwrap_or("#");
                text.lines().map(|line| format!("{mark} {line}\n")).collect::<String>()
            };
            for snippet in snippets {
                let text = format!("{}:\n{}", snippet.path, snippet.text.trim_end());
                parts.push(Part::text(comment(&text), named(snippet)));
            }
            if !path.is_empty() {
                parts.push(Part::text(comment(path), PartSource::Header));
            }
            parts.extend(outside);
            parts
        }
    }
}

/// Imports and signatures that the window does not show.
fn outside_window(request: &Request, window: &Window) -> Vec<Part> {
    let most = if window.reduced { 200 } else { 1500 };
    let start = window.anchor - window.prefix.len();
    let (Some(tree), true) = (&request.document.tree, start > 0) else { return Vec::new() };
    let text = &request.document.text;
    let take = |ranges: Vec<std::ops::Range<usize>>| {
        let mut taken = String::new();
        for range in ranges.into_iter().filter(|range| range.end <= start) {
            let line = text.get(range).unwrap_or_default().trim_end();
            if taken.len() + line.len() < most {
                taken.push_str(line);
                taken.push('\n');
            }
        }
        taken
    };
    let parts = [
        (take(syntax::import_ranges(tree)), PartSource::Imports),
        (enclosing_signatures(&request.prefix()[..start], &request.prefix()[start..]), PartSource::Enclosing),
    ];
    parts.into_iter().filter(|(text, _)| !text.is_empty()).map(|(text, source)| Part::text(text, source)).collect()
}

/// The lines above the window that the cursor's block hangs on, by indentation: while a statement is being typed the syntax
/// around it is seldom whole.
fn enclosing_signatures(above: &str, shown: &str) -> String {
    const MOST: usize = 6;
    let mut limit = text::indent_columns(shown.rsplit('\n').next().unwrap_or_default());
    for line in shown.rsplit('\n').skip(1).filter(|line| !line.trim().is_empty()) {
        limit = limit.min(text::indent_columns(line));
    }
    let mut heads = Vec::new();
    for line in above.rsplit('\n').map(str::trim_end).filter(|line| line.chars().any(char::is_alphanumeric)) {
        if limit == 0 || heads.len() == MOST {
            break;
        }
        if text::indent_columns(line) < limit {
            limit = text::indent_columns(line);
            heads.push(line);
        }
    }
    heads.iter().rev().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests;
