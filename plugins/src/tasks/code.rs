//! Prompts whose answer is code, for chat models.
//!
//! The answer is started for the model with the opening fence of a Markdown block, and optionally with the beginning of
//! the code, so even a small model writes code and nothing else.

use crate::chat::{Message, Role};
use crate::{Language, Snippet, syntax};

/// A Markdown code block with a fence that the text cannot close.
pub fn fenced_block(language: Language, text: &str) -> String {
    let fence = fence_for(text);
    format!("{fence}{}\n{}\n{fence}", language.lsp_id(), text.trim_end())
}

/// Snippets of plugins as Markdown code blocks, each under its path, to precede a question.
pub fn fenced_snippets(snippets: &[Snippet]) -> String {
    let blocks = snippets.iter().map(|snippet| {
        let text = snippet.text.trim_end().replace("````", "```");
        format!("{} (from the plugin {}):\n````\n{text}\n````\n\n", snippet.path, snippet.origin)
    });
    blocks.collect()
}

/// A fence longer than any run of backticks in the text, of at least three.
fn fence_for(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

/// A prompt whose answer is code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePrompt {
    /// Messages before the answer.
    pub messages: Vec<Message>,
    /// Language of the code.
    pub language: Language,
    /// Beginning of the code, which the model continues.
    pub code_prefix: String,
    /// Fence around the answer.
    fence: String,
}

impl CodePrompt {
    /// A question about `source` whose answer begins with `code_prefix`. With an empty `system`, the default of the
    /// model's chat template applies.
    pub(crate) fn new(language: Language, system: &str, question: String, source: &str, code_prefix: &str) -> Self {
        let mut messages = vec![Message::new(Role::System, system), Message::new(Role::User, question)];
        messages.retain(|message| !message.content.is_empty());
        Self { messages, language, code_prefix: code_prefix.to_owned(), fence: fence_for(source) }
    }

    /// A copy of the prompt with snippets before the question.
    pub fn with_snippets(&self, snippets: &[Snippet]) -> Self {
        let mut messages = self.messages.clone();
        if let Some(question) = messages.iter_mut().find(|message| message.role == Role::User) {
            question.content = fenced_snippets(snippets) + &question.content;
        }
        Self { messages, ..self.clone() }
    }

    /// Beginning of the answer: the opening fence and the code prefix.
    pub fn answer_prefix(&self) -> String {
        format!("{}{}\n{}", self.fence, self.language.lsp_id(), self.code_prefix)
    }

    /// Text at which decoding stops: the closing fence on a line of its own.
    pub fn stop_text(&self) -> String {
        format!("\n{}", self.fence)
    }

    /// Code of an answer that continued [`answer_prefix`](Self::answer_prefix), without a second fence that the model
    /// may have put around it. It ends with one line end.
    pub fn extract_code(&self, answer: &str) -> String {
        let text = format!("{}{}", self.code_prefix, answer);
        let inner = match text.trim_start().split_once('\n') {
            Some((first_line, rest)) if first_line.starts_with("```") => rest,
            _ => &text,
        };
        let end = if inner.starts_with("```") { 0 } else { inner.find("\n```").unwrap_or(inner.len()) };
        let code = inner[..end].trim_start_matches('\n');
        format!("{}\n", code.trim_end())
    }

    /// The prompt once more, after an answer with a fault.
    pub fn retry(&self, code: &str, fault: &CodeFault) -> Self {
        let name = self.language.name();
        let complaint = match fault {
            CodeFault::Empty => "That is empty.".to_owned(),
            CodeFault::SyntaxError { number, text } => format!("Line {number} of this is not valid {name}: `{text}`."),
        };
        let mut messages = self.messages.clone();
        messages.push(Message::new(Role::Assistant, fenced_block(self.language, code)));
        messages.push(Message::new(Role::User, format!("{complaint} Write the whole code again, in valid {name}.")));
        Self { messages, ..self.clone() }
    }
}

/// Length to which the line of a syntax error is shown.
pub(super) const MAX_FAULT_CHARS: usize = 120;

/// Reason why a text is not code of a language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// The text is blank.
    #[error("nothing was written")]
    Empty,
    /// The first syntax error.
    #[error("line {number} has a syntax error: {text}")]
    SyntaxError {
        /// Line, from 1.
        number: usize,
        /// Text of the line.
        text: String,
    },
}

