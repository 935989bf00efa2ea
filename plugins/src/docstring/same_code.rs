//! Comparison of two programs without their comments and docstrings.

use tree_sitter::{Node, Tree};

use super::body_docstring::string_statement;
use crate::Language;
use crate::syntax::nodes;

/// Returns true if two texts differ only in comments and docstrings: without those, their trees are the same node by
/// node.
pub fn same_code(language: Language, (one, text): (&Tree, &str), (other, other_text): (&Tree, &str)) -> bool {
    let left =
        code_nodes(language, one).map(|node| (node.kind_id(), code_child_count(language, node), leaf_text(node, text)));
    let right = code_nodes(language, other)
        .map(|node| (node.kind_id(), code_child_count(language, node), leaf_text(node, other_text)));
    left.eq(right)
}

/// Returns all nodes in order, without comments, docstrings and the nodes inside them.
fn code_nodes(language: Language, tree: &Tree) -> impl Iterator<Item = Node<'_>> {
    let is_code = move |node: Node<'_>| !is_comment(language, node);
    nodes(tree.root_node(), is_code).filter(move |node| is_code(*node))
}

fn is_comment(language: Language, node: Node<'_>) -> bool {
    node.kind().contains("comment") || language == Language::Python && is_python_docstring(node)
}

/// Returns the number of children that are code. With it, the order of the nodes determines the tree.
fn code_child_count(language: Language, node: Node<'_>) -> usize {
    let mut cursor = node.walk();
    node.children(&mut cursor).filter(|it| !is_comment(language, *it)).count()
}

/// Returns the text of a leaf, empty for blanks between statements and for inner nodes.
fn leaf_text<'a>(node: Node<'_>, text: &'a str) -> &'a str {
    let own = text.get(node.byte_range()).unwrap_or_default();
    if node.child_count() > 0 || own.trim().is_empty() { "" } else { own }
}

/// Returns true for a string that is the first statement of a Python module, class or function.
fn is_python_docstring(node: Node<'_>) -> bool {
    let is_item_body = |block: Node<'_>| {
        let parent_is_item =
            block.parent().is_some_and(|it| matches!(it.kind(), "function_definition" | "class_definition"));
        block.kind() == "module" || block.kind() == "block" && parent_is_item
    };
    let mut above = std::iter::successors(node.prev_named_sibling(), |it| it.prev_named_sibling());
    string_statement(node).is_some()
        && node.parent().is_some_and(is_item_body)
        && above.all(|it| it.kind() == "comment")
}
