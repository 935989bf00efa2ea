//! Chat samples: the body of a documented function as the answer to the prompt of the `generate` task.

use std::ops::Range;

use crate::chat::Message;
use crate::random::Random;
use crate::request::Document;
use crate::tasks::code;
use crate::tasks::generate::GenerationTarget;
use crate::{Language, syntax};

/// Number of items of a file that are considered.
const MAX_ITEMS: usize = 500;
/// Maximum length of a function.
const MAX_FUNCTION_BYTES: usize = 2000;
/// Maximum length of the text above it that is shown.
const MAX_CONTEXT_BYTES: usize = 1000;

/// A question and its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conversation {
    /// Messages before the answer.
    pub(super) messages: Vec<Message>,
    /// Beginning of the answer, which is given to the model.
    pub(super) answer_prefix: String,
    /// Rest of the answer.
    pub(super) answer: String,
    /// Byte range of the function in the file.
    pub(super) answer_range: Range<usize>,
}

/// Draws a conversation about a documented function in a piece of the file; `None` if it has no such function.
pub(super) fn draw_conversation(
    document: &Document,
    piece: &Range<usize>,
    random: &mut Random,
) -> Option<Conversation> {
    let tree = document.tree.as_ref()?;
    let inside = |item: &syntax::SyntaxItem| piece.start <= item.range.start && item.range.end <= piece.end;
    let mut items = syntax::items(tree, &document.text, MAX_ITEMS);
    items.retain(|item| inside(item) && item.range.len() <= MAX_FUNCTION_BYTES);
    random.shuffle(&mut items);
    items.iter().find_map(|item| conversation_about(document, item))
}

/// The conversation about an item; `None` if it has no documentation or body.
fn conversation_about(document: &Document, item: &syntax::SyntaxItem) -> Option<Conversation> {
    let (language, text) = (document.language, &*document.text);
    let body = documented_body(document, item)?;
    let without_body = [&text[..body.start], &text[body.end..]].concat();
    let tree = syntax::parse(language, &without_body, None);
    let line = text[..item.range.start].matches('\n').count();
    let target = GenerationTarget::at(language, tree.as_ref(), &without_body, line).ok()?;
    let prompt = target.prompt(language, &without_body, MAX_CONTEXT_BYTES);
    let answer_range = target.start()..item.range.end;
    let (function, _) = code::dedent(text.get(answer_range.clone())?);
    // The answer begins with the function, or with all text above it.
    let rest = [function.as_str(), text.get(..item.range.end)?]
        .into_iter()
        .find_map(|it| it.strip_prefix(&*prompt.code_prefix))?;
    if rest.trim().is_empty() {
        return None;
    }
    let answer = rest.trim_end().to_owned() + &prompt.stop_text();
    // The answer must reproduce the file exactly.
    let written = target.insertion(language, &without_body, &prompt.extract_code(&answer)).apply(&without_body);
    if written != text {
        return None;
    }
    let answer_prefix = prompt.answer_prefix();
    Some(Conversation { messages: prompt.messages, answer_prefix, answer, answer_range })
}

/// Byte range of the body of a documented item: the text after its docstring, or between its braces.
fn documented_body(document: &Document, item: &syntax::SyntaxItem) -> Option<Range<usize>> {
    let text = &*document.text;
    let inner = &text[item.signature.end..item.range.end];
    if document.language == Language::Python {
        let end = syntax::docstring_end(document.tree.as_ref()?, text, &(item.signature.end..item.range.end))?;
        return Some(end..item.range.end);
    }
    let above = text[..item.range.start].trim_end().lines().last()?.trim_start();
    let mark = document.language.line_comment().unwrap_or("//");
    let open = inner.len() - inner.trim_start().strip_prefix('{')?.len();
    if !above.starts_with(mark) || !inner.ends_with('}') {
        return None;
    }
    Some(item.signature.end + open..item.range.end - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation_in(path: &str, text: &str) -> Option<Conversation> {
        let language = Language::from_path(path);
        let tree = syntax::parse(language, text, None);
        let document = Document { path: path.into(), language, text: text.into(), tree };
        draw_conversation(&document, &(0..text.len()), &mut Random::new(1))
    }

    #[test]
    fn the_answer_is_the_body_of_a_documented_function() {
        let text = concat!(
            "import os\n\n\nclass A:\n    def f(self, x):\n        \"\"\"Twice x.\"\"\"\n",
            "        y = x\n\n        return y + x\n\n    z = 1\n",
        );
        let conversation = conversation_in("a.py", text).expect("a conversation");
        assert!(conversation.messages[0].content.starts_with("Complete this Python function."), "{conversation:?}");
        assert!(!conversation.messages[0].content.contains("return"), "{conversation:?}");
        assert!(
            conversation.answer_prefix.ends_with("def f(self, x):\n    \"\"\"Twice x.\"\"\"\n"),
            "{conversation:?}"
        );
        assert_eq!(conversation.answer, "    y = x\n\n    return y + x\n```");
        let text = "// One.\n\n// Twice x.\nfn f(x: u8) -> u8 {\n    x + x\n}\n\nfn g() {\n    f(1);\n}\n";
        assert_eq!(conversation_in("a.rs", text).expect("a conversation").answer, "    x + x\n}\n```");
    }

    #[test]
    fn functions_without_documentation_or_body_are_skipped() {
        for text in ["def f(x):\n    return x\n", "def f(x):\n    \"\"\"Twice.\"\"\"\n", "x = 1\n"] {
            assert_eq!(conversation_in("a.py", text), None, "{text:?}");
        }
    }
}
