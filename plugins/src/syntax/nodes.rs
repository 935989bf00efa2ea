//! A walk through a tree.

use tree_sitter::Node;

/// The nodes of a tree in its order, without what lies in nodes that are not `entered`.
pub(crate) fn nodes<'a>(root: Node<'a>, descend_into: impl Fn(Node<'a>) -> bool) -> impl Iterator<Item = Node<'a>> {
    let mut cursor = root.walk();
    let mut next = Some(root);
    std::iter::from_fn(move || {
        let node = next?;
        let down = descend_into(node) && cursor.goto_first_child();
        let on = down
            || loop {
                if cursor.goto_next_sibling() {
                    break true;
                }
                if !cursor.goto_parent() {
                    break false;
                }
            };
        next = on.then(|| cursor.node());
        Some(node)
    })
}
