//! Plugin strategy: a prompt strategy whose snippets, prompt layout and suggestions plugins extend, replace or veto.
//!
//! The snippets of a prompt are sorted by stability, then by the user's order, then built-ins before plugins. Plugins
//! are called when a new prompt is built and not while its [`Window`] is reused, so they cost nothing at other
//! keystrokes and do not change text that the model has read. A plugin with the name of a built-in replaces it as long
//! as its calls succeed.

use std::borrow::Cow;
use std::sync::Arc;

use crate::context::{self, secrets};
use crate::luau::{Plugin, PluginSnippet, Verdict};
use crate::prompt::{Stability, Window};
use crate::tasks::fill;
use crate::text::whole_lines_len;
use crate::window;
use crate::{Answer, Prompt, PromptStrategy, Request, Result, Snippet};

/// Prompt strategy that is extended by plugins.
pub struct PluginStrategy {
    inner: Arc<dyn PromptStrategy>,
    plugins: Vec<Arc<Plugin>>,
    /// Plugins that replace a built-in.
    replacements: Vec<Arc<Plugin>>,
    /// Bytes of each plugin's snippets, by default.
    snippet_bytes: usize,
}

impl PluginStrategy {
    /// Returns `inner` extended by plugins in their order. Each plugin may add snippets of `snippet_bytes` bytes unless
    /// the request sets another limit. All of them share half of the request's snippet budget.
    pub fn new(inner: Arc<dyn PromptStrategy>, plugins: Vec<Arc<Plugin>>, snippet_bytes: usize) -> Self {
        let replacements = plugins.iter().filter(|plugin| plugin.replaces_builtin()).cloned().collect();
        Self { inner, plugins, replacements, snippet_bytes }
    }

    /// Returns the names of the built-ins that plugins replace for a request.
    fn replaced_builtins(&self, request: &Request) -> Vec<&str> {
        let running = self.replacements.iter().filter(|plugin| plugin.runs_for(request));
        running.map(|plugin| plugin.name.as_str()).collect()
    }

    /// Returns the verdict of all plugins in turn on a text.
    ///
    /// # Errors
    /// If a plugin that replaces one of the built-ins `replaced` fails: its name.
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

/// Returns the request with the built-ins `replaced` disabled.
fn without_builtins<'a>(request: &'a Request, replaced: &[&str]) -> Cow<'a, Request> {
    if replaced.is_empty() {
        return Cow::Borrowed(request);
    }
    Cow::Owned(Request { builtins: Arc::new(request.builtins.with_disabled(replaced)), ..request.clone() })
}

/// Snippets of all plugins, within the budget.
struct GatheredSnippets<'a> {
    /// Snippets with their stability and the rank of their plugin.
    snippets: Vec<(Stability, usize, Snippet)>,
    /// Names of the plugins whose call succeeded, with or without snippets.
    succeeded: Vec<&'a str>,
}

/// Calls the plugins for snippets. Each may add `snippet_bytes` bytes unless the request sets another limit, and all of
/// them share half of the request's snippet budget. Secrets are dropped.
fn gather_snippets<'a>(plugins: &'a [Arc<Plugin>], request: &Request, snippet_bytes: usize) -> GatheredSnippets<'a> {
    let mut shared_bytes = request.budget.snippets / 2;
    let mut gathered = GatheredSnippets { snippets: Vec::new(), succeeded: Vec::new() };
    for plugin in plugins {
        let Some(found) = plugin.snippets(request) else { continue };
        gathered.succeeded.push(plugin.name.as_str());
        let limit = request.builtins.byte_limits.get(&plugin.name).copied().unwrap_or(snippet_bytes);
        let mut plugin_bytes = limit.min(shared_bytes);
        for whole in &found {
            if secrets::is_secret_path(&whole.path) || secrets::contains_secret(&whole.text) {
                continue;
            }
            let snippet = truncated_snippet(whole, &plugin.name, plugin_bytes);
            let is_whole = snippet.as_ref().is_some_and(|snippet| snippet.text.len() == whole.text.len());
            if !is_whole && !whole.text.trim().is_empty() {
                plugin.record_truncated_snippet();
            }
            let Some(snippet) = snippet else { continue };
            let size = snippet.text.len() + snippet.path.len();
            plugin_bytes -= size;
            shared_bytes -= size;
            gathered.snippets.push((whole.stability, request.builtins.rank(&plugin.name), snippet));
        }
    }
    gathered
}