/// The first fault of code; `None` if there is none or the language has no grammar.
pub fn find_fault(language: Language, code: &str) -> Option<CodeFault> {
    const TAG: &str = "<?php\n";
    if code.trim().is_empty() {
        return Some(CodeFault::Empty);
    }
    // Without its opening tag, PHP is parsed as plain text.
    let tag = if language == Language::Php && !code.contains("<?") { TAG } else { "" };
    let whole = [tag, code].concat();
    let at = syntax::first_error_offset(&syntax::parse(language, &whole, None)?)?.saturating_sub(tag.len());
    let at = code.floor_char_boundary(at.min(code.len()));
    let number = 1 + code[..at].matches('\n').count();
    let text = code.lines().nth(number - 1).unwrap_or_default().trim();
    Some(CodeFault::SyntaxError { number, text: text.chars().take(MAX_FAULT_CHARS).collect() })
}

/// Removes the indentation that all lines share, blank ones aside, and returns the text and that indentation.
pub(crate) fn dedent(text: &str) -> (String, String) {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let indents = lines.map(|line| &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]);
    let shared = indents.reduce(|one, other| {
        let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        &one[..same]
    });
    let shared = shared.unwrap_or_default();
    let bare = text
        .split_inclusive('\n')
        .map(|line| line.strip_prefix(shared).unwrap_or_else(|| line.trim_start_matches([' ', '\t'])));
    (bare.collect(), shared.to_owned())
}

/// Puts an indentation before each line that is not blank.
pub(crate) fn indent(text: &str, indentation: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.map(|line| if line.trim().is_empty() { line.to_owned() } else { [indentation, line].concat() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(begun: &str) -> CodePrompt {
        CodePrompt::new(Language::Python, "Be brief.", "Write f.".into(), "x", begun)
    }

    #[test]
    fn snippets_stand_before_the_question() {
        let snippet = Snippet { path: "RULES.md".into(), text: "Be kind.\n".into(), origin: "rules".into() };
        let asked = wanted("").with_snippets(&[snippet]);
        let expected = "RULES.md (from the plugin rules):\n````\nBe kind.\n````\n\nWrite f.";
        assert_eq!((asked.messages[0].content.as_str(), asked.messages[1].content.as_str()), ("Be brief.", expected));
        assert_eq!(wanted("").with_snippets(&[]), wanted(""));
    }

    #[test]
    fn answers_continue_an_open_block() {
        let wanted = wanted("def f():");
        assert_eq!(wanted.answer_prefix(), "```python\ndef f():");
        assert_eq!(wanted.extract_code("\n    return 1\n```\nIt returns 1."), "def f():\n    return 1\n");
        assert_eq!(wanted.stop_text(), "\n```");
    }

    #[test]
    fn code_is_extracted_from_markdown() {
        for (answer, code) in [
            ("\n\nx = 1", "x = 1\n"),
            ("```python\nx = 1\n```\nThere.", "x = 1\n"),
            ("    x = 1\n    y = 2\n\n", "    x = 1\n    y = 2\n"),
            ("```", "\n"),
            ("", "\n"),
        ] {
            assert_eq!(wanted("").extract_code(answer), code, "{answer:?}");
        }
    }

    #[test]
    fn a_source_with_fences_gets_a_longer_fence() {
        let wanted = CodePrompt::new(Language::Markdown, "", String::new(), "````\nx\n````", "");
        assert_eq!((wanted.answer_prefix().as_str(), wanted.stop_text().as_str()), ("`````markdown\n", "\n`````"));
    }

    #[test]
    fn faults_name_the_line() {
        let say = |language, code| find_fault(language, code).map(|fault| fault.to_string());
        assert_eq!(say(Language::Python, "def f(x):\n    return x\n"), None);
        assert_eq!(say(Language::Php, "function f($x) { return $x; }\n"), None);
        assert_eq!(say(Language::Python, " \n").as_deref(), Some("nothing was written"));
        let wrong = say(Language::Rust, "fn f() {}\nfn g( {}\n").expect("a fault");
        assert!(wrong.starts_with("line 2 has a syntax error: fn g("), "{wrong}");
        assert!(say(Language::Php, "function f( { return; }\n").is_some_and(|it| it.starts_with("line 1")));
        let again = wanted("").retry("def f(:\n", &CodeFault::SyntaxError { number: 1, text: "def f(:".into() });
        assert!(again.messages[3].content.contains("Line 1") && again.messages[3].content.contains("`def f(:`"));
        assert!(again.messages[2].content.contains("```python\ndef f(:\n```"));
    }

    #[test]
    fn dedent_and_indent_are_inverse() {
        let text = "    if x:\n\n        y()\n    z()\n";
        let (bare, indentation) = dedent(text);
        assert_eq!((bare.as_str(), indentation.as_str()), ("if x:\n\n    y()\nz()\n", "    "));
        assert_eq!(indent(&bare, &indentation), text);
        assert_eq!(dedent("\n"), ("\n".into(), String::new()));
    }
}
