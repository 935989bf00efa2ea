//! Sets of problems: files with one JSON object a line, packed or not, and the loop that goes through them.

pub(crate) mod docstring;
pub(crate) mod humaneval;
pub(crate) mod infilling;
mod continuation;
mod sandbox;
pub(crate) mod translate;
pub(crate) mod methods;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foretype::completion;
use foretype::request_builder;
use foretype::config::{Config, InlineConfig};
use foretype::evaluate::items::{EvaluationItem, EvaluationReport, EvaluatedSystem};
use foretype::evaluate::output::OutputArgs;
use foretype::evaluate::{EvaluatedModel, ModelArgs};
use foretype::rewrite::CodeWriter;
use foretype_model::Engine;
use foretype_plugins::{PromptStrategy, Request};
use indicatif::ProgressBar;
use serde::de::DeserializeOwned;

use sandbox::Sandbox;

/// Options that all sets of problems have.
#[derive(Debug, clap::Args)]
pub(super) struct ProblemSetArgs {
    /// The set's file, packed with gzip or not; docs/evaluation.md says where to find it
    #[arg(long)]
    data: PathBuf,
    /// Take every Nth problem
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Seed of all chance and of the intervals
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) which: ModelArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A model that problems are put to.
pub(super) struct ProblemContext<'a> {
    model: &'a EvaluatedModel,
    pub(super) engine: Engine,
}

impl ProblemSetArgs {
    /// Puts each problem to the model in each of some ways, and reports what came of it. `rules` say how answers are cut off.
    pub(super) fn evaluate<P: DeserializeOwned, W: Copy>(
        &self,
        title: &str,
        rules: Vec<String>,
        ways: &[(&str, W)],
        item: impl Fn(&ProblemContext, &P, W) -> Result<EvaluationItem>,
    ) -> Result<ExitCode> {
        self.output.check_paths()?;
        let problems: Vec<P> = read_problems(&self.data, self.every as usize)?;
        let asked = EvaluatedModel::load(&self.which, None)?;
        let mut systems = Vec::new();
        for (name, way) in ways {
            // What one way left in the cache must not spare another one time.
            let asking = ProblemContext { model: &asked, engine: asked.engine() };
            let bar = ProgressBar::new(problems.len() as u64).with_message((*name).to_owned());
            let items = bar.wrap_iter(problems.iter()).map(|problem| item(&asking, problem, *way));
            systems.push(EvaluatedSystem { name: (*name).to_owned(), items: items.collect::<Result<_>>()? });
            bar.finish_and_clear();
        }
        let title = format!("{title}, {}, greedy", describe_selection(self.every as usize, problems.len()));
        self.output.deliver(&EvaluationReport::new(title, asked.name(), rules, self.seed, systems))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ProblemContext<'_> {
    pub(super) fn config(&self) -> &Config {
        &self.model.config
    }

    /// A request with the cursor in a file of this name, with nothing known beyond it.
    pub(super) fn request(&self, file: &str, text: String, cursor: usize) -> Request {
        request_builder::request_for_model(request_builder::parse_document(file.into(), text), cursor, &self.model.model, &self.model.config)
    }

    /// The code that `foretype translate`, `edit` or `generate` would get for a question, and the milliseconds that it took. `None`
    /// where the question does not fit.
    pub(super) fn run_writer(&self, work: impl FnOnce(&mut CodeWriter<'_>) -> Result<String>) -> (Option<String>, f64) {
        let started = std::time::Instant::now();
        let (goes_on, show) = (|| true, |_: &str| {});
        let (engine, config) = (&self.engine, &self.model.config);
        let usage = foretype_model::Usage::default();
        let plugins = foretype::plugins::Heard::default();
        let code = work(&mut CodeWriter { engine, config, is_wanted: &goes_on, on_text: &show, usage, plugins });
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        (code.inspect_err(|why| eprintln!("note: {why:#}")).ok(), milliseconds)
    }

    /// What the model writes there, at most so many tokens, and the milliseconds that it took; an empty text for nothing.
    pub(super) fn complete(
        &self,
        strategy: &Arc<dyn PromptStrategy>,
        request: Request,
        longest: usize,
    ) -> Result<(String, f64)> {
        // Solutions of problems may be longer than suggestions.
        let inline = InlineConfig { max_tokens: longest, max_lines: usize::MAX, ..self.model.config.inline.clone() };
        let outcome = completion::complete(&self.engine, strategy, Arc::new(request), 1, &inline, Vec::new())?;
        let text = outcome.suggestions.into_iter().next().map_or_else(String::new, |suggestion| suggestion.text);
        Ok((text, outcome.total.as_secs_f64() * 1000.0))
    }
}

/// Reads every `every`th problem of a file.
fn read_problems<T: DeserializeOwned>(path: &Path, every: usize) -> Result<Vec<T>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn std::io::Read> =
        if packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let lines = BufReader::new(reader).lines().enumerate().step_by(every.max(1));
    let problems: Vec<T> = lines
        .map(|(number, line)| {
            serde_json::from_str(&line?).with_context(|| format!("{} line {}", path.display(), number + 1))
        })
        .collect::<Result<_>>()?;
    ensure!(!problems.is_empty(), "{} holds no problems", path.display());
    Ok(problems)
}

/// How many problems were taken, for the notes of a report.
fn describe_selection(every: usize, count: usize) -> String {
    match every {
        1 => format!("all {count} problems"),
        every => format!("one of every {every} problems, {count} of them"),
    }
}

/// Where tests are run; says so where they can reach the network.
pub(super) fn new_sandbox() -> Result<Sandbox> {
    let sandbox = Sandbox::new()?;
    if !sandbox.has_no_network() {
        eprintln!("note: the network cannot be taken away from the tests here; they run with it");
    }
    Ok(sandbox)
}
