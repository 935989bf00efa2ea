//! CodeTrans of CodeFuseEval (data set `codefuse-ai/CodeFuseEval`): a program is translated into another language. It
//! is correct if the problem's tests pass. Without a compiler, programs in C++ and Java are only compared with the
//! expected text.
//!
//! Plain continuation sees the program in a Markdown code block and the start of a block in the other language. This is
//! the baseline for the other methods, which ask as `foretype translate` and as a chat client do.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use foretype::evaluate::items::{EvaluationItem, ItemScores, surrounding_lines};
use foretype_plugins::Language;
use foretype_plugins::tasks::code::{fenced_block, find_fault};
use foretype_plugins::tasks::translate::prompt;

use super::methods::{self, AnswerMethod, Args};
use super::sandbox::{ProgramLanguage, Sandbox};
use super::{ProblemContext, continuation};

/// Token limit of a program.
const MAX_PROGRAM_TOKENS: usize = 512;

#[derive(Debug, serde::Deserialize)]
struct TranslationProblem {
    task_id: String,
    /// Program to translate.
    prompt: String,
    canonical_solution: String,
    test: String,
    /// First line of the function in Python, name of the function in other languages.
    func_title: String,
}

/// Target languages: first part of the problem's name, name in Markdown, name in English.
const TARGET_LANGUAGES: [(&str, &str, &str); 3] =
    [("Python", "python", "Python"), ("CPP", "cpp", "C++"), ("Java", "java", "Java")];

/// Runs the evaluation and reports it.
///
/// # Errors
/// If the set or the model cannot be read.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let sandbox = super::new_sandbox()?;
    let rules = vec![
        format!("truncation: at the end of the block (```), or after {MAX_PROGRAM_TOKENS} tokens"),
        "the first line of a function in Python is given; programs in C++ and Java are tested with the usual includes \
         and imports before them and `class` instead of `public class`, by g++ and javac, and not at all without these"
            .to_owned(),
    ];
    let methods = args.methods("plain continuation")?;
    args.set
        .evaluate("CodeTrans", rules, &methods, |context, problem, method| solve(context, problem, method, &sandbox))
}

fn solve(
    context: &ProblemContext,
    problem: &TranslationProblem,
    method: AnswerMethod<'_>,
    sandbox: &Sandbox,
) -> Result<EvaluationItem> {
    let (language, name) = problem.language()?;
    let head = if language == "python" { problem.func_title.trim() } else { "" };
    let (answer, milliseconds) = match method {
        AnswerMethod::Plain => {
            let text = problem.prompt(language, name, head);
            let cursor = text.len();
            let request = context.request("a.md", text, cursor);
            let strategy = continuation::continue_until(end_of_program);
            let (rest, milliseconds) = context.complete(&strategy, request, MAX_PROGRAM_TOKENS)?;
            ([head, &rest].concat(), milliseconds)
        }
        AnswerMethod::Foretype => problem.translate(context, head)?,
        AnswerMethod::Llama(server) => methods::chat_code(server, &problem.instruction()?),
    };
    let passed = problem.passes(language, &answer, sandbox)?;
    Ok(EvaluationItem {
        id: problem.task_id.clone(),
        kind: "program".into(),
        language: language.into(),
        above: surrounding_lines(&problem.prompt, "").0,
        below: String::new(),
        scores: ItemScores { passed, ..ItemScores::new(&problem.canonical_solution, &answer, milliseconds) },
        expected: problem.canonical_solution.clone(),
        answer,
    })
}

impl TranslationProblem {
    /// Names of the target language in Markdown and in English.
    fn language(&self) -> Result<(&'static str, &'static str)> {
        let task = self.task_id.split('/').next().unwrap_or_default();
        let known = TARGET_LANGUAGES.iter().find(|(own, ..)| *own == task);
        known.map(|(_, language, name)| (*language, *name)).ok_or_else(|| {
            anyhow!(
                "'{}' is not a problem of CodeTrans: names start with Python, CPP or Java, as in Java/1",
                self.task_id
            )
        })
    }

