//! Fixtures of a plugin: `NAME.fixtures` beside `NAME.luau` says what the plugin is to do in small workspaces.
//!
//! Each case is laid out in a folder of its own and meets the plugin as a real workspace does, with the same rules for what
//! may be read. What it does is written as the fixture writes what it expects, so that the two can be compared line by line.

mod parse;
mod tokenizer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use foretype_model::git::GitCommand;
use foretype_plugins::fim_format::FIM_FORMATS;
use foretype_plugins::luau::{Plugin, Verdict};
use foretype_plugins::tasks::fill::Fill;
use foretype_plugins::{Content, Prompt, Request};
use similar::TextDiff;

use super::WorkspacePlugins;
use crate::config::Config;
use crate::request_builder;
use crate::workspace;
pub use parse::{Expectation, FixtureCase, parse};
use tokenizer::FixtureTokenizer;

/// Milliseconds of a call: a fixture says what a plugin does, `plugin check` how fast.
const CALL_TIMEOUT_MS: u64 = 1000;
/// How long the symbols of a case may be looked for.
const INDEX_TIMEOUT: Duration = Duration::from_secs(5);
/// Tokens of context that a case pretends its model has.
const CONTEXT_TOKENS: usize = 2048;

/// The fixtures of a plugin's file.
pub fn fixtures_path(plugin: &Path) -> PathBuf {
    plugin.with_extension("fixtures")
}

impl FixtureCase {
    /// Runs the case with a plugin's file; `None` if all is as expected, else the difference.
    ///
    /// # Errors
    /// If the case cannot be laid out, or the plugin fails.
    pub fn run(&self, plugin: &Path, source: &str) -> Result<Option<String>> {
        let folder = tempfile::tempdir().context("cannot make a folder for the case")?;
        for (path, text) in &self.files {
            write(folder.path(), path, text)?;
        }
        if !self.staged.is_empty() {
            self.stage(folder.path())?;
        }
        let config = self.config(&plugin.file_stem().unwrap_or_default().to_string_lossy())?;
        let index = tempfile::tempdir().context("cannot make a folder for the index of the case")?;
        let workspace = match super::uses_search(source) {
            true => WorkspacePlugins::with_index_in(index.path(), folder.path(), &config)?,
            false => WorkspacePlugins::new(Some(folder.path()), &config),
        };
        let name = plugin.file_stem().unwrap_or_default().to_string_lossy();
        let plugin = workspace.load(plugin, &name, source, &config.plugins).map_err(|fault| anyhow!("{fault}"))?;
        let request = self.request(folder.path(), &config)?;
        let found = self.actual(&plugin, &request, &config)?;
        if let Some(fault) = plugin.last_fault() {
            return Err(anyhow!("{fault}"));
        }
        let expected = self.expected.iter().map(Expectation::to_string).collect::<String>();
        Ok((expected != found).then(|| difference(&expected, &found)))
    }

    /// Makes a repository, on the branch `main`.
    fn stage(&self, root: &Path) -> Result<()> {
        let author = ["user.name=fixture", "user.email=fixture@localhost"];
        let git = author.iter().fold(GitCommand::new(root), |git, setting| git.setting(setting));
        git.run(&["init", "-q", "-b", "main"])?;
        git.run(&["add", "-A"])?;
        git.run(&["commit", "-q", "--allow-empty", "-m", "files"])?;
        for (path, text) in &self.staged {
            write(root, path, text)?;
        }
        git.run(&["add", "-A"])?;
        Ok(())
    }

    fn config(&self, name: &str) -> Result<Config> {
        let mut config = Config::default();
        (config.plugins.time_ms, config.plugins.task_time_ms) = (CALL_TIMEOUT_MS, CALL_TIMEOUT_MS);
        if !self.options.is_empty() {
            let options = toml::from_str(&self.options).context("the options are no TOML")?;
            config.plugins.options.insert(name.to_owned(), options);
        }
        Ok(config)
    }

