//! HumanEval single-line infilling (Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the
//! Middle"): one line of a solution is removed and completed; it is correct if the problem's tests pass.
//!
//! This evaluates what an editor shows, not the model alone: the line is empty, the cursor is at its start (or, with
//! half-typed lines, inside it), and a completion uses the same strategy, stop conditions and trimming as a key press.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use foretype::evaluate::OrderArg;
use foretype::evaluate::items::{EvaluationItem, ItemScores, surrounding_lines};
use foretype_plugins::holes::cursor_in_line;
use foretype_plugins::tasks::fill::Fill;
use foretype_plugins::{PromptStrategy, Trigger};

use super::sandbox::Sandbox;
use super::{ProblemContext, ProblemSetArgs};

const TRUNCATION_RULE: &str =
    "truncation: the first line of the text that an editor would show, without white space at its end";

/// Token limit of a line.
const MAX_LINE_TOKENS: usize = 64;

/// Arguments of `foretype-lab humaneval-infilling`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    set: ProblemSetArgs,
    /// Put the cursor inside each line, at a column that depends on the seed and the problem's name
    #[arg(long)]
    half_typed: bool,
    /// Prompt orders to compare
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
///
/// # Errors
/// If the set or the model cannot be read.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let evaluation = InfillingEvaluation { args, strategy: Fill::shared(), sandbox: super::new_sandbox()? };
    let seed = args.set.seed;
    let kind = if args.half_typed { format!("half-typed lines, seed {seed}") } else { "whole lines".into() };
    let title = format!("HumanEval single-line infilling, {kind}");
    let methods: Vec<_> = args.order.iter().map(|order| (order.name(), *order)).collect();
    args.set.evaluate(&title, vec![TRUNCATION_RULE.into()], &methods, |context, problem, order| {
        evaluation.solve(context, problem, order)
    })
}

struct InfillingEvaluation<'a> {
    args: &'a Args,
    strategy: Arc<dyn PromptStrategy>,
    sandbox: Sandbox,
}

impl InfillingEvaluation<'_> {
    fn solve(&self, context: &ProblemContext, problem: &InfillingProblem, order: OrderArg) -> Result<EvaluationItem> {
        let line = problem.canonical_solution.trim_end_matches('\n');
        let half_typed = self.args.half_typed;
        let cursor = if half_typed { cursor_in_line(line, &problem.task_id, self.args.set.seed) } else { 0 };
        let (typed, expected) = line.split_at(cursor);
        let text = format!("{}{typed}\n{}", problem.prompt, problem.suffix);
        let mut request = context.request("solution.py", text, problem.prompt.len() + typed.len());
        request.trigger = Trigger::Invoked;
        request.multi_line = false;
        request.order = order.order();
        let (shown, milliseconds) = context.complete(&self.strategy, request, MAX_LINE_TOKENS)?;
        let answer = shown.split('\n').next().unwrap_or_default().trim_end();
        let program = [&problem.prompt, typed, answer, "\n", &problem.suffix, &problem.test].concat();
        let passed = Some(self.sandbox.passes(&format!("{program}\ncheck({})\n", problem.entry_point))?);
        // The model has to write the indentation, so it counts.
        let exact = answer == expected.trim_end();
        let scores = ItemScores { exact, passed, ..ItemScores::new(expected, answer, milliseconds) };
        let (above, below) = surrounding_lines(&[&problem.prompt, typed].concat(), &["\n", &problem.suffix].concat());
        Ok(EvaluationItem {
            id: problem.task_id.clone(),
            kind: if half_typed { "rest" } else { "line" }.into(),
            language: "python".into(),
            above,
            below,
            expected: expected.into(),
            answer: answer.into(),
            scores,
        })
    }
}
