//! What `translate`, `edit` and `generate` have in common: a file, a model, and how changes of the file are shown and made.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foretype_model::{Engine, Model, Usage};
use foretype_plugins::Document;
use foretype_plugins::context::secrets;
use foretype_plugins::docstring::Edit;
use foretype_plugins::request::Task;
use indicatif::{ProgressBar, ProgressStyle};

use super::docstring::output;
use crate::config::Config;
use crate::plugins::{Heard, Open, Plugins};
use crate::rewrite::{self, Writer};
use crate::{ask, completion, models};

/// Options of both commands that change a file.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The model: a name that `model list` shows or a path
    #[arg(long)]
    pub(super) model: Option<String>,
    /// Change the file; unset, the change is shown as a diff
    #[arg(long, conflicts_with = "json")]
    write: bool,
    /// Ask for each piece of the change whether to make it
    #[arg(long, conflicts_with_all = ["json", "write"])]
    choose: bool,
    /// As JSON: the pieces of the change, or the code
    #[arg(long)]
    pub(super) json: bool,
}

/// Reads a file that is shown to a model. Its text must be UTF-8, because it may be written back.
pub(super) fn read(path: &Path) -> Result<Document> {
    let name = path.to_string_lossy();
    ensure!(!secrets::in_path(&name), "{name} usually holds secrets: it is not shown to a model");
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8(bytes).ok().with_context(|| format!("{} is no UTF-8 text", path.display()))?;
    Ok(completion::document(name.into_owned(), text))
}

/// A model that writes for a file.
pub(super) struct Bench {
    engine: Engine,
    config: Config,
    root: PathBuf,
    plugins: Arc<Plugins>,
    bar: ProgressBar,
}

