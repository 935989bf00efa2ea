//! HumanEvalPack (Muennighoff et al. 2023, "OctoPack"): what a function does, in words, from its code.
//!
//! A bare model is asked by plain continuation: the code, then a comment in its language that is begun. So it is what any way to
//! write docstrings has to beat. Beside it stands the summary of the docstring that Foretype writes ([`framed`]), and what a chat
//! client would get.

mod written_docstring;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use foretype::evaluate::items::{EvaluationItem, ItemScores, surrounding_lines, normalized as compared};
use foretype_model::evaluate::bleu;
use foretype_plugins::tasks::code::fenced;
use foretype_plugins::{Language, docstring, syntax};

use super::{ProblemContext, continuation};
use super::methods::{self, Args, AnswerMethod};

/// Tokens that a text may have.
const MAX_DOCSTRING_TOKENS: usize = 192;
const TRUNCATION_RULE: &str = "truncation: before the first blank line, example (`>>>`) or end of the comment, or after 192 tokens; what is \
                    expected is cut off in the same way";

#[derive(Debug, serde::Deserialize)]
struct DocstringProblem {
    task_id: String,
    declaration: String,
    canonical_solution: String,
    docstring: String,
}

/// How a language says that a text is about the code above it.
struct CommentStyle {
    language: &'static str,
    file: &'static str,
    opening: &'static str,
}

/// By the first part of a problem's name.
const COMMENT_STYLES: [(&str, CommentStyle); 6] = [
    ("Python", CommentStyle { language: "python", file: "a.py", opening: "# Docstring of the function above:\n\"\"\"" }),
    ("CPP", comment("cpp", "a.cpp")),
    ("Go", comment("go", "a.go")),
    ("Java", comment("java", "A.java")),
    ("JavaScript", comment("javascript", "a.js")),
    ("Rust", comment("rust", "a.rs")),
];

const fn comment(language: &'static str, file: &'static str) -> CommentStyle {
    CommentStyle { language, file, opening: "// Documentation of the function above:\n/**\n *" }
}

/// Runs the evaluation and reports it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let ways = args.methods_or_both("plain continuation", "foretype docstring")?;
    args.set.evaluate("HumanEvalPack docstrings", vec![TRUNCATION_RULE.into()], &ways, item)
}

fn item(asking: &ProblemContext, problem: &DocstringProblem, way: AnswerMethod<'_>) -> Result<EvaluationItem> {
    let comment = problem.comment()?;
    let (answer, milliseconds, form) = match way {
        AnswerMethod::Plain => {
            let text = problem.prompt(comment);
            let cursor = text.len();
            let request = asking.request(comment.file, text, cursor);
            let (answer, milliseconds) = asking.complete(&continuation::continue_until(end_of_summary), request, MAX_DOCSTRING_TOKENS)?;
            (summary_words(&answer), milliseconds, None)
        }
        AnswerMethod::Foretype => {
            let line = problem.declaration.trim_matches('\n').lines().count().saturating_sub(1);
            let written = written_docstring::write(asking, comment.file, &problem.code(), line)
                .with_context(|| format!("{} got no docstring", problem.task_id))?;
            (summary(&written.text), written.milliseconds, Some(written.form))
        }
        AnswerMethod::Llama(server) => {
            let language = Language::from_path(comment.file);
            let (answer, milliseconds) = methods::chat_code(server, &problem.instruction(language));
            (summary(docstring_of_answer(language, &answer)), milliseconds, None)
        }
    };
    let expected = summary_words(&problem.docstring);
    let bleu = Some(bleu::sentence_bleu(&expected, &answer));
    Ok(EvaluationItem {
        id: problem.task_id.clone(),
        kind: "docstring".into(),
        language: comment.language.into(),
        above: surrounding_lines(&problem.code(), "").0,
        below: String::new(),
        scores: ItemScores { bleu, form, ..ItemScores::new(&expected, &answer, milliseconds) },
        expected,
        answer,
    })
}

impl DocstringProblem {
    fn comment(&self) -> Result<&'static CommentStyle> {
        let name = self.task_id.split('/').next().unwrap_or_default();
        let known = COMMENT_STYLES.iter().find(|(own, _)| *own == name);
        known.map(|(_, comment)| comment).ok_or_else(|| {
            anyhow!(
                "'{}' is no problem of HumanEvalPack: its name begins with a language, as in Python/0",
                self.task_id
            )
        })
    }

    /// The function without its docstring.
    fn code(&self) -> String {
        [&self.declaration, &self.canonical_solution].map(|part| part.trim_matches('\n')).join("\n")
    }

    /// What somebody would write into a chat.
    fn instruction(&self, language: Language) -> String {
        let block = fenced(language, &self.code());
        let what = if language == Language::Python { "docstring" } else { "documentation comment" };
        let name = language.name();
        format!(
            "Write the {what} of this {name} function. It says what the function does. Give the {what} alone.\n\n{block}"
        )
    }

    fn prompt(&self, comment: &CommentStyle) -> String {
        format!("{}\n\n{}", self.code(), comment.opening)
    }
}

