//! HumanEval (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"): the body of a function is written from
//! its signature and docstring; it counts when the problem's tests pass.
//!
//! Nothing stands below, so this asks for what a model can write from left to right, not for what an editor would show:
//! the answer ends where the function does.

use std::process::ExitCode;

use anyhow::Result;

use super::items::{Item, Scores, around};
use super::problems::{self, Asking, SetArgs};
use super::{plain, sandbox::Sandbox};

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
pub(super) fn run(args: &SetArgs) -> Result<ExitCode> {
    let sandbox = problems::sandbox()?;
    let rule = format!("truncation: before the first line that is not indented, or after {LONGEST} tokens");
    let ways = [("from left to right", ())];
    args.go_through("HumanEval", vec![rule], &ways, |asking, problem, ()| item(asking, problem, &sandbox))
}

fn item(asking: &Asking, problem: &Problem, sandbox: &Sandbox) -> Result<Item> {
    let request = asking.request("solution.py", problem.prompt.clone(), problem.prompt.len());
    let (answer, milliseconds) = asking.answer(&plain::until(end), request, LONGEST)?;
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
