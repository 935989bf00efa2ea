//! The translations of CodeFuseEval (data set `codefuse-ai/CodeFuseEval`, CodeTrans): a program written again in another language. It counts when the problem's tests
//! pass; without a compiler, programs in C++ and Java are compared with the expected text alone.
//!
//! A bare model is asked by plain continuation: the program in a block of Markdown, then a block of the other language that is
//! begun. So that is what any way to translate has to beat. Other `ways` ask as `foretype translate` does, and as a chat client would.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use foretype::evaluate::items::{EvaluationItem, ItemScores, surrounding_lines};
use foretype_plugins::Language;
use foretype_plugins::tasks::code::{fault, fenced};
use foretype_plugins::tasks::translate::question;

use super::sandbox::{ProgramLanguage, Sandbox};
use super::methods::{self, Args, AnswerMethod};
use super::{ProblemContext, continuation};

/// Tokens that a program may have.
const MAX_PROGRAM_TOKENS: usize = 512;

#[derive(Debug, serde::Deserialize)]
struct TranslationProblem {
    task_id: String,
    /// The program to translate.
    prompt: String,
    canonical_solution: String,
    test: String,
    /// The first line in Python, the function's name in other languages.
    func_title: String,
}

/// The languages by the first part of a problem's name: in Markdown, and for people.
const TARGET_LANGUAGES: [(&str, &str, &str); 3] =
    [("Python", "python", "Python"), ("CPP", "cpp", "C++"), ("Java", "java", "Java")];

/// Runs the evaluation and reports it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let sandbox = super::new_sandbox()?;
    let rules = vec![
        format!("truncation: at the end of the block (```), or after {MAX_PROGRAM_TOKENS} tokens"),
        "of a function in Python the first line is given; programs in C++ and Java are tested with the usual includes and \
         imports before them, `public class` as `class`, by g++ and javac, and not at all where those are missing"
            .to_owned(),
    ];
    let ways = args.methods("plain continuation")?;
    args.set.evaluate("CodeTrans", rules, &ways, |asking, problem, way| item(asking, problem, way, &sandbox))
}

fn item(asking: &ProblemContext, problem: &TranslationProblem, way: AnswerMethod<'_>, sandbox: &Sandbox) -> Result<EvaluationItem> {
    let (language, name) = problem.language()?;
    let python = language == "python";
    let head = if python { problem.func_title.trim() } else { "" };
    let (answer, milliseconds) = match way {
        AnswerMethod::Plain => {
            let text = problem.prompt(language, name, head);
            let cursor = text.len();
            let asked = asking.complete(&continuation::continue_until(end_of_program), asking.request("a.md", text, cursor), MAX_PROGRAM_TOKENS)?;
            ([head, &asked.0].concat(), asked.1)
        }
        AnswerMethod::Foretype => problem.translate(asking, head)?,
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
    fn language(&self) -> Result<(&'static str, &'static str)> {
        let task = self.task_id.split('/').next().unwrap_or_default();
        let known = TARGET_LANGUAGES.iter().find(|(own, ..)| *own == task);
        known.map(|(_, language, name)| (*language, *name)).ok_or_else(|| {
            anyhow!(
                "'{}' is no problem of CodeTrans: its name begins with Python, CPP or Java, as in Java/1",
                self.task_id
            )
        })
    }

    /// Whether the tests pass; none where they cannot be run.
    fn passes(&self, language: &str, answer: &str, sandbox: &Sandbox) -> Result<Option<bool>> {
        let Some(runs) = ProgramLanguage::from_markdown_name(language).filter(|runs| sandbox.can_run(*runs)) else { return Ok(None) };
        let answer = if runs == ProgramLanguage::Java { answer.replace("public class", "class") } else { answer.to_owned() };
        let before = match runs {
            ProgramLanguage::Python => "",
            ProgramLanguage::Cpp => "#include <bits/stdc++.h>\nusing namespace std;\n",
            ProgramLanguage::Java => {
                "import java.io.*;\nimport java.lang.*;\nimport java.math.*;\nimport java.util.*;\nimport java.util.stream.*;\n"
            }
        };
        sandbox.passes_as(runs, &format!("{before}{answer}\n\n{}\n", self.test)).map(Some)
    }

    /// The two languages.
    fn languages(&self) -> Result<(Language, Language)> {
        let to = Language::from_lsp_id(self.language()?.0);
        let python = self.prompt.lines().any(|line| line.starts_with("def "));
        let from = match self.prompt.contains("#include") {
            true => Language::Cpp,
            false if python => Language::Python,
            false => Language::Java,
        };
        Ok((from, to))
    }

    /// As `foretype translate` does it.
    fn translate(&self, asking: &ProblemContext, head: &str) -> Result<(String, f64)> {
        let (from, to) = self.languages()?;
        let wanted = question(from, to, self.prompt.replace("\r\n", "\n").trim(), head);
        let (code, milliseconds) = asking.run_writer(|writer| Ok(writer.write(&wanted, &|code| fault(to, code))?.code));
        Ok((code.unwrap_or_default(), milliseconds))
    }

    /// What somebody would write into a chat.
    fn instruction(&self) -> Result<String> {
        let (from, to) = self.languages()?;
        let block = fenced(from, &self.prompt.replace("\r\n", "\n"));
        let function = self.func_title.trim();
        Ok(format!("Translate this {} code to {}. The function is `{function}`.\n\n{block}", from.name(), to.name()))
    }

    fn prompt(&self, language: &str, name: &str, head: &str) -> String {
        let function = self.func_title.trim();
        let source = self.prompt.replace("\r\n", "\n");
        format!(
            "A program:\n\n```\n{}\n```\n\nThe same program in {name}, with `{function}`:\n\n```{language}\n{head}",
            source.trim_end()
        )
    }
}

/// Where a program ends: before the line that closes its block.
fn end_of_program(text: &str) -> Option<usize> {
    text.find("\n```").map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(task: &str) -> TranslationProblem {
        let line = format!(
            r#"{{"task_id": "{task}", "prompt": "int f() {{\r\n  return 1;\r\n}}\n", "canonical_solution": "def f(): return 1",
                "test": "assert f() == 1", "func_title": "def f():\r", "desc_en": "", "Difficulty": "mbpp"}}"#
        );
        serde_json::from_str(&line).expect("a problem")
    }

    #[test]
    fn the_prompt_is_the_program_and_a_block_of_the_other_language() {
        let python = problem("Python/1");
        let (language, name) = python.language().expect("a known language");
        let prompt = python.prompt(language, name, "def f():");
        assert!(prompt.contains("```\nint f() {\n  return 1;\n}\n```\n\n"), "{prompt}");
        assert!(prompt.ends_with("in Python, with `def f():`:\n\n```python\ndef f():"), "{prompt}");
        assert!(problem("Perl/1").language().is_err());
    }

    #[test]
    fn a_program_ends_where_its_block_is_closed() {
        assert_eq!(end_of_program("\n    return 1\n```\nmore").map(|at| &"\n    return 1\n```"[..at]), Some("\n    return 1\n"));
        assert_eq!(end_of_program("\n    return 1\n"), None);
    }
}