/// Where a text ends: at the end of its comment, before an example or before the first blank line behind its first words.
fn end_of_summary(text: &str) -> Option<usize> {
    let closing = ["\"\"\"", "*/", ">>>"].into_iter().filter_map(|mark| text.find(mark)).min();
    let line_ends = text.match_indices('\n').map(|(at, _)| at);
    let blank = line_ends.zip(text.split('\n')).skip_while(|(at, _)| without_comment_marks(&text[..*at]).is_empty());
    let blank = blank.map(|(at, line)| (at - line.len(), line)).find(|(_, line)| without_comment_marks(line).is_empty());
    [closing, blank.map(|(at, _)| at)].into_iter().flatten().min()
}

/// A line without the marks of a comment.
fn without_comment_marks(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || c == '*' || c == '/')
}

/// The words of a docstring: cut off, without the marks that a comment has at the beginnings of its lines.
fn summary_words(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let cut = &text[..end_of_summary(&text).unwrap_or(text.len())];
    compared(&cut.split('\n').map(without_comment_marks).collect::<Vec<_>>().join("\n"))
}

/// The docstring in an answer: that of the function, where the answer repeats it, else all of it.
fn docstring_of_answer(language: Language, answer: &str) -> &str {
    let tree = syntax::parse(language, answer, None);
    let items = tree.map(|tree| docstring::items(language, &tree, answer)).unwrap_or_default();
    items.into_iter().find_map(|item| answer.get(item.existing?)).unwrap_or(answer).trim()
}

/// The words of a docstring before its parts, without the marks before them: the summary, and what follows it in a paragraph of
/// its own where that is the custom.
fn summary(docstring: &str) -> String {
    let text = docstring.trim_start_matches(['"', '/', '*', ' ', '\n']);
    let lines = text.strip_prefix("@brief ").unwrap_or(text).lines().map(without_comment_marks);
    let parts = ["Args:", "Returns:", "Yields:", "Raises:", "@", "# "];
    let own = lines.take_while(|line| !parts.iter().any(|part| line.starts_with(part)));
    summary_words(&own.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(task: &str) -> DocstringProblem {
        let line = format!(
            r#"{{"task_id": "{task}", "declaration": "\ndef f(x):\n", "canonical_solution": "    return x\n",
                "docstring": "Give it back.\n>>> f(1)\n1", "bug_type": "none"}}"#
        );
        serde_json::from_str(&line).expect("a problem")
    }

    #[test]
    fn the_prompt_is_the_code_and_a_comment_that_is_begun() {
        let python = problem("Python/3");
        let prompt = python.prompt(python.comment().expect("a known language"));
        assert!(prompt.starts_with("def f(x):\n    return x\n\n#") && prompt.ends_with("\n\"\"\""), "{prompt}");
        let rust = problem("Rust/3");
        assert!(rust.prompt(rust.comment().expect("a known language")).ends_with("\n/**\n *"));
        assert!(problem("Brainfuck/3").comment().is_err());
    }

    #[test]
    fn the_docstring_of_an_answer_is_found_in_code_that_is_repeated() {
        let repeated = "def f(x):\n    \"\"\"Gives x back.\"\"\"\n    return x\n";
        assert_eq!(docstring_of_answer(Language::Python, repeated), "\"\"\"Gives x back.\"\"\"");
        assert_eq!(docstring_of_answer(Language::Rust, "/// Gives x back.\nfn f(x: u8) -> u8 { x }\n"), "/// Gives x back.");
        assert_eq!(docstring_of_answer(Language::Java, "/**\n * Gives x back.\n */\n"), "/**\n * Gives x back.\n */");
    }

    #[test]
    fn a_summary_is_what_stands_before_the_parts_of_a_docstring() {
        assert_eq!(summary("\"\"\"Gives x\n    back.\n\n    Args:\n        x: Y.\n    \"\"\""), "Gives x\nback.");
        assert_eq!(summary("/**\n * @brief Gives x\n * back.\n *\n * @param x Y.\n */"), "Gives x\nback.");
        assert_eq!(summary("// F gives x\n// back."), "F gives x\nback.");
        assert_eq!(
            summary("\"\"\"Gives x.\n\n    All of it.\n\n    Returns:\n        It.\n    \"\"\""),
            "Gives x.\nAll of it."
        );
        assert_eq!(summary("\"\"\"Gives x.\"\"\""), "Gives x.");
    }

    #[test]
    fn a_text_ends_at_an_example_at_the_end_of_its_comment_or_at_a_blank_line() {
        for (text, expected) in [
            ("Give it back.\n>>> f(1)\n1", "Give it back."),
            ("\n    Give it\n    back.\n    \"\"\"\nx", "Give it\nback."),
            (" Give it\n * back.\n *\n * @param x", "Give it\nback."),
            (" Give it back. */\nfn", "Give it back."),
            ("\r\n  Give it back.\r\n\r\nMore", "Give it back."),
            ("", ""),
        ] {
            assert_eq!(summary_words(text), expected, "{text:?}");
        }
    }
}
