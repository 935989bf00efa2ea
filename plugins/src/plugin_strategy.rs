//! A strategy with plugins around it: their snippets join its own, they may lay its prompt out, and they have the last word on
//! its suggestions.
//!
//! A prompt's snippets stand in the order of their stability; within each, those that the user's order names come first, then
//! built-ins, then plugins. Plugins are asked when a prompt is written anew and not while its [`Window`] holds:
//! what was read stays as it was, so they cost a keystroke nothing. A plugin of the name of a built-in stands in its place as
//! long as it answers.

use std::borrow::Cow;
use std::sync::Arc;

use crate::context::{self, secrets};
use crate::luau::{Plugin, PluginSnippet, Verdict};
use crate::prompt::{Stability, Window};
use crate::tasks::fill;
use crate::text::whole_lines_len;
use crate::window;
use crate::{Answer, Prompt, PromptStrategy, Request, Result, Snippet};

/// The strategy.
pub struct PluginStrategy {
    inner: Arc<dyn PromptStrategy>,
    plugins: Vec<Arc<Plugin>>,
    /// Those that stand in the place of a built-in.
    replacements: Vec<Arc<Plugin>>,
    /// Bytes of each plugin's snippets.
    snippet_bytes: usize,
}

impl PluginStrategy {
    /// `inner` with these plugins, in their order; each may add snippets of so many bytes unless the request says otherwise, all
    /// together at most half of the room that a request has for snippets.
    pub fn new(inner: Arc<dyn PromptStrategy>, plugins: Vec<Arc<Plugin>>, each: usize) -> Self {
        let stand_ins = plugins.iter().filter(|plugin| plugin.replaces_builtin()).cloned().collect();
        Self { inner, plugins, replacements: stand_ins, snippet_bytes: each }
    }

    /// Names of the built-ins that plugins stand in for.
    fn replaced_builtins(&self, request: &Request) -> Vec<&str> {
        let standing = self.replacements.iter().filter(|plugin| plugin.runs_for(request));
        standing.map(|plugin| plugin.name.as_str()).collect()
    }

    /// What becomes of a text; `Err` is the name of a plugin that stands in for one of these and has no answer.
    fn final_verdict<'a>(
        &'a self,
        request: &Request,
        text: String,
        replaced: &[&str],
    ) -> std::result::Result<Verdict, &'a str> {
        let mut text = text;
        for plugin in &self.plugins {
            match plugin.verdict(request, &text) {
                Some(Verdict::Keep) => {}
                Some(Verdict::Change(new)) => text = new,
                Some(Verdict::Veto) => return Ok(Verdict::Veto),
                None if plugin.has_finish() && replaced.contains(&plugin.name.as_str()) => return Err(&plugin.name),
                None => {}
            }
        }
        Ok(Verdict::Change(text))
    }
}

/// The request with built-ins off that plugins stand in for.
fn without_builtins<'a>(request: &'a Request, replaced: &[&str]) -> Cow<'a, Request> {
    if replaced.is_empty() {
        return Cow::Borrowed(request);
    }
    Cow::Owned(Request { builtins: Arc::new(request.builtins.with_disabled(replaced)), ..request.clone() })
}

/// What plugins show, cut to the room there is: at most half of what the request has for snippets.
struct GatheredSnippets<'a> {
    snippets: Vec<(Stability, usize, Snippet)>,
    /// Plugins that answered, if only that they have nothing to show.
    answered: Vec<&'a str>,
}

