//! A strategy with plugins around it: their snippets join its own, they may lay its prompt out, and they have the last word on
//! its suggestions.
//!
//! The order of a prompt's snippets is fixed: what plugins call stable, the strategy's own but for recent edits, what plugins
//! tie to the file, recent edits, what plugins tie to edits; within each, the order of the plugins. Plugins are asked when a
//! prompt is written anew and not while its [`Window`](crate::Window) holds: what was read stays as it was, so they cost a
//! keystroke nothing.

use std::sync::Arc;

use crate::context::secrets;
use crate::luau::{Found, Plugin, Stability, Verdict};
use crate::strategies::fill;
use crate::window::{self, Window, line_end};
use crate::{Answer, Prompt, PromptStrategy, Request, Result, Snippet};

/// The strategy.
pub struct Plugged {
    inner: Arc<dyn PromptStrategy>,
    plugins: Vec<Arc<Plugin>>,
    /// Bytes of each plugin's snippets.
    each: usize,
}

impl Plugged {
    /// `inner` with these plugins, in their order; each may add snippets of so many bytes, all together at most half of the
    /// room that a request has for snippets.
    pub fn new(inner: Arc<dyn PromptStrategy>, plugins: Vec<Arc<Plugin>>, each: usize) -> Self {
        Self { inner, plugins, each }
    }
}

/// Snippets of all plugins that may be shown, cut to the room there is: at most half of what the request has for snippets.
fn found(plugins: &[Arc<Plugin>], request: &Request, each: usize) -> Vec<(Stability, Snippet)> {
    let mut room = request.budget.snippets / 2;
    let mut all = Vec::new();
    for plugin in plugins {
        let mut own = each.min(room);
        for found in plugin.context(request) {
            let Some(snippet) = shown(&found, &plugin.name, own) else { continue };
            let size = snippet.text.len() + snippet.path.len();
            (own, room) = (own - size, room - size);
            all.push((found.stability, snippet));
        }
    }
    all
}

/// What plugins add to a prompt that is written once, the most stable first; each has so many bytes.
pub fn snippets(plugins: &[Arc<Plugin>], request: &Request, each: usize) -> Vec<Snippet> {
    let mut found = found(plugins, request, each);
    found.sort_by_key(|(stability, _)| *stability);
    found.into_iter().map(|(_, snippet)| snippet).collect()
}

/// What is left of a text after all plugins have had their word, in their order.
///
/// # Errors
/// The name of the plugin that does not want it.
pub fn finish(plugins: &[Arc<Plugin>], request: &Request, text: String) -> std::result::Result<String, String> {
    plugins.iter().try_fold(text, |text, plugin| match plugin.finish(request, &text) {
        Verdict::Keep => Ok(text),
        Verdict::Change(new) => Ok(new),
        Verdict::Veto => Err(plugin.name.clone()),
    })
}

/// A snippet as a prompt may show it within so many bytes: the first lines of one that is too long.
fn shown(found: &Found, plugin: &str, room: usize) -> Option<Snippet> {
    if secrets::in_path(&found.path) || secrets::in_text(&found.text) {
        return None;
    }
    let room = room.checked_sub(found.path.len())?;
    let text = &found.text[..line_end(&found.text, room)];
    let whole_lines = text.len() == found.text.len() || text.ends_with('\n');
    let snippet = || Snippet { path: found.path.clone(), text: text.to_owned(), why: plugin.to_owned() };
    (whole_lines && !text.trim().is_empty()).then(snippet)
}

impl PromptStrategy for Plugged {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn context(&self, request: &Request) -> Result<Vec<Snippet>> {
        if self.plugins.is_empty() || window::holds(request) {
            return self.inner.context(request);
        }
        let found = found(&self.plugins, request, self.each);
        let size: usize = found.iter().map(|(_, snippet)| snippet.text.len() + snippet.path.len()).sum();
        let mut rest = request.clone();
        rest.budget.snippets -= size;
        let own = self.inner.context(&rest)?;
        let (edits, own): (Vec<_>, Vec<_>) = own.into_iter().partition(|snippet| snippet.why == "recent edit");
        let of = |class: Stability| {
            let of_class = found.iter().filter(move |(stability, _)| *stability == class);
            of_class.map(|(_, snippet)| snippet.clone()).collect::<Vec<_>>()
        };
        Ok([of(Stability::Stable), own, of(Stability::File), edits, of(Stability::Edit)].concat())
    }

    fn prompt(&self, request: &Request, snippets: &[Snippet]) -> Result<Prompt> {
        let held = window::holds(request);
        let mut prompt = self.inner.prompt(request, snippets)?;
        // A window that holds has its layout already.
        let Some(window) = prompt.window.take_if(|_| !held) else { return Ok(prompt) };
        let layout = self.plugins.iter().find_map(|plugin| plugin.prompt(request, &window, snippets));
        Ok(fill::written(request, Window { layout, ..window }))
    }

    fn done(&self, request: &Request, text: &str) -> bool {
        self.inner.done(request, text)
    }

    fn finish(&self, request: &Request, answer: &Answer) -> Option<String> {
        let text = finish(&self.plugins, request, self.inner.finish(request, answer)?).ok()?;
        (!text.trim().is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests;