fn sorted(mut snippets: Vec<(Stability, usize, Snippet)>) -> Vec<Snippet> {
    snippets.sort_by_key(|(stability, rank, _)| (*stability, *rank));
    snippets.into_iter().map(|(.., snippet)| snippet).collect()
}

/// Returns the snippets of plugins for a task's prompt, the most stable first. Each plugin may add `snippet_bytes`
/// bytes unless the request sets another limit.
pub fn snippets(plugins: &[Arc<Plugin>], request: &Request, snippet_bytes: usize) -> Vec<Snippet> {
    sorted(gather_snippets(plugins, request, snippet_bytes).snippets)
}

/// Passes a text through the `finish` functions of plugins in their order.
///
/// # Errors
/// If a plugin vetoes the text: its name.
pub fn finish(plugins: &[Arc<Plugin>], request: &Request, text: String) -> std::result::Result<String, String> {
    plugins.iter().try_fold(text, |text, plugin| match plugin.finish(request, &text) {
        Verdict::Keep => Ok(text),
        Verdict::Change(new) => Ok(new),
        Verdict::Veto => Err(plugin.name.clone()),
    })
}

/// Returns a snippet cut to the whole lines that fit into `max_bytes` with its path; `None` if none fits.
fn truncated_snippet(whole: &PluginSnippet, plugin: &str, max_bytes: usize) -> Option<Snippet> {
    let max_text_bytes = max_bytes.checked_sub(whole.path.len())?;
    let text = &whole.text[..whole_lines_len(&whole.text, max_text_bytes)];
    let has_whole_lines = text.len() == whole.text.len() || text.ends_with('\n');
    if !has_whole_lines || text.trim().is_empty() {
        return None;
    }
    Some(Snippet { path: whole.path.clone(), text: text.to_owned(), origin: plugin.to_owned() })
}

impl PromptStrategy for PluginStrategy {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn context(&self, request: &Request) -> Result<Vec<Snippet>> {
        if self.plugins.is_empty() || window::is_reusable(request) {
            return self.inner.context(request);
        }
        let GatheredSnippets { snippets, succeeded } = gather_snippets(&self.plugins, request, self.snippet_bytes);
        let mut replaced = self.replaced_builtins(request);
        replaced.retain(|name| succeeded.contains(name));
        let mut inner_request = without_builtins(request, &replaced).into_owned();
        inner_request.budget.snippets -=
            snippets.iter().map(|(.., snippet)| snippet.text.len() + snippet.path.len()).sum::<usize>();
        let builtin_snippets = self.inner.context(&inner_request)?.into_iter().map(|snippet| {
            let (stability, rank) = context::snippet_sort_key(request, &snippet);
            (stability, rank, snippet)
        });
        Ok(sorted(builtin_snippets.chain(snippets).collect()))
    }

    fn prompt(&self, request: &Request, snippets: &[Snippet]) -> Result<Prompt> {
        let mut prompt = self.inner.prompt(request, snippets)?;
        // A reused window has its layout already.
        if window::is_reusable(request) {
            return Ok(prompt);
        }
        let Some(window) = prompt.window.take() else { return Ok(prompt) };
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
                Ok(Verdict::Change(text)) if !text.trim().is_empty() => return Some(text),
                Ok(_) => return None,
                // The built-in runs in place of the failed plugin.
                Err(failed) => replaced.retain(|name| *name != failed),
            }
        }
    }
}

#[cfg(test)]
mod tests;
