//! `fill`: writes what belongs at the cursor.
//!
//! The prompt is made of the repository's name, snippets from elsewhere, the file's path, imports and enclosing signatures
//! that lie outside the window, and the file's text around the cursor in the order that the model was trained on. A model
//! without fill-in-the-middle gets the same from left to right, with everything foreign in comments.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use crate::fim_format::FimFormat;
use crate::prompt::{Part, Prompt, Snippet, Source, Window};
use crate::request::{Answer, Order, Request};
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
        let window = window::kept(request).unwrap_or_else(|| {
            let window = window::set(request);
            Window { header: header(request, snippets, &window), ..window }
        });
        Ok(written(request, window))
    }

    fn done(&self, request: &Request, text: &str) -> bool {
        finish::done(request, text)
    }

    fn finish(&self, request: &Request, answer: &Answer) -> Option<String> {
        finish::finish(request, answer)
    }
}

/// The prompt on a window whose header is known.
pub(crate) fn written(request: &Request, window: Window) -> Prompt {
    let typed = Part::text(middle(request, &window), Source::Middle);
    let (parts, stop_specials) = match &window.layout {
        Some(layout) => ([layout.parts.clone(), vec![typed]].concat(), layout.stops.clone()),
        None => (built_in(request, &window, typed), stops(request)),
    };
    let window = (request.order == Order::Anchored).then_some(window);
    Prompt { parts, heal: request.order == Order::Anchored || request.format.is_none(), stop_specials, window }
}

/// The parts as the model's own format has them.
fn built_in(request: &Request, window: &Window, typed: Part) -> Vec<Part> {
    let before = [window.header.clone(), vec![Part::text(window.before.clone(), Source::Before)]].concat();
    let after = Part::text(window.after.clone(), Source::After);
    match request.format {
        Some(format) => hole(format, before, after, typed),
        None => [before, vec![typed]].concat(),
    }
}

fn stops(request: &Request) -> Vec<Cow<'static, str>> {
    request.format.map_or(&[][..], |format| format.stops).iter().copied().map(Cow::Borrowed).collect()
}

fn middle<'a>(request: &'a Request, window: &Window) -> &'a str {
    &request.document.text[window.anchor..request.cursor]
}

/// The text around the cursor in the order of the format. What is foreign stands before the prefix marker where the format
/// has a token for files, and else inside the prefix.
fn hole(format: &FimFormat, mut before: Vec<Part>, after: Part, typed: Part) -> Vec<Part> {
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
    let outside = outside(request, window);
    let mut parts = Vec::new();
    let named = |snippet: &Snippet| Source::Snippet { path: snippet.path.clone(), why: snippet.why.clone() };
    match request.format.and_then(|format| format.file) {
        Some(file) => {
            let repository = request.format.and_then(|format| format.repository).zip(request.repository.as_ref());
            if let Some((marker, name)) = repository.filter(|_| !snippets.is_empty()) {
                parts.extend([Part::special(marker), Part::text(format!("{name}\n"), Source::Header)]);
            }
            for snippet in snippets {
                let text = format!("{}\n{}\n", snippet.path, snippet.text.trim_end());
                parts.extend([Part::special(file), Part::text(text, named(snippet))]);
            }
            if !path.is_empty() {
                parts.extend([Part::special(file), Part::text(format!("{path}\n"), Source::Header)]);
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
                parts.push(Part::text(comment(path), Source::Header));
            }
            parts.extend(outside);
            parts
        }
    }
}

/// Imports and signatures that the window does not show.
fn outside(request: &Request, window: &Window) -> Vec<Part> {
    let most = if window.near { 200 } else { 1500 };
    let start = window.anchor - window.before.len();
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
        (take(syntax::imports(tree)), Source::Imports),
        (signatures(&request.before()[..start], &request.before()[start..]), Source::Enclosing),
    ];
    parts.into_iter().filter(|(text, _)| !text.is_empty()).map(|(text, source)| Part::text(text, source)).collect()
}

/// The lines above the window that the cursor's block hangs on, by indentation: while a statement is being typed the syntax
/// around it is seldom whole.
fn signatures(above: &str, shown: &str) -> String {
    const MOST: usize = 6;
    let mut limit = text::indent(shown.rsplit('\n').next().unwrap_or_default());
    for line in shown.rsplit('\n').skip(1).filter(|line| !line.trim().is_empty()) {
        limit = limit.min(text::indent(line));
    }
    let mut heads = Vec::new();
    for line in above.rsplit('\n').map(str::trim_end).filter(|line| line.chars().any(char::is_alphanumeric)) {
        if limit == 0 || heads.len() == MOST {
            break;
        }
        if text::indent(line) < limit {
            limit = text::indent(line);
            heads.push(line);
        }
    }
    heads.iter().rev().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests;
