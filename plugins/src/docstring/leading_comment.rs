//! Docstrings in comments above an item.

use std::ops::Range;

use tree_sitter::Node;

use super::item::DocstringPosition;
use crate::Language;

/// Byte order mark, which a file may begin with.
const BOM: char = '\u{feff}';

/// Returns the outermost node around a definition that belongs to it: `export`, decorators, `template <…>`, `typedef`.
pub(super) fn with_wrappers(node: Node<'_>) -> Node<'_> {
    const AROUND: &[&str] =
        &["export_statement", "decorated_definition", "template_declaration", "ambient_declaration", "type_definition"];
    let specifier = node.kind().ends_with("_specifier");
    let mut at = node;
    while let Some(parent) = at.parent() {
        let declares = specifier && matches!(parent.kind(), "declaration" | "field_declaration");
        if !AROUND.contains(&parent.kind()) && !declares {
            break;
        }
        at = parent;
    }
    at
}

/// Returns the position of a docstring above `node`, the bytes of the existing one, and those of the item with its
/// attributes.
pub(super) fn position_above(
    language: Language,
    node: Node<'_>,
    text: &str,
) -> (DocstringPosition, Option<Range<usize>>, Range<usize>) {
    let (top, existing) = attributes_and_docstring(language, node, text);
    let start = top.start_byte();
    let first = || if text.starts_with(BOM) { BOM.len_utf8() } else { 0 };
    let line = text[..start].rfind('\n').map_or_else(first, |at| at + 1);
    let indentation = &text[line..start];
    let place = if indentation.trim().is_empty() {
        DocstringPosition::OwnLines { at: line, indentation: indentation.to_owned() }
    } else {
        DocstringPosition::SharedLine
    };
    (place, existing, start..node.end_byte())
}

/// Returns the topmost attribute of an item, or the item itself, and the bytes of its docstring.
fn attributes_and_docstring<'a>(language: Language, node: Node<'a>, text: &str) -> (Node<'a>, Option<Range<usize>>) {
    let mut top = node;
    let mut comments: Vec<Node<'_>> = Vec::new();
    for above in std::iter::successors(node_above(node), |it| node_above(*it)) {
        let lowest = comments.last().copied().unwrap_or(top);
        let own = text.get(above.byte_range()).unwrap_or_default();
        let adjacent = last_row(above, own) + 1 >= lowest.start_position().row;
        let attribute = matches!(above.kind(), "attribute_item" | "decorator") || own.starts_with("//go:");
        if comments.is_empty() && attribute && adjacent {
            top = above;
        } else if above.kind().contains("comment")
            && adjacent
            && starts_line(above, text)
            && is_doc_comment(language, own)
        {
            comments.push(above);
            if own.starts_with("/*") {
                break;
            }
        } else {
            break;
        }
    }
    (top, comments.last().zip(comments.first()).map(|(first, last)| span(*first, *last, text)))
}

/// Returns the node above another. In Ruby, the node above the first member of a class lies outside the class's body.
fn node_above(node: Node<'_>) -> Option<Node<'_>> {
    let above_body =
        || node.parent().filter(|body| body.kind() == "body_statement").and_then(|body| body.prev_sibling());
    node.prev_sibling().or_else(above_body)
}

/// Returns the bytes from the first comment to the last letter of the last comment.
fn span(first: Node<'_>, last: Node<'_>, text: &str) -> Range<usize> {
    let own = text.get(last.byte_range()).unwrap_or_default();
    first.start_byte()..last.start_byte() + own.trim_end().len()
}

/// Returns the row of the last letter. In some grammars a comment includes its line end.
fn last_row(node: Node<'_>, own: &str) -> usize {
    node.start_position().row + own.trim_end().matches('\n').count()
}

/// Returns true if a comment begins its line. A comment at the end of a line of code belongs to that line.
fn starts_line(node: Node<'_>, text: &str) -> bool {
    text[..node.start_byte()].rsplit('\n').next().is_some_and(|before| before.trim_start_matches(BOM).trim().is_empty())
}

/// Returns true if a comment has the form of documentation.
fn is_doc_comment(language: Language, own: &str) -> bool {
    let slashes = own.starts_with("///") && !own.starts_with("////");
    let block = own.starts_with("/**") && !own.starts_with("/**/") && !own.starts_with("/***");
    match language {
        Language::Go => own.starts_with("//") || own.starts_with("/*"),
        Language::Ruby => own.starts_with('#') && !own.starts_with("#!") && !own.starts_with("# frozen_string_literal"),
        Language::Lua => own.starts_with("---") && !own.starts_with("----"),
        Language::C | Language::Cpp => slashes || block || own.starts_with("/*!") || own.starts_with("//!"),
        Language::Rust | Language::CSharp => slashes || block,
        _ => block,
    }
}
