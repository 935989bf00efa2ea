//! Fixtures of a plugin: `NAME.fixtures` next to `NAME.luau` describes the behavior of the plugin in small workspaces.
//!
//! Each case is written to a folder of its own, which is a real workspace with the same rules for readable files. The
//! actual results are written in the format of the expectations, so that both can be compared line by line.

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

use super::plugin_files::uses_search;
use super::workspace_plugins::{WorkspacePlugins, with_plugins};
use crate::config::Config;
use crate::request_builder;
use crate::workspace;
pub(crate) use parse::{Expectation, FixtureCase, parse};
use tokenizer::FixtureTokenizer;

/// Time limit of a call in milliseconds. Fixtures test results; `plugin check` tests speed.
const CALL_TIMEOUT_MS: u64 = 1000;
/// Time limit for indexing the symbols of a case.
const INDEX_TIMEOUT: Duration = Duration::from_secs(5);
/// Context length of the model that a case assumes.
const CONTEXT_TOKENS: usize = 2048;

/// Returns the path of the fixtures of a plugin file.
pub(crate) fn fixtures_path(plugin: &Path) -> PathBuf {
    plugin.with_extension("fixtures")
}

impl FixtureCase {
    /// Runs the case with a plugin file. Returns the difference between expected and actual results; `None` if they are
    /// equal.
    ///
    /// # Errors
    /// If the files of the case cannot be written, or the plugin fails.
    pub(crate) fn run(&self, plugin: &Path, source: &str) -> Result<Option<String>> {
        let folder = tempfile::tempdir().context("cannot create a folder for the case")?;
        for (path, text) in &self.files {
            write(folder.path(), path, text)?;
        }
        if !self.staged.is_empty() {
            self.stage(folder.path())?;
        }
        let config = self.config(&plugin.file_stem().unwrap_or_default().to_string_lossy())?;
        let index = tempfile::tempdir().context("cannot create a folder for the index of the case")?;
        let workspace = if uses_search(source) {
            WorkspacePlugins::with_index_in(index.path(), folder.path(), &config)?
        } else {
            WorkspacePlugins::new(Some(folder.path()), &config)
        };
        let name = plugin.file_stem().unwrap_or_default().to_string_lossy();
        let plugin = workspace.load(plugin, &name, source, &config.plugins).map_err(|fault| anyhow!("{fault}"))?;
        let request = self.request(folder.path(), &config)?;
        let actual = self.actual(&plugin, &request, &config)?;
        if let Some(fault) = plugin.last_fault() {
            return Err(anyhow!("{fault}"));
        }
        let expected = self.expected.iter().map(Expectation::to_string).collect::<String>();
        if expected == actual { Ok(None) } else { Ok(Some(difference(&expected, &actual))) }
    }

    /// Creates a repository on the branch `main` with the staged files of the case.
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
            let options = toml::from_str(&self.options).context("the options are not valid TOML")?;
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
        if !self.question.is_empty() {
            request.question = Some(self.question.as_str().into());
        }
        Ok(request)
    }

    /// Returns the actual results of the expected kinds, in the format of the expectations.
    fn actual(&self, plugin: &std::sync::Arc<Plugin>, request: &Request, config: &Config) -> Result<String> {
        let mut actual = Vec::new();
        let mut has_snippets = false;
        for expected in &self.expected {
            match expected {
                Expectation::Snippet(..) | Expectation::NoSnippets if has_snippets => {}
                Expectation::Snippet(..) | Expectation::NoSnippets => {
                    has_snippets = true;
                    actual.extend(snippets(plugin, request));
                }
                Expectation::Prompt(family, _) => {
                    actual.push(Expectation::Prompt(family.clone(), self.prompt(plugin, request, family, config)?));
                }
                Expectation::Kept | Expectation::Dropped | Expectation::Changed(_) => {
                    let written = self.writes.as_deref().context("the case has no section `writes`")?;
                    actual.push(match plugin.finish(request, written) {
                        Verdict::Keep => Expectation::Kept,
                        Verdict::Veto => Expectation::Dropped,
                        Verdict::Change(text) => Expectation::Changed(text),
                    });
                }
            }
        }
        Ok(actual.iter().map(Expectation::to_string).collect())
    }

    /// Returns the prompt with the plugin, for a model of a family or, without a family, for one that only writes from
    /// left to right.
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
        let strategy = with_plugins(fill, vec![plugin.clone()], config);
        let tokens = FixtureTokenizer::with_specials(format, &self.specials);
        let request = Request { format, tokenizer: Some(std::sync::Arc::new(tokens)), ..request.clone() };
        let snippets = strategy.context(&request)?;
        Ok(prompt_text(&strategy.prompt(&request, &snippets)?))
    }
}

fn snippets(plugin: &Plugin, request: &Request) -> Vec<Expectation> {
    let snippets = plugin.context(request).into_iter();
    let snippets: Vec<_> = snippets.map(|snippet| Expectation::Snippet(snippet.path, snippet.text)).collect();
    if snippets.is_empty() { vec![Expectation::NoSnippets] } else { snippets }
}

fn prompt_text(prompt: &Prompt) -> String {
    let text = |content: &Content| match content {
        Content::Text(text) => text.clone(),
        Content::Special(name) => name.to_string(),
    };
    prompt.parts.iter().map(|part| text(&part.content)).collect()
}

fn difference(expected: &str, actual: &str) -> String {
    let diff = TextDiff::from_lines(expected, actual);
    diff.unified_diff().context_radius(3).header("expected", "found").to_string()
}

/// Writes a file of the case.
///
/// # Errors
/// If the path leads out of the folder `root`, or the file cannot be written.
fn write(root: &Path, path: &str, text: &str) -> Result<()> {
    let inside = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    ensure!(inside, "{path:?} is not a path inside the workspace");
    let full = root.join(path);
    let failed = || format!("cannot write {}", full.display());
    std::fs::create_dir_all(full.parent().unwrap_or(root)).with_context(failed)?;
    std::fs::write(&full, text).with_context(failed)
}

#[cfg(test)]
mod tests;
