//! A documented function of the file as the answer in a conversation: its body, asked for as `generate` asks live.

use std::ops::Range;

use crate::chat::Message;
use crate::random::Random;
use crate::request::Document;
use crate::tasks::code;
use crate::tasks::generate::GenerationTarget;
use crate::{Language, syntax};

/// Items of a file that are looked at.
const MAX_ITEMS: usize = 500;
/// Bytes of a function, at the most.
const MAX_FUNCTION_BYTES: usize = 2000;
/// Bytes above it that are shown, at the most.
const MAX_CONTEXT_BYTES: usize = 1000;

/// A question and its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Message>,
    /// What is written of the answer for the model.
    pub(super) answer_prefix: String,
    /// The rest.
    pub(super) answer: String,
    /// Where in the file the function stands.
    pub(super) bytes: Range<usize>,
}

/// A conversation about one of the functions of a piece of the file; none if none has words above or in it.
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

fn conversation_about(document: &Document, item: &syntax::SyntaxItem) -> Option<Conversation> {
    let (language, text) = (document.language, &*document.text);
    let body = documented_body(document, item)?;
    let hollow = [&text[..body.start], &text[body.end..]].concat();
    let tree = syntax::parse(language, &hollow, None);
    let line = text[..item.range.start].matches('\n').count();
    let hole = GenerationTarget::at(language, tree.as_ref(), &hollow, line).ok()?;
    let wanted = hole.prompt(language, &hollow, MAX_CONTEXT_BYTES);
    let bytes = hole.start()..item.range.end;
    let (whole, _) = code::dedent(text.get(bytes.clone())?);
    // The answer begins with the function, or with all that stands above it.
    let rest =
        [whole.as_str(), text.get(..item.range.end)?].into_iter().find_map(|it| it.strip_prefix(&*wanted.code_prefix));
    let rest = rest.filter(|rest| !rest.trim().is_empty())?;
    let answer = rest.trim_end().to_owned() + &wanted.stop_text();
    // What would be written live must be what stands there.
    let written = hole.insertion(language, &hollow, &wanted.extract_code(&answer)).apply(&hollow);
    (written == text).then(|| Conversation {
        answer_prefix: wanted.answer_prefix(),
        messages: wanted.messages,
        answer,
        bytes,
    })
}

/// What is asked for of an item that says in words what it does: what follows its docstring, or stands between its braces.
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
    (above.starts_with(mark) && inner.ends_with('}')).then_some(item.signature.end + open..item.range.end - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk_about(path: &str, text: &str) -> Option<Conversation> {
        let language = Language::from_path(path);
        let tree = syntax::parse(language, text, None);
        let document = Document { path: path.into(), language, text: text.into(), tree };
        draw_conversation(&document, &(0..text.len()), &mut Random::new(1))
    }

    #[test]
    fn the_body_of_a_documented_function_is_the_answer_to_what_generate_asks() {
        let text = "import os\n\n\nclass A:\n    def f(self, x):\n        \"\"\"Twice x.\"\"\"\n        y = x\n\n        return y + x\n\n    z = 1\n";
        let talk = talk_about("a.py", text).expect("a conversation");
        assert!(talk.messages[0].content.starts_with("Complete this Python function."), "{talk:?}");
        assert!(!talk.messages[0].content.contains("return"), "{talk:?}");
        assert!(talk.answer_prefix.ends_with("def f(self, x):\n    \"\"\"Twice x.\"\"\"\n"), "{talk:?}");
        assert_eq!(talk.answer, "    y = x\n\n    return y + x\n```");
        let text = "// One.\n\n// Twice x.\nfn f(x: u8) -> u8 {\n    x + x\n}\n\nfn g() {\n    f(1);\n}\n";
        assert_eq!(talk_about("a.rs", text).expect("a conversation").answer, "    x + x\n}\n```");
    }

    #[test]
    fn a_function_without_words_or_without_a_body_is_not_asked_for() {
        for text in ["def f(x):\n    return x\n", "def f(x):\n    \"\"\"Twice.\"\"\"\n", "x = 1\n"] {
            assert_eq!(talk_about("a.py", text), None, "{text:?}");
        }
    }
}
