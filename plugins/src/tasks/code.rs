//! Code that a chat model is asked for. It is written in a block of Markdown that is opened for the model, so that even a small
//! one writes code and nothing else; what the code begins with can be given, too.

use crate::chat::{Message, Role};
use crate::{Language, Snippet, syntax};

/// A text in a fence that it cannot close.
pub fn fenced(language: Language, text: &str) -> String {
    let fence = fence_for(text);
    format!("{fence}{}\n{}\n{fence}", language.lsp_id(), text.trim_end())
}

/// What plugins want a chat model to read before a question, each in a fence that it cannot close.
pub fn from_elsewhere(snippets: &[Snippet]) -> String {
    let shown = snippets.iter().map(|snippet| {
        let text = snippet.text.trim_end().replace("````", "```");
        format!("{} (from the plugin {}):\n````\n{text}\n````\n\n", snippet.path, snippet.origin)
    });
    shown.collect()
}

fn fence_for(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

/// A question whose answer is code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePrompt {
    /// What is said to the model.
    pub messages: Vec<Message>,
    /// What it is to write.
    pub language: Language,
    /// What the code begins with: the model goes on there.
    pub code_prefix: String,
    fence: String,
}

impl CodePrompt {
    /// A question about `source`; the answer begins with `begun`. With an empty `system` the model is what its template says.
    pub fn new(language: Language, system: &str, question: String, source: &str, begun: &str) -> Self {
        let mut messages = vec![Message::new(Role::System, system), Message::new(Role::User, question)];
        messages.retain(|message| !message.content.is_empty());
        Self { messages, language, code_prefix: begun.to_owned(), fence: fence_for(source) }
    }

    /// The question behind snippets from elsewhere.
    pub fn with_snippets(&self, snippets: &[Snippet]) -> Self {
        let mut messages = self.messages.clone();
        if let Some(question) = messages.iter_mut().find(|message| message.role == Role::User) {
            question.content = from_elsewhere(snippets) + &question.content;
        }
        Self { messages, ..self.clone() }
    }

    /// What the answer begins with.
    pub fn answer_prefix(&self) -> String {
        format!("{}{}\n{}", self.fence, self.language.lsp_id(), self.code_prefix)
    }

    /// The text that ends the answer.
    pub fn stop_text(&self) -> String {
        format!("\n{}", self.fence)
    }

    /// The code of an answer that went on behind the opening, without a second fence that a model may have put around it.
    pub fn extract_code(&self, answer: &str) -> String {
        let text = format!("{}{}", self.code_prefix, answer);
        let begins = text.trim_start();
        let inner = match begins.split_once('\n').filter(|(first, _)| first.starts_with("```")) {
            Some((_, rest)) => rest,
            None => &text,
        };
        let end = inner.find("\n```").unwrap_or(inner.len());
        let end = if inner.starts_with("```") { 0 } else { end };
        let code = &inner[..end];
        let blank = code.len() - code.trim_start_matches(['\n', '\r']).len();
        format!("{}\n", code[blank..].trim_end())
    }

    /// The question once more, after an answer that was no code of the language.
    pub fn retry(&self, code: &str, fault: &CodeFault) -> Self {
        let name = self.language.name();
        let wrong = match fault {
            CodeFault::Empty => "That is empty.".to_owned(),
            CodeFault::SyntaxError { number, text } => format!("Line {number} of this is not valid {name}: `{text}`."),
        };
        let mut messages = self.messages.clone();
        messages.push(Message::new(Role::Assistant, fenced(self.language, code)));
        messages.push(Message::new(Role::User, format!("{wrong} Write the whole code again, in valid {name}.")));
        Self { messages, ..self.clone() }
    }
}

/// Why a text is no code of a language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// There is nothing.
    #[error("nothing was written")]
    Empty,
    /// The first error of the syntax.
    #[error("line {number} has a syntax error: {text}")]
    SyntaxError {
        /// The line, from 1.
        number: usize,
        /// What stands there.
        text: String,
    },
}

/// What is wrong with the syntax of code; `None` if nothing is, or if the language has no grammar.
pub fn fault(language: Language, code: &str) -> Option<CodeFault> {
    const TAG: &str = "<?php\n";
    if code.trim().is_empty() {
        return Some(CodeFault::Empty);
    }
    // Without its tag, all of PHP is text.
    let tag = if language == Language::Php && !code.contains("<?") { TAG } else { "" };
    let whole = [tag, code].concat();
    let at = syntax::first_error_offset(&syntax::parse(language, &whole, None)?)?.saturating_sub(tag.len());
    let at = code.floor_char_boundary(at.min(code.len()));
    let number = 1 + code[..at].matches('\n').count();
    let text = code.lines().nth(number - 1).unwrap_or_default().trim();
    Some(CodeFault::SyntaxError { number, text: text.chars().take(120).collect() })
}

/// The text without the indentation that its lines share, and that indentation. Empty lines do not count.
pub fn dedented(text: &str) -> (String, String) {
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

/// The text with this before each line that is not empty.
pub fn indented(text: &str, indent: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.map(|line| if line.trim().is_empty() { line.to_owned() } else { [indent, line].concat() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(begun: &str) -> CodePrompt {
        CodePrompt::new(Language::Python, "Be brief.", "Write f.".into(), "x", begun)
    }

    #[test]
    fn what_plugins_show_stands_before_the_question() {
        let snippet = Snippet { path: "RULES.md".into(), text: "Be kind.\n".into(), origin: "rules".into() };
        let asked = wanted("").with_snippets(&[snippet]);
        let expected = "RULES.md (from the plugin rules):\n````\nBe kind.\n````\n\nWrite f.";
        assert_eq!((asked.messages[0].content.as_str(), asked.messages[1].content.as_str()), ("Be brief.", expected));
        assert_eq!(wanted("").with_snippets(&[]), wanted(""));
    }

    #[test]
    fn an_answer_goes_on_in_a_block_that_is_open() {
        let wanted = wanted("def f():");
        assert_eq!(wanted.answer_prefix(), "```python\ndef f():");
        assert_eq!(wanted.extract_code("\n    return 1\n```\nIt returns 1."), "def f():\n    return 1\n");
        assert_eq!(wanted.stop_text(), "\n```");
    }

    #[test]
    fn the_code_is_taken_out_of_whatever_markdown_is_around_it() {
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
    fn a_source_with_fences_gets_a_longer_one() {
        let wanted = CodePrompt::new(Language::Markdown, "", String::new(), "````\nx\n````", "");
        assert_eq!((wanted.answer_prefix().as_str(), wanted.stop_text().as_str()), ("`````markdown\n", "\n`````"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let say = |language, code| fault(language, code).map(|fault| fault.to_string());
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
    fn indentation_is_taken_off_and_put_back() {
        let text = "    if x:\n\n        y()\n    z()\n";
        let (bare, indent) = dedented(text);
        assert_eq!((bare.as_str(), indent.as_str()), ("if x:\n\n    y()\nz()\n", "    "));
        assert_eq!(indented(&bare, &indent), text);
        assert_eq!(dedented("\n"), ("\n".into(), String::new()));
    }
}