    fn request(&self, root: &Path, config: &Config) -> Result<Request> {
        let (before, after) = self.text.split_once(parse::CURSOR_MARK).context("the text has no cursor")?;
        let document = request_builder::parse_document(self.path.clone(), format!("{before}{after}"));
        let mut request = request_builder::request_for_format(document, before.len(), None, CONTEXT_TOKENS, config);
        request.symbols = workspace::index_symbols(root, INDEX_TIMEOUT);
        request.task = self.task;
        request.question = (!self.question.is_empty()).then(|| self.question.as_str().into());
        Ok(request)
    }

    /// What the plugin does of the kinds that are expected, written as it is expected.
    fn actual(&self, plugin: &std::sync::Arc<Plugin>, request: &Request, config: &Config) -> Result<String> {
        let mut found = Vec::new();
        let mut shown = false;
        for expected in &self.expected {
            match expected {
                Expectation::Snippet(..) | Expectation::NoSnippets if shown => {}
                Expectation::Snippet(..) | Expectation::NoSnippets => {
                    shown = true;
                    found.extend(snippets(plugin, request));
                }
                Expectation::Prompt(family, _) => {
                    found.push(Expectation::Prompt(family.clone(), self.prompt(plugin, request, family, config)?));
                }
                Expectation::Kept | Expectation::Dropped | Expectation::Changed(_) => {
                    let written = self.writes.as_deref().context("it does not say what the model writes")?;
                    found.push(match plugin.finish(request, written) {
                        Verdict::Keep => Expectation::Kept,
                        Verdict::Veto => Expectation::Dropped,
                        Verdict::Change(text) => Expectation::Changed(text),
                    });
                }
            }
        }
        Ok(found.iter().map(Expectation::to_string).collect())
    }

    /// The prompt that the plugin takes part in, for a model of a family or, without a name, one that writes from left to right.
    fn prompt(
        &self,
        plugin: &std::sync::Arc<Plugin>,
        request: &Request,
        family: &str,
        config: &Config,
    ) -> Result<String> {
        let names = || FIM_FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ");
        let format = FIM_FORMATS.iter().find(|format| format.name == family);
        ensure!(family.is_empty() || format.is_some(), "there is no format {family}: say {}", names());
        let fill = Fill::shared();
        let strategy = super::with_plugins(fill, vec![plugin.clone()], config);
        let tokens = FixtureTokenizer::with_specials(format, &self.specials);
        let request = Request { format, tokenizer: Some(std::sync::Arc::new(tokens)), ..request.clone() };
        let snippets = strategy.context(&request)?;
        Ok(prompt_text(&strategy.prompt(&request, &snippets)?))
    }
}

fn snippets(plugin: &Plugin, request: &Request) -> Vec<Expectation> {
    let found = plugin.context(request).into_iter();
    let found: Vec<_> = found.map(|found| Expectation::Snippet(found.path, found.text)).collect();
    if found.is_empty() { vec![Expectation::NoSnippets] } else { found }
}

fn prompt_text(prompt: &Prompt) -> String {
    let text = |content: &Content| match content {
        Content::Text(text) => text.clone(),
        Content::Special(name) => name.to_string(),
    };
    prompt.parts.iter().map(|part| text(&part.content)).collect()
}

fn difference(expected: &str, found: &str) -> String {
    let diff = TextDiff::from_lines(expected, found);
    diff.unified_diff().context_radius(3).header("expected", "found").to_string()
}

/// Writes a file of the case; a path that leads out of its folder is refused.
fn write(root: &Path, path: &str, text: &str) -> Result<()> {
    let inside = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    ensure!(inside, "{path:?} is no path in a workspace");
    let full = root.join(path);
    let failed = || format!("cannot write {}", full.display());
    std::fs::create_dir_all(full.parent().unwrap_or(root)).with_context(failed)?;
    std::fs::write(&full, text).with_context(failed)
}

#[cfg(test)]
mod tests;
