//! HumanEval (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"): the body of a function is written from
//! its signature and docstring; it counts when the problem's tests pass.
//!
//! Nothing stands below, so this asks for what a model can write from left to right, not for what an editor would show:
//! the answer ends where the function does.

use std::process::ExitCode;

use anyhow::{Context, Result};
use foretype::completion::document;
use foretype::evaluate::items::{EvaluationItem, ItemScores, surrounding_lines};
use foretype::rewrite;
use foretype_plugins::Language;
use foretype_plugins::tasks::code::fenced;

use super::sandbox::Sandbox;
use super::methods::{self, Args, AnswerMethod};
use super::{ProblemContext, continuation};

/// Tokens that a body may have.
const MAX_BODY_TOKENS: usize = 512;

#[derive(Debug, serde::Deserialize)]
struct HumanEvalProblem {
    task_id: String,
    entry_point: String,
    prompt: String,
    canonical_solution: String,
    test: String,
}

/// Runs the evaluation and reports it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let sandbox = super::new_sandbox()?;
    let rule = format!("truncation: before the first line that is not indented, or after {MAX_BODY_TOKENS} tokens");
    let ways = args.methods("from left to right")?;
    args.set.evaluate("HumanEval", vec![rule], &ways, |asking, problem, way| item(asking, problem, way, &sandbox))
}

fn item(asking: &ProblemContext, problem: &HumanEvalProblem, way: AnswerMethod<'_>, sandbox: &Sandbox) -> Result<EvaluationItem> {
    let (answer, milliseconds) = match way {
        AnswerMethod::Plain => {
            let request = asking.request("solution.py", problem.prompt.clone(), problem.prompt.len());
            asking.complete(&continuation::continue_until(end_of_body), request, MAX_BODY_TOKENS)?
        }
        AnswerMethod::Foretype => problem.generate(asking)?,
        // A function that is written once more takes the place of the one that is begun.
        AnswerMethod::Llama(server) => methods::chat_code(server, &problem.instruction()),
    };
    let program = [&problem.prompt, &answer, "\n", &problem.test].concat();
    let passed = Some(sandbox.passes(&format!("{program}\ncheck({})\n", problem.entry_point))?);
    Ok(EvaluationItem {
        id: problem.task_id.clone(),
        kind: "body".into(),
        language: "python".into(),
        above: surrounding_lines(&problem.prompt, "").0,
        scores: ItemScores { passed, ..ItemScores::new(&problem.canonical_solution, &answer, milliseconds) },
        expected: problem.canonical_solution.clone(),
        answer,
        below: String::new(),
    })
}

impl HumanEvalProblem {
    /// As `foretype generate` does it at the line of the function.
    fn generate(&self, asking: &ProblemContext) -> Result<(String, f64)> {
        let head = format!("def {}(", self.entry_point);
        let at = self.prompt.find(&head).with_context(|| format!("{} begins no {head}", self.task_id))?;
        let line = self.prompt[..at].matches('\n').count();
        let file = document("solution.py".into(), self.prompt.clone());
        let (written, milliseconds) = asking.run_writer(|writer| Ok(rewrite::generate(writer, &file, line)?.text));
        Ok((written.unwrap_or_default(), milliseconds))
    }

    /// What somebody would write into a chat.
    fn instruction(&self) -> String {
        let block = fenced(Language::Python, &self.prompt);
        format!("Complete this Python function. Give the whole function.\n\n{block}")
    }
}

/// Where the function ends: before the first line behind its first one that begins with a letter.
fn end_of_body(text: &str) -> Option<usize> {
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
            assert_eq!(end_of_body(text).map(|at| &text[..at]), body, "{text:?}");
        }
    }
}
