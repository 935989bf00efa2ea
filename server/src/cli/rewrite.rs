//! Common parts of `translate`, `edit` and `generate`: the file, the model, and the output of changes.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foretype_model::{Engine, Model, Usage};
use foretype_plugins::Document;
use foretype_plugins::context::secrets;
use foretype_plugins::docstring::Edit;
use foretype_plugins::request::TaskKind;
use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::config::Config;
use crate::plugins::{CodePlugins, PluginRegistry, WorkspacePlugins};
use crate::rewrite::{self, CodeWriter};
use crate::source_text::SourceText;
use crate::{ask, models, request_builder};

/// Options of the commands that change a file.
#[derive(Debug, clap::Args)]
pub(super) struct RewriteOptions {
    /// Use this model: a name from `foretype model list` or a path
    #[arg(long)]
    pub(super) model: Option<String>,
    /// Write the change to the file instead of printing a diff
    #[arg(long, conflicts_with = "json")]
    write: bool,
    /// Ask for confirmation of each hunk, and write the confirmed ones to the file
    #[arg(long, conflicts_with_all = ["json", "write"])]
    choose: bool,
    /// Print the hunks of the change, or the code, as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Reads a file to show to a model, and parses it. Its text must be UTF-8, because it may be written back.
pub(super) fn read(path: &Path) -> Result<(SourceText, Document)> {
    let name = path.to_string_lossy();
    ensure!(!secrets::is_secret_path(&name), "{name} usually contains secrets, so it is not shown to a model");
    let source = super::source_file::read_source(path)?;
    let document = request_builder::parse_document(name.into_owned(), source.lines.clone());
    Ok((source, document))
}

/// Loaded model, with the configuration and the plugins for a file.
pub(super) struct RewriteSession {
    engine: Engine,
    config: Config,
    root: PathBuf,
    plugins: Arc<WorkspacePlugins>,
    bar: ProgressBar,
}

impl RewriteSession {
    /// Loads the model.
    pub(super) fn open(path: &Path, model: Option<&str>) -> Result<Self> {
        let root = super::source_file::workspace_root(path)?;
        let mut config = Config::load(Some(&root))?;
        let plugins = PluginRegistry::default().for_workspace(Some(&root), &config);
        config.model = model.map(str::to_owned).or(config.model);
        let model = models::load::load_model(&models::resolve(config.model.as_deref())?, &config)?;
        rewrite::ensure_follows_instructions(&model)?;
        if let Some(warning) = ask::model_warning(&model, None) {
            eprintln!("foretype: {warning}");
        }
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {prefix}{wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Ok(Self { engine: models::load::start_engine(model, &config), config, root, plugins, bar })
    }

    /// Prints another warning about the model, if there is one.
    pub(super) fn print_warning(&self, warning: impl Fn(&Model) -> Option<String>) {
        if let Some(warning) = warning(self.engine.model()) {
            eprintln!("foretype: {warning}");
        }
    }

    /// Runs the model, and shows the current line of its answer meanwhile.
    pub(super) fn run<T>(&self, work: impl FnOnce(&mut CodeWriter<'_>) -> Result<T>) -> Result<(T, Usage)> {
        let show = |text: &str| {
            self.bar.tick();
            if let Some(line) = text.lines().last().filter(|line| !line.trim().is_empty()) {
                self.bar.set_message(line.trim().to_owned());
            }
        };
        let mut writer = CodeWriter {
            engine: &self.engine,
            config: &self.config,
            is_wanted: &|| true,
            on_text: &show,
            usage: Usage::default(),
            plugins: CodePlugins::default(),
        };
        let done = work(&mut writer);
        self.bar.finish_and_clear();
        super::complete::print_plugin_notices(&self.plugins, false);
        Ok((done?, writer.usage))
    }

    /// Calls the plugins for a task at a byte offset of a document.
    pub(super) fn plugin_answers(
        &self,
        task: TaskKind,
        document: &Document,
        at: usize,
        question: Option<&str>,
    ) -> CodePlugins {
        let path = std::path::absolute(&document.path).unwrap_or_else(|_| document.path.clone().into());
        let path = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let document = Document { path, ..document.clone() };
        self.plugins.for_task(task, document, at, &self.config).with_question(question, None).into()
    }

    /// Shows the index of the current piece and the number of pieces.
    pub(super) fn show_piece(&self, number: usize, of: usize) {
        if of > 1 {
            self.bar.set_prefix(format!("{}/{of} ", number + 1));
        }
    }
}

impl RewriteOptions {
    /// Returns true if the file is to be changed.
    pub(super) fn changes_file(&self) -> bool {
        self.write || self.choose
    }

    /// Prints a change, or writes it to the file.
    pub(super) fn deliver(&self, path: &Path, source: &SourceText, edit: &Edit, usage: &Usage) -> Result<ExitCode> {
        let text = &*source.original;
        let mut hunks: Vec<_> =
            rewrite::hunks(&source.lines, edit).iter().map(|hunk| source.original_edit(hunk)).collect();
        if self.json {
            super::output::print_json(&hunks_json(text, &hunks, usage))?;
            return Ok(ExitCode::SUCCESS);
        }
        if hunks.is_empty() {
            eprintln!("foretype: the model changed nothing");
            return Ok(ExitCode::SUCCESS);
        }
        if self.choose {
            ensure!(
                std::io::stdin().is_terminal(),
                "--choose needs a terminal: use --write, or apply the diff yourself"
            );
            hunks = choose_hunks(path, text, hunks, &mut std::io::stdin().lock(), &mut std::io::stdout())?;
        }
        let after = rewrite::apply_edits(text, &hunks);
        if self.write || self.choose && !hunks.is_empty() {
            output::replace_file(path, text, &after)?;
            eprintln!("foretype: {} changed", path.display());
        } else if !self.choose {
            print!("{}", output::unified_diff(path, text, &after));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the hunks that the user confirms: `y` or `n` for one, `a` for all that are left, `q` for none of them.
fn choose_hunks(
    path: &Path,
    text: &str,
    hunks: Vec<Edit>,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<Vec<Edit>> {
    let count = hunks.len();
    let mut confirmed = Vec::new();
    let mut rest = None;
    for (number, hunk) in hunks.into_iter().enumerate() {
        let answer = match rest {
            Some(answer) => answer,
            None => {
                write!(out, "{}", output::unified_diff(path, text, &hunk.apply(text)))?;
                write!(out, "Apply this hunk ({} of {count})? [y]es, [n]o, [a]ll, [q]uit: ", number + 1)?;
                out.flush()?;
                let mut line = String::new();
                let none = input.read_line(&mut line)? == 0;
                if none { 'q' } else { line.trim().chars().next().unwrap_or('n').to_ascii_lowercase() }
            }
        };
        if matches!(answer, 'a' | 'q') {
            rest = Some(answer);
        }
        if matches!(answer, 'y' | 'a') {
            confirmed.push(hunk);
        }
    }
    Ok(confirmed)
}

fn hunks_json(text: &str, hunks: &[Edit], usage: &Usage) -> serde_json::Value {
    let line = |at: usize| 1 + text[..at].matches('\n').count();
    let hunk = |edit: &Edit| {
        serde_json::json!({
            "line": line(edit.range.start),
            "range": [edit.range.start, edit.range.end],
            "old": text[edit.range.clone()],
            "new": edit.text,
        })
    };
    let hunks: Vec<_> = hunks.iter().map(hunk).collect();
    serde_json::json!({ "hunks": hunks, "usage": usage })
}

/// Writes a text to a file, which must not exist unless `force` is set.
pub(super) fn write_new_file(path: &PathBuf, text: &str, force: bool) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    if force {
        return std::fs::write(path, text).with_context(failed);
    }
    let mut file = match std::fs::File::create_new(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => anyhow::bail!(already_exists(path)),
        file => file.with_context(failed)?,
    };
    file.write_all(text.as_bytes()).with_context(failed)
}

/// Returns the message for a file that is not overwritten.
pub(super) fn already_exists(path: &Path) -> String {
    format!("{} already exists: name another file, or use --force", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmed(answers: &str) -> String {
        let (text, edit) = ("a\nb\nc\nd\ne\n", Edit { range: 0..10, text: "A\nb\nC\nd\nE\n".into() });
        let hunks = rewrite::hunks(text, &edit);
        let mut out = Vec::new();
        let confirmed =
            choose_hunks(Path::new("f"), text, hunks, &mut answers.as_bytes(), &mut out).expect("it can be read");
        rewrite::apply_edits(text, &confirmed)
    }

    #[test]
    fn only_confirmed_hunks_are_applied() {
        assert_eq!(confirmed("y\nn\ny\n"), "A\nb\nc\nd\nE\n");
        assert_eq!(confirmed("n\na\n"), "a\nb\nC\nd\nE\n");
        assert_eq!(confirmed("y\nq\n"), "A\nb\nc\nd\ne\n");
        assert_eq!(confirmed(""), "a\nb\nc\nd\ne\n");
    }
}
