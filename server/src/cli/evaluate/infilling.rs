//! HumanEval single-line infilling (Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle"):
//! one line of a solution is taken out and written again; it counts when the problem's tests pass.
//!
//! The editor's view is evaluated, not a bare model: the line is empty, the cursor stands at its beginning (or, half-typed,
//! inside it), and the answer goes through the same strategy, stops and trimming as a keystroke.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use foretype_model::Engine;
use foretype_plugins::holes::split;
use foretype_plugins::{PromptStrategy, Trigger, registry};
use indicatif::ProgressBar;

use super::items::{Item, Report, Scores, System, around};
use super::output::Output;
use super::sandbox::Sandbox;
use super::{Asked, OrderName, problems};
use crate::completion;

const RULE: &str = "truncation: the first line of what an editor would show, without white space at its end";

/// Arguments of `foretype evaluate humaneval-infilling`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The data: HumanEval-SingleLineInfilling.jsonl.gz from the repository human-eval-infilling, or unpacked
    #[arg(long)]
    data: PathBuf,
    /// Take every Nth problem
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Type the first part of each line; where it ends follows from the seed and the problem's name
    #[arg(long)]
    half_typed: bool,
    /// Seed of the split and of the intervals
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Orders of the prompt to compare
    #[arg(long, value_delimiter = ',', default_value = "anchored")]
    order: Vec<OrderName>,
    /// The model: a name that `model list` shows or a path
    #[arg(long)]
    model: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, serde::Deserialize)]
struct Problem {
    task_id: String,
    entry_point: String,
    prompt: String,
    suffix: String,
    canonical_solution: String,
    test: String,
}

/// Runs the evaluation and reports it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    args.output.check()?;
    let problems: Vec<Problem> = problems::read(&args.data, args.every as usize)?;
    let asked = Asked::load(args.model.as_deref(), None)?;
    let strategy = registry::strategy("fill").context("the fill strategy is missing")?;
    let sandbox = Sandbox::new()?;
    problems::warn(&sandbox);
    let mut systems = Vec::new();
    for &order in &args.order {
        let run = Run { engine: asked.engine(), strategy: &strategy, asked: &asked, sandbox: &sandbox, args, order };
        systems.push(System { name: order.name().into(), items: run.items(&problems)? });
    }
    let kind = if args.half_typed { format!("half-typed lines, seed {}", args.seed) } else { "whole lines".into() };
    let taken = problems::taken(args.every as usize, problems.len());
    let title = format!("HumanEval single-line infilling, {kind}, {taken}, greedy");
    args.output.deliver(&Report::new(title, asked.name(), vec![RULE.into()], args.seed, systems))?;
    Ok(ExitCode::SUCCESS)
}

struct Run<'a> {
    engine: Engine,
    strategy: &'a Arc<dyn PromptStrategy>,
    asked: &'a Asked,
    sandbox: &'a Sandbox,
    args: &'a Args,
    order: OrderName,
}

impl Run<'_> {
    fn items(&self, problems: &[Problem]) -> Result<Vec<Item>> {
        let bar = ProgressBar::new(problems.len() as u64).with_message(self.order.name());
        let items = problems.iter().map(|problem| {
            bar.inc(1);
            self.item(problem)
        });
        let items = items.collect();
        bar.finish_and_clear();
        items
    }

    fn item(&self, problem: &Problem) -> Result<Item> {
        let wanted = problem.canonical_solution.trim_end_matches('\n');
        let half_typed = self.args.half_typed;
        let (typed, rest) =
            wanted.split_at(if half_typed { split(wanted, &problem.task_id, self.args.seed) } else { 0 });
        let text = format!("{}{typed}\n{}", problem.prompt, problem.suffix);
        let cursor = problem.prompt.len() + typed.len();
        let document = completion::document("solution.py".into(), text);
        let mut request = completion::request(document, cursor, &self.asked.model, &self.asked.config);
        request.trigger = Trigger::Invoked;
        request.multi_line = false;
        request.order = self.order.order();
        let outcome = completion::complete(&self.engine, self.strategy, Arc::new(request), 1, 64, Vec::new())?;
        let shown = outcome.suggestions.first().map_or("", |suggestion| suggestion.text.as_str());
        let answer = shown.split('\n').next().unwrap_or_default().trim_end();
        let program = [&problem.prompt, typed, answer, "\n", &problem.suffix, &problem.test].concat();
        let program = format!("{program}\ncheck({})\n", problem.entry_point);
        let passed = Some(self.sandbox.passes(&program)?);
        let (above, below) = around(&[&problem.prompt, typed].concat(), &["\n", &problem.suffix].concat());
        let milliseconds = outcome.total.as_secs_f64() * 1000.0;
        Ok(Item {
            id: problem.task_id.clone(),
            kind: if half_typed { "rest" } else { "line" }.into(),
            language: "python".into(),
            above,
            below,
            expected: rest.into(),
            answer: answer.into(),
            // The answer's indentation counts: here it is the model's to write.
            scores: Scores { exact: answer == rest.trim_end(), passed, ..Scores::new(rest, answer, milliseconds) },
        })
    }
}