impl Bench {
    /// Loads the model.
    pub(super) fn open(path: &Path, model: Option<&str>) -> Result<Self> {
        let root = super::complete::root_of(path)?;
        let mut config = Config::load(Some(&root))?;
        let plugins = Open::default().of(Some(&root), &config);
        config.model = model.map(str::to_owned).or(config.model);
        let model = completion::load(&models::resolve(config.model.as_deref())?, &config)?;
        rewrite::ready(&model)?;
        ask::doubts(&model, None).into_iter().for_each(|doubt| eprintln!("foretype: {doubt}"));
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {prefix}{wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Ok(Self { engine: completion::start(model, &config), config, root, plugins, bar })
    }

    /// Says what else the user ought to know of the model.
    pub(super) fn doubt(&self, doubt: impl Fn(&Model) -> Option<String>) {
        doubt(self.engine.model()).into_iter().for_each(|doubt| eprintln!("foretype: {doubt}"));
    }

    /// Lets the model write; the line that it is at is shown meanwhile.
    pub(super) fn work<T>(&self, work: impl FnOnce(&mut Writer<'_>) -> Result<T>) -> Result<(T, Usage)> {
        let show = |text: &str| {
            self.bar.tick();
            if let Some(line) = text.lines().last().filter(|line| !line.trim().is_empty()) {
                self.bar.set_message(line.trim().to_owned());
            }
        };
        let mut writer = Writer {
            engine: &self.engine,
            config: &self.config,
            goes_on: &|| true,
            show: &show,
            usage: Usage::default(),
            plugins: Heard::default(),
        };
        let done = work(&mut writer);
        self.bar.finish_and_clear();
        super::complete::tell(&self.plugins, false);
        Ok((done?, writer.usage))
    }

    /// What plugins have to say of a task at a byte of a document.
    pub(super) fn heard(&self, task: Task, document: &Document, at: usize, question: Option<&str>) -> Heard {
        let path = std::path::absolute(&document.path).unwrap_or_else(|_| document.path.clone().into());
        let path = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let document = Document { path, ..document.clone() };
        self.plugins.asked(task, document, at, &self.config).about(question, None).into()
    }

    /// Says which piece of how many is being written.
    pub(super) fn piece(&self, number: usize, of: usize) {
        if of > 1 {
            self.bar.set_prefix(format!("{}/{of} ", number + 1));
        }
    }
}

impl Options {
    /// Whether the file is to be changed.
    pub(super) fn changes(&self) -> bool {
        self.write || self.choose
    }

    /// Shows a change, or makes it.
    pub(super) fn deliver(&self, path: &Path, text: &str, edit: &Edit, usage: &Usage) -> Result<ExitCode> {
        let mut hunks = rewrite::hunks(text, edit);
        if self.json {
            super::print_json(&report(text, &hunks, usage))?;
            return Ok(ExitCode::SUCCESS);
        }
        if hunks.is_empty() {
            eprintln!("foretype: the model changed nothing");
            return Ok(ExitCode::SUCCESS);
        }
        if self.choose {
            ensure!(std::io::stdin().is_terminal(), "--choose asks on a terminal: say --write, or take the diff");
            hunks = chosen(path, text, hunks, &mut std::io::stdin().lock(), &mut std::io::stdout())?;
        }
        let after = rewrite::applied(text, &hunks);
        if self.write || self.choose && !hunks.is_empty() {
            output::write(path, text, &after)?;
            eprintln!("foretype: {} changed", path.display());
        } else if !self.choose {
            print!("{}", output::diff(path, text, &after));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The hunks that somebody says yes to: `y` or `n` to each, `a` to all that are left, `q` to none of them.
fn chosen(
    path: &Path,
    text: &str,
    hunks: Vec<Edit>,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<Vec<Edit>> {
    let count = hunks.len();
    let mut taken = Vec::new();
    let mut rest = None;
    for (number, hunk) in hunks.into_iter().enumerate() {
        let answer = match rest {
            Some(answer) => answer,
            None => {
                write!(out, "{}", output::diff(path, text, &hunk.apply(text)))?;
                write!(out, "Make this change ({} of {count})? [y]es, [n]o, [a]ll, [q]uit: ", number + 1)?;
                out.flush()?;
                let mut line = String::new();
                let none = input.read_line(&mut line)? == 0;
                if none { 'q' } else { line.trim().chars().next().unwrap_or('n').to_ascii_lowercase() }
            }
        };
        rest = matches!(answer, 'a' | 'q').then_some(answer);
        if matches!(answer, 'y' | 'a') {
            taken.push(hunk);
        }
    }
    Ok(taken)
}

fn report(text: &str, hunks: &[Edit], usage: &Usage) -> serde_json::Value {
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

/// Puts a text into a file that is not there, or is to be replaced.
pub(super) fn save(path: &PathBuf, text: &str, force: bool) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    if force {
        return std::fs::write(path, text).with_context(failed);
    }
    let mut file = match std::fs::File::create_new(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => anyhow::bail!(exists(path)),
        file => file.with_context(failed)?,
    };
    file.write_all(text.as_bytes()).with_context(failed)
}

/// What is said of a file that is not written over.
pub(super) fn exists(path: &Path) -> String {
    format!("{} is there already: name another file, or say --force", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(answers: &str) -> String {
        let (text, edit) = ("a\nb\nc\nd\ne\n", Edit { range: 0..10, text: "A\nb\nC\nd\nE\n".into() });
        let hunks = rewrite::hunks(text, &edit);
        let mut out = Vec::new();
        let taken = chosen(Path::new("f"), text, hunks, &mut answers.as_bytes(), &mut out).expect("it can be read");
        rewrite::applied(text, &taken)
    }

    #[test]
    fn each_piece_is_made_or_left_as_somebody_says() {
        assert_eq!(taken("y\nn\ny\n"), "A\nb\nc\nd\nE\n");
        assert_eq!(taken("n\na\n"), "a\nb\nC\nd\nE\n");
        assert_eq!(taken("y\nq\n"), "A\nb\nc\nd\ne\n");
        assert_eq!(taken(""), "a\nb\nc\nd\ne\n");
    }
}
