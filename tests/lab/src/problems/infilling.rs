//! HumanEval single-line infilling (Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle"):
//! one line of a solution is taken out and written again; it counts when the problem's tests pass.
//!
//! The editor's view is evaluated, not a bare model: the line is empty, the cursor stands at its beginning (or, half-typed,
//! inside it), and the answer goes through the same strategy, stops and trimming as a keystroke.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use foretype::evaluate::OrderArg;
use foretype::evaluate::items::{EvaluationItem, ItemScores, surrounding_lines};
use foretype_plugins::holes::split;
use foretype_plugins::tasks::fill::Fill;
use foretype_plugins::{PromptStrategy, Trigger};

use super::sandbox::Sandbox;
use super::{ProblemContext, ProblemSetArgs};

const TRUNCATION_RULE: &str = "truncation: the first line of what an editor would show, without white space at its end";

/// Tokens that a line may have.
const MAX_LINE_TOKENS: usize = 64;

/// Arguments of `foretype evaluate humaneval-infilling`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    set: ProblemSetArgs,
    /// Type the first part of each line; where it ends follows from the seed and the problem's name
    #[arg(long)]
    half_typed: bool,
    /// Orders of the prompt to compare
    #[arg(long, value_delimiter = ',', default_value = "anchored")]
    order: Vec<OrderArg>,
}

#[derive(Debug, serde::Deserialize)]
struct InfillingProblem {
    task_id: String,
    entry_point: String,
    prompt: String,
    suffix: String,
    canonical_solution: String,
    test: String,
}

/// Runs the evaluation and reports it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let strategy = Fill::shared();
    let run = InfillingEvaluation { args, strategy, sandbox: super::new_sandbox()? };
    let seed = args.set.seed;
    let kind = if args.half_typed { format!("half-typed lines, seed {seed}") } else { "whole lines".into() };
    let title = format!("HumanEval single-line infilling, {kind}");
    let ways: Vec<_> = args.order.iter().map(|order| (order.name(), *order)).collect();
    args.set.evaluate(&title, vec![TRUNCATION_RULE.into()], &ways, |asking, problem, order| run.item(asking, problem, order))
}

struct InfillingEvaluation<'a> {
    args: &'a Args,
    strategy: Arc<dyn PromptStrategy>,
    sandbox: Sandbox,
}

impl InfillingEvaluation<'_> {
    fn item(&self, asking: &ProblemContext, problem: &InfillingProblem, order: OrderArg) -> Result<EvaluationItem> {
        let wanted = problem.canonical_solution.trim_end_matches('\n');
        let half_typed = self.args.half_typed;
        let (typed, rest) =
            wanted.split_at(if half_typed { split(wanted, &problem.task_id, self.args.set.seed) } else { 0 });
        let text = format!("{}{typed}\n{}", problem.prompt, problem.suffix);
        let mut request = asking.request("solution.py", text, problem.prompt.len() + typed.len());
        request.trigger = Trigger::Invoked;
        request.multi_line = false;
        request.order = order.order();
        let (shown, milliseconds) = asking.complete(&self.strategy, request, MAX_LINE_TOKENS)?;
        let answer = shown.split('\n').next().unwrap_or_default().trim_end();
        let program = [&problem.prompt, typed, answer, "\n", &problem.suffix, &problem.test].concat();
        let passed = Some(self.sandbox.passes(&format!("{program}\ncheck({})\n", problem.entry_point))?);
        let (above, below) = surrounding_lines(&[&problem.prompt, typed].concat(), &["\n", &problem.suffix].concat());
        Ok(EvaluationItem {
            id: problem.task_id.clone(),
            kind: if half_typed { "rest" } else { "line" }.into(),
            language: "python".into(),
            above,
            below,
            expected: rest.into(),
            answer: answer.into(),
            // The answer's indentation counts: here it is the model's to write.
            scores: ItemScores { exact: answer == rest.trim_end(), passed, ..ItemScores::new(rest, answer, milliseconds) },
        })
    }
}
