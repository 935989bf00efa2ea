//! Docstrings at the beginning of a Python body, and docstrings of files.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::body;
use super::item::{DocItem, DocstringPosition, ItemKind, Returns};
use crate::Language;

/// Returns the position of the docstring of a Python function or class, and the bytes of the existing one.
pub(super) fn position_in_body(node: Node<'_>, text: &str) -> Option<(DocstringPosition, Option<Range<usize>>)> {
    let body = node.child_by_field_name("body")?;
    let mut cursor = node.walk();
    let colon =
        node.children(&mut cursor).filter(|it| it.kind() == ":" && it.start_byte() < body.start_byte()).last()?;
    let first = first_statement(body);
    let existing = first.and_then(string_statement);
    let indentation = indentation(node, body, text);
    let place = if body.start_position().row == colon.start_position().row {
        DocstringPosition::AfterColon { gap: colon.end_byte()..body.start_byte(), indentation }
    } else {
        let at = text[colon.end_byte()..].find('\n').map_or(text.len(), |at| colon.end_byte() + at + 1);
        DocstringPosition::OwnLines { at, indentation }
    };
    Some((place, existing))
}

/// Returns the indentation of the body, or one step more than that of the definition if the body is on its line.
fn indentation(node: Node<'_>, body: Node<'_>, text: &str) -> String {
    let of = |at: usize| {
        let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
        &text[line..line + (text[line..].len() - text[line..].trim_start_matches([' ', '\t']).len())]
    };
    let (outer, inner) = (of(node.start_byte()), of(body.start_byte()));
    if inner.len() > outer.len() { inner.to_owned() } else { format!("{outer}    ") }
}

fn first_statement(block: Node<'_>) -> Option<Node<'_>> {
    let mut cursor = block.walk();
    block.named_children(&mut cursor).find(|it| it.kind() != "comment")
}

/// Returns the bytes of the string that a statement consists of.
pub(super) fn string_statement(statement: Node<'_>) -> Option<Range<usize>> {
    if statement.kind() != "expression_statement" || statement.named_child_count() != 1 {
        return None;
    }
    let expression = statement.named_child(0)?;
    if expression.kind() == "string" { Some(expression.byte_range()) } else { None }
}

/// Returns the item of a whole file; `None` for languages other than Python and Rust.
pub(super) fn module_item(language: Language, tree: &Tree, text: &str) -> Option<DocItem> {
    let root = tree.root_node();
    let (at, existing) = match language {
        Language::Python => (after_header(text), first_statement(root).and_then(string_statement)),
        Language::Rust => (0, inner_comments(text)),
        _ => return None,
    };
    Some(DocItem {
        kind: ItemKind::Module,
        name: String::new(),
        parameters: Vec::new(),
        type_parameters: Vec::new(),
        returns: Returns::Nothing,
        declares_no_result: false,
        raises: Vec::new(),
        range: 0..text.len(),
        existing,
        position: DocstringPosition::OwnLines { at, indentation: String::new() },
        nested: false,
        error_line: body::first_error_line(root),
    })
}

/// Returns the byte after the comments that a file begins with.
fn after_header(text: &str) -> usize {
    text.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum()
}

/// Returns the bytes of the `//!` lines at the beginning of a file.
fn inner_comments(text: &str) -> Option<Range<usize>> {
    let lines = text.split_inclusive('\n').take_while(|line| line.starts_with("//!"));
    let end = lines.map(str::len).sum::<usize>();
    if end == 0 {
        return None;
    }
    Some(0..text[..end].trim_end().len())
}
