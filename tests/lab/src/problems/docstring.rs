//! HumanEvalPack (Muennighoff et al. 2023, "OctoPack"): a description of a function is generated from its code.
//!
//! Plain continuation sees the code and the start of a comment in its language. This is the baseline for the other
//! methods: the summary of the docstring that Foretype writes ([`written_docstring`]), and the answer that a chat
//! client would get.

mod written_docstring;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use foretype::evaluate::items::{EvaluationItem, ItemScores, normalized, surrounding_lines};
use foretype_model::evaluate::bleu;
use foretype_plugins::tasks::code::fenced_block;
use foretype_plugins::{Language, docstring, syntax};

use super::methods::{self, AnswerMethod, Args};
use super::{ProblemContext, continuation};

/// Token limit of a description.
const MAX_DOCSTRING_TOKENS: usize = 192;
const TRUNCATION_RULE: &str = "truncation: before the first blank line, example (`>>>`) or end of the comment, or \
                               after 192 tokens; the expected text is truncated in the same way";

#[derive(Debug, serde::Deserialize)]
struct DocstringProblem {
    task_id: String,
    declaration: String,
    canonical_solution: String,
    docstring: String,
}

/// Start of a comment about the code above it, by language.
struct CommentStyle {
    language: &'static str,
    file: &'static str,
    opening: &'static str,
}

/// Comment styles by the first part of a problem's name.
const COMMENT_STYLES: [(&str, CommentStyle); 6] = [
    (
        "Python",
        CommentStyle { language: "python", file: "a.py", opening: "# Docstring of the function above:\n\"\"\"" },
    ),
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
///
/// # Errors
/// If the set or the model cannot be read.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let methods = args.methods_or_both("plain continuation", "foretype docstring")?;
    args.set.evaluate("HumanEvalPack docstrings", vec![TRUNCATION_RULE.into()], &methods, solve)
}

fn solve(context: &ProblemContext, problem: &DocstringProblem, method: AnswerMethod<'_>) -> Result<EvaluationItem> {
    let comment = problem.comment()?;
    let (answer, milliseconds, form) = match method {
        AnswerMethod::Plain => {
            let text = problem.prompt(comment);
            let cursor = text.len();
            let request = context.request(comment.file, text, cursor);
            let strategy = continuation::continue_until(end_of_summary);
            let (answer, milliseconds) = context.complete(&strategy, request, MAX_DOCSTRING_TOKENS)?;
            (summary_words(&answer), milliseconds, None)
        }
        AnswerMethod::Foretype => {
            let line = problem.declaration.trim_matches('\n').lines().count().saturating_sub(1);
            let written = written_docstring::write(context, comment.file, &problem.code(), line)
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
    /// Comment style of the problem's language.
    fn comment(&self) -> Result<&'static CommentStyle> {
        let name = self.task_id.split('/').next().unwrap_or_default();
        let known = COMMENT_STYLES.iter().find(|(language, _)| *language == name);
        known.map(|(_, comment)| comment).ok_or_else(|| {
            anyhow!("'{}' is not a problem of HumanEvalPack: names start with a language, as in Python/0", self.task_id)
        })
    }

    /// Function without its docstring.
    fn code(&self) -> String {
        [&self.declaration, &self.canonical_solution].map(|part| part.trim_matches('\n')).join("\n")
    }

    /// Instruction as a user would write it in a chat.
    fn instruction(&self, language: Language) -> String {
        let block = fenced_block(language, &self.code());
        let what = if language == Language::Python { "docstring" } else { "documentation comment" };
        let name = language.name();
        format!(
            "Write the {what} of this {name} function. It says what the function does. Give the {what} alone.\n\n\
             {block}"
        )
    }

    /// Prompt of plain continuation.
    fn prompt(&self, comment: &CommentStyle) -> String {
        format!("{}\n\n{}", self.code(), comment.opening)
    }
}

/// End of a description: the end of its comment, an example, or the first blank line after its first words.
fn end_of_summary(text: &str) -> Option<usize> {
    let closing = ["\"\"\"", "*/", ">>>"].into_iter().filter_map(|mark| text.find(mark)).min();
    let mut blank_line = None;
    for (line_end, line) in text.match_indices('\n').map(|(at, _)| at).zip(text.split('\n')) {
        let has_words = !without_comment_marks(&text[..line_end]).is_empty();
        if has_words && without_comment_marks(line).is_empty() {
            blank_line = Some(line_end - line.len());
            break;
        }
    }
    closing.into_iter().chain(blank_line).min()
}

/// Removes the marks of a comment from both ends of a line.
fn without_comment_marks(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || c == '*' || c == '/')
}

/// Words of a description: truncated, and without the comment marks of its lines.
fn summary_words(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let truncated = &text[..end_of_summary(&text).unwrap_or(text.len())];
    normalized(&truncated.split('\n').map(without_comment_marks).collect::<Vec<_>>().join("\n"))
}

/// Docstring of an answer: the one of the function if the answer repeats the function, or else all of the answer.
fn docstring_of_answer(language: Language, answer: &str) -> &str {
    let tree = syntax::parse(language, answer, None);
    let items = tree.map(|tree| docstring::items(language, &tree, answer)).unwrap_or_default();
    items.into_iter().find_map(|item| answer.get(item.existing?)).unwrap_or(answer).trim()
}

/// Words of a docstring before its sections, without comment marks: the summary, and the paragraph after it if there is
/// one.
fn summary(docstring: &str) -> String {
    let text = docstring.trim_start_matches(['"', '/', '*', ' ', '\n']);
    let lines = text.strip_prefix("@brief ").unwrap_or(text).lines().map(without_comment_marks);
    let sections = ["Args:", "Returns:", "Yields:", "Raises:", "@", "# "];
    let before_sections = lines.take_while(|line| !sections.iter().any(|section| line.starts_with(section)));
    summary_words(&before_sections.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"))
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
    fn the_prompt_has_the_code_and_the_start_of_a_comment() {
        let python = problem("Python/3");
        let prompt = python.prompt(python.comment().expect("a known language"));
        assert!(prompt.starts_with("def f(x):\n    return x\n\n#") && prompt.ends_with("\n\"\"\""), "{prompt}");
        let rust = problem("Rust/3");
        assert!(rust.prompt(rust.comment().expect("a known language")).ends_with("\n/**\n *"));
        assert!(problem("Brainfuck/3").comment().is_err());
    }

    #[test]
    fn the_docstring_of_an_answer_is_found_in_repeated_code() {
        let repeated = "def f(x):\n    \"\"\"Gives x back.\"\"\"\n    return x\n";
        assert_eq!(docstring_of_answer(Language::Python, repeated), "\"\"\"Gives x back.\"\"\"");
        assert_eq!(
            docstring_of_answer(Language::Rust, "/// Gives x back.\nfn f(x: u8) -> u8 { x }\n"),
            "/// Gives x back."
        );
        assert_eq!(docstring_of_answer(Language::Java, "/**\n * Gives x back.\n */\n"), "/**\n * Gives x back.\n */");
    }

    #[test]
    fn a_summary_ends_before_the_sections_of_a_docstring() {
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
    fn a_description_ends_at_an_example_the_end_of_its_comment_or_a_blank_line() {
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
