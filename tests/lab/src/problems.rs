//! Public problem sets: files with one JSON object per line, compressed or not, and the loop that evaluates a model on
//! them.

mod continuation;
pub(crate) mod docstring;
pub(crate) mod humaneval;
pub(crate) mod infilling;
pub(crate) mod methods;
mod sandbox;
pub(crate) mod translate;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foretype::completion;
use foretype::config::Config;
use foretype::evaluate::items::{EvaluatedSystem, EvaluationItem, EvaluationReport};
use foretype::evaluate::output::OutputArgs;
use foretype::evaluate::{EvaluatedModel, ModelArgs};
use foretype::request_builder;
use foretype::rewrite::CodeWriter;
use foretype_model::Engine;
use foretype_plugins::{PromptStrategy, Request};
use indicatif::ProgressBar;
use sandbox::Sandbox;
use serde::de::DeserializeOwned;

/// Options of all problem sets.
#[derive(Debug, clap::Args)]
pub(super) struct ProblemSetArgs {
    /// File of the set, compressed with gzip or not; docs/guides/evaluate.md says where to find it
    #[arg(long)]
    data: PathBuf,
    /// Take every Nth problem
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Seed of random choices and of the confidence intervals
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) which: ModelArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A model and an engine that solves problems with it.
pub(super) struct ProblemContext<'a> {
    model: &'a EvaluatedModel,
    pub(super) engine: Engine,
}

impl ProblemSetArgs {
    /// Solves each problem with each method and reports the items. `rules` tell how answers are truncated.
    pub(super) fn evaluate<P: DeserializeOwned, M: Copy>(
        &self,
        title: &str,
        rules: Vec<String>,
        methods: &[(&str, M)],
        solve: impl Fn(&ProblemContext, &P, M) -> Result<EvaluationItem>,
    ) -> Result<ExitCode> {
        self.output.check_paths()?;
        let problems: Vec<P> = read_problems(&self.data, self.every as usize)?;
        let model = EvaluatedModel::load(&self.which, None)?;
        let mut systems = Vec::new();
        for (name, method) in methods {
            // Each method starts with an empty KV cache, so that none saves another one time.
            let context = ProblemContext { model: &model, engine: model.engine() };
            let bar = ProgressBar::new(problems.len() as u64).with_message((*name).to_owned());
            let items = bar.wrap_iter(problems.iter()).map(|problem| solve(&context, problem, *method));
            systems.push(EvaluatedSystem { name: (*name).to_owned(), items: items.collect::<Result<_>>()? });
            bar.finish_and_clear();
        }
        let title = format!("{title}, {}, greedy", describe_selection(self.every as usize, problems.len()));
        self.output.deliver(&EvaluationReport::new(title, model.name(), rules, self.seed, systems))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ProblemContext<'_> {
    /// Configuration of the model.
    pub(super) fn config(&self) -> &Config {
        &self.model.config
    }

    /// Request at a byte offset of a file, without context from other files.
    pub(super) fn request(&self, file: &str, text: String, cursor: usize) -> Request {
        let document = request_builder::parse_document(file.into(), text);
        request_builder::request_for_model(document, cursor, &self.model.model, &self.model.config)
    }

    /// Runs the writer of `foretype translate`, `edit` and `generate`. Returns the code and the milliseconds, and
    /// `None` instead of code if the question does not fit.
    pub(super) fn run_writer(&self, work: impl FnOnce(&mut CodeWriter<'_>) -> Result<String>) -> (Option<String>, f64) {
        let started = std::time::Instant::now();
        let (is_wanted, on_text) = (|| true, |_: &str| {});
        let (engine, config) = (&self.engine, &self.model.config);
        let usage = foretype_model::Usage::default();
        let plugins = foretype::plugins::CodePlugins::default();
        let code = work(&mut CodeWriter { engine, config, is_wanted: &is_wanted, on_text: &on_text, usage, plugins });
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        (code.inspect_err(|error| eprintln!("note: {error:#}")).ok(), milliseconds)
    }

    /// Completes at the cursor with at most `max_tokens`. Returns the text, which is empty if there is no suggestion,
    /// and the milliseconds.
    pub(super) fn complete(
        &self,
        strategy: &Arc<dyn PromptStrategy>,
        request: Request,
        max_tokens: usize,
    ) -> Result<(String, f64)> {
        // Solutions of problems may be longer than suggestions.
        let mut inline = self.model.config.inline.clone();
        (inline.max_tokens, inline.max_lines) = (max_tokens, usize::MAX);
        let outcome = completion::complete(&self.engine, strategy, Arc::new(request), 1, &inline, Vec::new())?;
        let text = outcome.suggestions.into_iter().next().map_or_else(String::new, |suggestion| suggestion.text);
        Ok((text, outcome.total.as_secs_f64() * 1000.0))
    }
}

/// Reads every Nth problem of a file.
fn read_problems<T: DeserializeOwned>(path: &Path, every: usize) -> Result<Vec<T>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn std::io::Read> =
        if is_compressed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let lines = BufReader::new(reader).lines().enumerate().step_by(every.max(1));
    let problems: Vec<T> = lines
        .map(|(number, line)| {
            serde_json::from_str(&line?).with_context(|| format!("{} line {}", path.display(), number + 1))
        })
        .collect::<Result<_>>()?;
    ensure!(!problems.is_empty(), "{} has no problems", path.display());
    Ok(problems)
}

/// Number of problems, for the title of a report.
fn describe_selection(every: usize, count: usize) -> String {
    match every {
        1 => format!("all {count} problems"),
        every => format!("one of every {every} problems, {count} of them"),
    }
}

/// Sandbox for the tests of the problems. Prints a note if they can reach the network there.
fn new_sandbox() -> Result<Sandbox> {
    let sandbox = Sandbox::new()?;
    if !sandbox.is_offline() {
        eprintln!("note: the tests run with network access, which cannot be removed on this system");
    }
    Ok(sandbox)
}
