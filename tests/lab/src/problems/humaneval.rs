//! HumanEval (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"): the body of a function is
//! generated from its signature and docstring; it is correct if the problem's tests pass.
//!
//! There is no text after the cursor, so this evaluates left-to-right generation and not what an editor would show. The
//! answer ends where the function ends.

use std::process::ExitCode;

use anyhow::{Context, Result};
use foretype::evaluate::items::{EvaluationItem, ItemScores, surrounding_lines};
use foretype::{request_builder, rewrite};
use foretype_plugins::Language;
use foretype_plugins::tasks::code::fenced_block;

use super::methods::{self, AnswerMethod, Args};
use super::sandbox::Sandbox;
use super::{ProblemContext, continuation};

/// Token limit of a body.
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
///
/// # Errors
/// If the set or the model cannot be read.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let sandbox = super::new_sandbox()?;
    let rule = format!("truncation: before the first line that is not indented, or after {MAX_BODY_TOKENS} tokens");
    let methods = args.methods("from left to right")?;
    args.set.evaluate("HumanEval", vec![rule], &methods, |context, problem, method| {
        solve(context, problem, method, &sandbox)
    })
}

fn solve(
    context: &ProblemContext,
    problem: &HumanEvalProblem,
    method: AnswerMethod<'_>,
    sandbox: &Sandbox,
) -> Result<EvaluationItem> {
    let (answer, milliseconds) = match method {
        AnswerMethod::Plain => {
            let request = context.request("solution.py", problem.prompt.clone(), problem.prompt.len());
            context.complete(&continuation::continue_until(end_of_body), request, MAX_BODY_TOKENS)?
        }
        AnswerMethod::Foretype => problem.generate(context)?,
        // The whole function in the answer replaces the one in the prompt.
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
    /// Solves the problem as `foretype generate` would at the line of the function.
    fn generate(&self, context: &ProblemContext) -> Result<(String, f64)> {
        let head = format!("def {}(", self.entry_point);
        let at = self.prompt.find(&head).with_context(|| format!("{} has no `{head}`", self.task_id))?;
        let line = self.prompt[..at].matches('\n').count();
        let file = request_builder::parse_document("solution.py".into(), self.prompt.clone());
        let (written, milliseconds) = context.run_writer(|writer| Ok(rewrite::generate(writer, &file, line)?.text));
        Ok((written.unwrap_or_default(), milliseconds))
    }

    /// Instruction as a user would write it in a chat.
    fn instruction(&self) -> String {
        let block = fenced_block(Language::Python, &self.prompt);
        format!("Complete this Python function. Give the whole function.\n\n{block}")
    }
}

/// End of the function: before the first line after its first one that is not indented.
fn end_of_body(text: &str) -> Option<usize> {
    let mut line_starts = text.match_indices('\n').map(|(at, _)| at + 1);
    let is_outside = |start: &usize| text[*start..].starts_with(|c: char| !c.is_whitespace());
    let follows_text = |start: &usize| !text[..*start].trim().is_empty();
    line_starts.find(|start| is_outside(start) && follows_text(start))
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
