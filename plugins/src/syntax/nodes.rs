//! Iteration over the nodes of a tree, without recursion.

use tree_sitter::Node;

/// Nodes below `root` in the order of the text, parents first. Children of nodes for which `descend_into` is false are
/// left out.
pub(crate) fn nodes<'a>(root: Node<'a>, descend_into: impl Fn(Node<'a>) -> bool) -> impl Iterator<Item = Node<'a>> {
    let mut cursor = root.walk();
    let mut next = Some(root);
    std::iter::from_fn(move || {
        let node = next?;
        next = None;
        if descend_into(node) && cursor.goto_first_child() {
            next = Some(cursor.node());
            return Some(node);
        }
        loop {
            if cursor.goto_next_sibling() {
                next = Some(cursor.node());
                break;
            }
            if !cursor.goto_parent() {
                break;
            }
        }
        Some(node)
    })
}
