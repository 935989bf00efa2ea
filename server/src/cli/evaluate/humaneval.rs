//! HumanEval (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"): the body of a function is written from
//! its signature and docstring; it counts when the problem's tests pass.
//!
//! Nothing stands below, so this asks for what a model can write from left to right, not for what an editor would show:
//! the answer ends where the function does.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use foretype_model::Engine;
use foretype_plugins::{Answer, Part, Prompt, PromptStrategy, Request, Snippet, Source};
use indicatif::ProgressBar;

use super::items::{Item, Report, Scores, System, around};
use super::output::Output;
use super::sandbox::Sandbox;
use super::{Asked, problems};
use crate::completion;

/// Tokens that a body may have.
const LONGEST: usize = 512;

/// Arguments of `foretype evaluate humaneval`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The data: HumanEval.jsonl.gz from the repository human-eval, or unpacked
    #[arg(long)]
    data: PathBuf,
    /// Take every Nth problem
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Seed of the intervals
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    canonical_solution: String,
    test: String,
}

/// Runs the evaluation and reports it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    args.output.check()?;
    let problems: Vec<Problem> = problems::read(&args.data, args.every as usize)?;
    let asked = Asked::load(args.model.as_deref(), None)?;
    let sandbox = Sandbox::new()?;
    problems::warn(&sandbox);
    let (engine, bar) = (asked.engine(), ProgressBar::new(problems.len() as u64));
    let mut items = Vec::new();
    for problem in &problems {
        items.push(item(problem, &asked, &engine, &sandbox)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let taken = problems::taken(args.every as usize, problems.len());
    let rule = format!("truncation: before the first line that is not indented, or after {LONGEST} tokens");
    let systems = vec![System { name: "from left to right".into(), items }];
    let title = format!("HumanEval, {taken}, greedy");
    args.output.deliver(&Report::new(title, asked.name(), vec![rule], args.seed, systems))?;
    Ok(ExitCode::SUCCESS)
}

fn item(problem: &Problem, asked: &Asked, engine: &Engine, sandbox: &Sandbox) -> Result<Item> {
    let document = completion::document("solution.py".into(), problem.prompt.clone());
    let request = completion::request(document, problem.prompt.len(), &asked.model, &asked.config);
    let strategy: Arc<dyn PromptStrategy> = Arc::new(Body);
    let outcome = completion::complete(engine, &strategy, Arc::new(request), 1, LONGEST, Vec::new())?;
    let answer = outcome.suggestions.into_iter().next().map_or_else(String::new, |suggestion| suggestion.text);
    let program = [&problem.prompt, &answer, "\n", &problem.test].concat();
    let passed = Some(sandbox.passes(&format!("{program}\ncheck({})\n", problem.entry_point))?);
    let milliseconds = outcome.total.as_secs_f64() * 1000.0;
    Ok(Item {
        id: problem.task_id.clone(),
        kind: "body".into(),
        language: "python".into(),
        above: around(&problem.prompt, "").0,
        scores: Scores { passed, ..Scores::new(&problem.canonical_solution, &answer, milliseconds) },
        expected: problem.canonical_solution.clone(),
        answer,
        below: String::new(),
    })
}

/// Writes a body from left to right until the function ends.
#[derive(Debug)]
struct Body;

impl PromptStrategy for Body {
    fn name(&self) -> &str {
        "body"
    }

    fn context(&self, _: &Request) -> foretype_plugins::Result<Vec<Snippet>> {
        Ok(Vec::new())
    }

    fn prompt(&self, request: &Request, _: &[Snippet]) -> foretype_plugins::Result<Prompt> {
        let stops = request.format.map_or(&[][..], |format| format.stops);
        Ok(Prompt {
            parts: vec![Part::text(request.before(), Source::Before)],
            stop_specials: stops.iter().copied().map(std::borrow::Cow::Borrowed).collect(),
            ..Prompt::default()
        })
    }

    fn done(&self, _: &Request, text: &str) -> bool {
        end(text).is_some()
    }

    fn finish(&self, _: &Request, answer: &Answer) -> Option<String> {
        Some(answer.text[..end(&answer.text).unwrap_or(answer.text.len())].to_owned())
    }
}

/// Where the function ends: before the first line behind its first one that begins with a letter.
fn end(text: &str) -> Option<usize> {
    let mut lines = text.match_indices('\n').map(|(at, _)| at + 1);
    let outside = |at: &usize| text[*at..].starts_with(|c: char| !c.is_whitespace());
    let begun = |at: &usize| !text[..*at].trim().is_empty();
    lines.find(|at| outside(at) && begun(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_before_the_first_line_that_is_not_indented() {
        for (text, body) in [
            ("    return 1\n\n\ndef g():\n", Some("    return 1\n\n\n")),
            ("    x = 1\n\n    return x\n# done", Some("    x = 1\n\n    return x\n")),
            ("    return 1\n    ", None),
            ("\n    return 1\nx", Some("\n    return 1\n")),
        ] {
            assert_eq!(end(text).map(|at| &text[..at]), body, "{text:?}");
        }
    }
}
