//! Task `translate`: code in another programming language.
//!
//! A text that exceeds the model's context is split between its items. The translated pieces are joined with their
//! imports at the top.

use std::collections::HashSet;
use std::ops::Range;

use tree_sitter::Tree;

use super::code::CodePrompt;
use crate::{Language, syntax};

/// The target language with this name, LSP id or file extension.
///
/// # Errors
/// If no programming language is called so; the message lists all of them.
pub fn target_language(name: &str) -> Result<Language, UnknownTarget> {
    match Language::from_name(name) {
        Some(language) if language.is_programming_language() => Ok(language),
        _ => Err(UnknownTarget(name.to_owned())),
    }
}

/// Name of a target language that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no language {0:?} to translate into: say {names}", names = target_names())]
pub struct UnknownTarget(String);

fn target_names() -> String {
    let all: Vec<_> = Language::all().filter(|it| it.is_programming_language()).map(Language::name).collect();
    all.join(", ")
}

/// Prompt for the translation of `source`, which begins with `signature` unless that is empty.
pub fn prompt(from: Language, to: Language, source: &str, signature: &str) -> CodePrompt {
    let (old, new) = (from.name(), to.name());
    let system = format!("You translate {old} code to {new}. Keep names, comments and behaviour. Give only code.");
    let begins = if signature.is_empty() { String::new() } else { format!(" It begins with `{signature}`.") };
    let block = super::code::fenced_block(from, source);
    let question = format!("{block}\n\nWrite this {old} code in {new}, so that it does exactly the same.{begins}");
    CodePrompt::new(to, &system, question, source, signature)
}

/// Splits `range` of a text between its top-level items into pieces of at most `max_bytes` bytes, except for a single
/// item that is longer. Comments stay with the item below them.
pub fn split(tree: Option<&Tree>, text: &str, range: Range<usize>, max_bytes: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = range.start;
    let mut end = range.start;
    for next in item_ends(tree, &range) {
        if next - start > max_bytes && end > start {
            pieces.push(start..end);
            start = end;
        }
        end = next;
    }
    pieces.push(start..range.end);
    pieces.retain(|piece| !text[piece.clone()].trim().is_empty());
    pieces
}

/// Ends of the top-level items inside the range, and the end of the range.
fn item_ends(tree: Option<&Tree>, range: &Range<usize>) -> Vec<usize> {
    let mut ends = Vec::new();
    if let Some(tree) = tree {
        let root = tree.root_node();
        let mut cursor = root.walk();
        let items = root.named_children(&mut cursor).filter(|node| !node.kind().contains("comment"));
        ends.extend(items.map(|node| node.end_byte()).filter(|end| range.start < *end && *end < range.end));
    }
    ends.push(range.end);
    ends
}

/// Joins translated pieces. Imports come once, at the top.
pub fn join(to: Language, pieces: &[String]) -> String {
    if let [only] = pieces {
        return only.clone();
    }
    let mut seen = HashSet::new();
    let (mut imports, mut rest) = (String::new(), Vec::new());
    for piece in pieces {
        let tree = syntax::parse(to, piece, None);
        let mut without_imports = piece.clone();
        for range in tree.iter().flat_map(syntax::import_ranges).collect::<Vec<_>>().into_iter().rev() {
            without_imports.replace_range(range, "");
        }
        for range in tree.iter().flat_map(syntax::import_ranges) {
            let import = piece[range].trim();
            if seen.insert(import.to_owned()) {
                imports.push_str(import);
                imports.push('\n');
            }
        }
        rest.push(without_imports.trim_matches('\n').to_owned());
    }
    rest.retain(|piece| !piece.trim().is_empty());
    let gap = if to == Language::Python { "\n\n\n" } else { "\n\n" };
    let all = [imports.trim_end().to_owned(), rest.join(gap)];
    format!("{}\n", all.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_target_lists_the_known_ones() {
        assert_eq!(target_language("c++"), Ok(Language::Cpp));
        for name in ["Klingon", "json", ""] {
            let error = target_language(name).expect_err(name).to_string();
            assert!(error.contains("Python, Rust, JavaScript") && !error.contains("JSON"), "{error}");
        }
    }

    #[test]
    fn the_prompt_contains_the_code_and_the_signature() {
        let wanted = prompt(Language::Java, Language::Python, "int f() { return 1; }\n", "def f():");
        assert_eq!(wanted.answer_prefix(), "```python\ndef f():");
        let asked = &wanted.messages[1].content;
        assert!(asked.starts_with("```java\nint f() { return 1; }\n```\n") && asked.contains("`def f():`"), "{asked}");
    }

    fn cut(text: &str, room: usize) -> Vec<&str> {
        let tree = syntax::parse(Language::Python, text, None);
        split(tree.as_ref(), text, 0..text.len(), room).into_iter().map(|piece| &text[piece]).collect()
    }

    #[test]
    fn a_text_is_split_between_its_items() {
        let text = "import os\n\ndef f():\n    return 1\n\n# Two.\ndef g():\n    return 2\n";
        assert_eq!(cut(text, 1000), [text]);
        assert_eq!(cut(text, 40), ["import os\n\ndef f():\n    return 1", "\n\n# Two.\ndef g():\n    return 2\n"]);
        assert_eq!(cut(text, 1).len(), 3);
    }

    #[test]
    fn imports_are_joined_at_the_top() {
        let pieces = ["import math\n\ndef f():\n    pass\n", "import math\nimport re\n\ndef g():\n    pass\n"]
            .map(str::to_owned);
        let text = join(Language::Python, &pieces);
        assert_eq!(text, "import math\nimport re\n\ndef f():\n    pass\n\n\ndef g():\n    pass\n");
        assert_eq!(join(Language::Python, &pieces[..1]), pieces[0]);
    }
}