    /// Runs the tests. `None` if they cannot be run here.
    fn passes(&self, language: &str, answer: &str, sandbox: &Sandbox) -> Result<Option<bool>> {
        let Some(language) = ProgramLanguage::from_markdown_name(language) else { return Ok(None) };
        if !sandbox.can_run(language) {
            return Ok(None);
        }
        let answer = match language {
            ProgramLanguage::Java => answer.replace("public class", "class"),
            ProgramLanguage::Python | ProgramLanguage::Cpp => answer.to_owned(),
        };
        let imports = match language {
            ProgramLanguage::Python => "",
            ProgramLanguage::Cpp => "#include <bits/stdc++.h>\nusing namespace std;\n",
            ProgramLanguage::Java => {
                "import java.io.*;\nimport java.lang.*;\nimport java.math.*;\nimport java.util.*;\n\
                 import java.util.stream.*;\n"
            }
        };
        sandbox.passes_as(language, &format!("{imports}{answer}\n\n{}\n", self.test)).map(Some)
    }

    /// Source and target language.
    fn languages(&self) -> Result<(Language, Language)> {
        let to = Language::from_lsp_id(self.language()?.0);
        let from = if self.prompt.contains("#include") {
            Language::Cpp
        } else if self.prompt.lines().any(|line| line.starts_with("def ")) {
            Language::Python
        } else {
            Language::Java
        };
        Ok((from, to))
    }

    /// Solves the problem as `foretype translate` would.
    fn translate(&self, context: &ProblemContext, head: &str) -> Result<(String, f64)> {
        let (from, to) = self.languages()?;
        let wanted = prompt(from, to, self.prompt.replace("\r\n", "\n").trim(), head);
        let (code, milliseconds) =
            context.run_writer(|writer| Ok(writer.write(&wanted, &|code| find_fault(to, code))?.code));
        Ok((code.unwrap_or_default(), milliseconds))
    }

    /// Instruction as a user would write it in a chat.
    fn instruction(&self) -> Result<String> {
        let (from, to) = self.languages()?;
        let block = fenced_block(from, &self.prompt.replace("\r\n", "\n"));
        let function = self.func_title.trim();
        Ok(format!("Translate this {} code to {}. The function is `{function}`.\n\n{block}", from.name(), to.name()))
    }

    /// Prompt of plain continuation.
    fn prompt(&self, language: &str, name: &str, head: &str) -> String {
        let function = self.func_title.trim();
        let source = self.prompt.replace("\r\n", "\n");
        format!(
            "A program:\n\n```\n{}\n```\n\nThe same program in {name}, with `{function}`:\n\n```{language}\n{head}",
            source.trim_end()
        )
    }
}

/// End of the program: before the line that closes its code block.
fn end_of_program(text: &str) -> Option<usize> {
    text.find("\n```").map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(task: &str) -> TranslationProblem {
        let line = format!(
            r#"{{"task_id": "{task}", "prompt": "int f() {{\r\n  return 1;\r\n}}\n",
                "canonical_solution": "def f(): return 1", "test": "assert f() == 1", "func_title": "def f():\r",
                "desc_en": "", "Difficulty": "mbpp"}}"#
        );
        serde_json::from_str(&line).expect("a problem")
    }

    #[test]
    fn the_prompt_has_the_program_and_the_start_of_a_block_in_the_other_language() {
        let python = problem("Python/1");
        let (language, name) = python.language().expect("a known language");
        let prompt = python.prompt(language, name, "def f():");
        assert!(prompt.contains("```\nint f() {\n  return 1;\n}\n```\n\n"), "{prompt}");
        assert!(prompt.ends_with("in Python, with `def f():`:\n\n```python\ndef f():"), "{prompt}");
        assert!(problem("Perl/1").language().is_err());
    }

    #[test]
    fn a_program_ends_with_its_code_block() {
        assert_eq!(
            end_of_program("\n    return 1\n```\nmore").map(|at| &"\n    return 1\n```"[..at]),
            Some("\n    return 1\n")
        );
        assert_eq!(end_of_program("\n    return 1\n"), None);
    }
}