fn gather_snippets<'a>(plugins: &'a [Arc<Plugin>], request: &Request, each: usize) -> GatheredSnippets<'a> {
    let mut room = request.budget.snippets / 2;
    let mut shown_all = GatheredSnippets { snippets: Vec::new(), answered: Vec::new() };
    for plugin in plugins {
        let Some(all) = plugin.snippets(request) else { continue };
        shown_all.answered.push(plugin.name.as_str());
        let mut own = request.builtins.byte_limits.get(&plugin.name).copied().unwrap_or(each).min(room);
        for found in
            all.iter().filter(|found| !secrets::is_secret_path(&found.path) && !secrets::contains_secret(&found.text))
        {
            let snippet = truncated_snippet(found, &plugin.name, own);
            if snippet.as_ref().is_none_or(|snippet| snippet.text.len() < found.text.len()) && !is_empty(found) {
                plugin.record_truncated_snippet();
            }
            let Some(snippet) = snippet else { continue };
            let size = snippet.text.len() + snippet.path.len();
            (own, room) = (own - size, room - size);
            shown_all.snippets.push((found.stability, request.builtins.rank(&plugin.name), snippet));
        }
    }
    shown_all
}

fn sorted(mut snippets: Vec<(Stability, usize, Snippet)>) -> Vec<Snippet> {
    snippets.sort_by_key(|(stability, place, _)| (*stability, *place));
    snippets.into_iter().map(|(.., snippet)| snippet).collect()
}

/// What plugins add to a prompt that is written once, the most stable first; each has so many bytes.
pub fn snippets(plugins: &[Arc<Plugin>], request: &Request, each: usize) -> Vec<Snippet> {
    sorted(gather_snippets(plugins, request, each).snippets)
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

fn is_empty(found: &PluginSnippet) -> bool {
    found.text.trim().is_empty()
}

/// A snippet as a prompt may show it within so many bytes: the first lines of one that is too long.
fn truncated_snippet(found: &PluginSnippet, plugin: &str, room: usize) -> Option<Snippet> {
    let room = room.checked_sub(found.path.len())?;
    let text = &found.text[..whole_lines_len(&found.text, room)];
    let whole_lines = text.len() == found.text.len() || text.ends_with('\n');
    let snippet = || Snippet { path: found.path.clone(), text: text.to_owned(), origin: plugin.to_owned() };
    (whole_lines && !text.trim().is_empty()).then(snippet)
}

impl PromptStrategy for PluginStrategy {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn context(&self, request: &Request) -> Result<Vec<Snippet>> {
        if self.plugins.is_empty() || window::is_reusable(request) {
            return self.inner.context(request);
        }
        let GatheredSnippets { snippets, answered } = gather_snippets(&self.plugins, request, self.snippet_bytes);
        let mut replaced = self.replaced_builtins(request);
        replaced.retain(|name| answered.contains(name));
        let mut rest = without_builtins(request, &replaced).into_owned();
        rest.budget.snippets -=
            snippets.iter().map(|(.., snippet)| snippet.text.len() + snippet.path.len()).sum::<usize>();
        let own = self.inner.context(&rest)?.into_iter().map(|snippet| {
            let (stability, place) = context::snippet_sort_key(request, &snippet);
            (stability, place, snippet)
        });
        Ok(sorted(own.chain(snippets).collect()))
    }

    fn prompt(&self, request: &Request, snippets: &[Snippet]) -> Result<Prompt> {
        let held = window::is_reusable(request);
        let mut prompt = self.inner.prompt(request, snippets)?;
        // A window that holds has its layout already.
        let Some(window) = prompt.window.take_if(|_| !held) else { return Ok(prompt) };
        let layout = self.plugins.iter().find_map(|plugin| plugin.prompt(request, &window, snippets));
        Ok(fill::build_prompt(request, Window { layout, ..window }))
    }

    fn is_done(&self, request: &Request, text: &str) -> bool {
        self.inner.is_done(&without_builtins(request, &self.replaced_builtins(request)), text)
    }

    fn finish(&self, request: &Request, answer: &Answer) -> Option<String> {
        let mut replaced = self.replaced_builtins(request);
        loop {
            let text = self.inner.finish(&without_builtins(request, &replaced), answer)?;
            match self.final_verdict(request, text, &replaced) {
                Ok(Verdict::Change(text)) => return (!text.trim().is_empty()).then_some(text),
                Ok(_) => return None,
                // It takes nothing away: the built-in does its work again.
                Err(silent) => replaced.retain(|name| *name != silent),
            }
        }
    }
}

#[cfg(test)]
mod tests;
