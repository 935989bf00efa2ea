//! HumanEval (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"): the body of a function is written from
//! its signature and docstring; it counts when the problem's tests pass.
//!
//! Nothing stands below, so this asks for what a model can write from left to right, not for what an editor would show:
//! the answer ends where the function does.

use std::process::ExitCode;

use anyhow::{Context, Result};
use foretype_plugins::Language;
use foretype_plugins::strategies::code::fenced;

use super::items::{Item, Scores, around};
use super::problems::{self, Asking};
use super::ways::{self, Args, Way};
use super::{plain, sandbox::Sandbox};
use crate::completion::document;
use crate::rewrite;

/// Tokens that a body may have.
const LONGEST: usize = 512;

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
    let sandbox = problems::sandbox()?;
    let rule = format!("truncation: before the first line that is not indented, or after {LONGEST} tokens");
    let ways = args.ways("from left to right")?;
    args.set.go_through("HumanEval", vec![rule], &ways, |asking, problem, way| item(asking, problem, way, &sandbox))
}

fn item(asking: &Asking, problem: &Problem, way: Way<'_>, sandbox: &Sandbox) -> Result<Item> {
    let (answer, milliseconds) = match way {
        Way::Plain => {
            let request = asking.request("solution.py", problem.prompt.clone(), problem.prompt.len());
            asking.answer(&plain::until(end), request, LONGEST)?
        }
        Way::Foretype => problem.generated(asking)?,
        // A function that is written once more takes the place of the one that is begun.
        Way::Llama(server) => ways::ask(server, &problem.instruction()),
    };
    let program = [&problem.prompt, &answer, "\n", &problem.test].concat();
    let passed = Some(sandbox.passes(&format!("{program}\ncheck({})\n", problem.entry_point))?);
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

impl Problem {
    /// As `foretype generate` does it at the line of the function.
    fn generated(&self, asking: &Asking) -> Result<(String, f64)> {
        let head = format!("def {}(", self.entry_point);
        let at = self.prompt.find(&head).with_context(|| format!("{} begins no {head}", self.task_id))?;
        let line = self.prompt[..at].matches('\n').count();
        let file = document("solution.py".into(), self.prompt.clone());
        let (written, milliseconds) = asking.write(|writer| Ok(rewrite::generate(writer, &file, line)?.text));
        Ok((written.unwrap_or_default(), milliseconds))
    }

    /// What somebody would write into a chat.
    fn instruction(&self) -> String {
        let block = fenced(Language::Python, &self.prompt);
        format!("Complete this Python function. Give the whole function.\n\n{block}")
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
