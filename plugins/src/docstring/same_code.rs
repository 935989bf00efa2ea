//! Whether two texts are the same program.

use tree_sitter::{Node, Tree};

use super::body_docstring;
use crate::Language;
use crate::syntax::nodes;

/// Whether two texts differ in nothing but comments and docstrings: their trees without those are the same, node by node.
pub fn same_code(language: Language, (one, text): (&Tree, &str), (other, other_text): (&Tree, &str)) -> bool {
    let left =
        code_nodes(language, one).map(|node| (node.kind_id(), code_child_count(language, node), leaf_text(node, text)));
    let right = code_nodes(language, other)
        .map(|node| (node.kind_id(), code_child_count(language, node), leaf_text(node, other_text)));
    left.eq(right)
}

/// All nodes but comments, docstrings and what lies in them.
fn code_nodes(language: Language, tree: &Tree) -> impl Iterator<Item = Node<'_>> {
    let code = move |node: Node<'_>| !is_comment(language, node);
    nodes(tree.root_node(), code).filter(move |node| code(*node))
}

fn is_comment(language: Language, node: Node<'_>) -> bool {
    node.kind().contains("comment") || language == Language::Python && is_python_docstring(node)
}

/// How many children are code: with it, the order of the nodes decides the tree.
fn code_child_count(language: Language, node: Node<'_>) -> usize {
    let mut cursor = node.walk();
    node.children(&mut cursor).filter(|it| !is_comment(language, *it)).count()
}

/// The text of a leaf. Blanks between statements are not code.
fn leaf_text<'a>(node: Node<'_>, text: &'a str) -> &'a str {
    let own = text.get(node.byte_range()).unwrap_or_default();
    if node.child_count() > 0 || own.trim().is_empty() { "" } else { own }
}

/// A string that stands first in a module, a class or a function of Python.
fn is_python_docstring(node: Node<'_>) -> bool {
    let stands = |block: Node<'_>| {
        let of_item = block.parent().is_some_and(|it| matches!(it.kind(), "function_definition" | "class_definition"));
        block.kind() == "module" || block.kind() == "block" && of_item
    };
    let mut above = std::iter::successors(node.prev_named_sibling(), |it| it.prev_named_sibling());
    body_docstring::string_statement(node).is_some()
        && node.parent().is_some_and(stands)
        && above.all(|it| it.kind() == "comment")
}
