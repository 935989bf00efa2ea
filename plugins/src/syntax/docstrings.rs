//! Byte ranges of docstrings and doc comments.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::nodes;

/// Docstrings of Python and doc comments before an item (`///`, `/** */`), in the order of the text, without their
/// opening and closing marks. At most `max_docstrings`.
pub(crate) fn docstring_ranges(tree: &Tree, text: &str, max_docstrings: usize) -> Vec<Range<usize>> {
    let found = nodes(tree.root_node(), |_| true).filter_map(|node| match node.kind() {
        "string" => string_docstring(node),
        kind if kind.contains("comment") => doc_comment_range(node, text),
        _ => None,
    });
    found.filter(|range| text.get(range.clone()).is_some_and(|it| !it.trim().is_empty())).take(max_docstrings).collect()
}

/// End of the docstring that opens the Python body at `body`, behind its quotes.
pub(crate) fn docstring_end(tree: &Tree, text: &str, body: &Range<usize>) -> Option<usize> {
    const MAX_DOCSTRINGS: usize = 1000;
    let doc = docstring_ranges(tree, text, MAX_DOCSTRINGS)
        .into_iter()
        .find(|doc| body.start <= doc.start && doc.end <= body.end)?;
    let opens = text[body.start..doc.start].trim().trim_matches(['"', '\'', 'r']).is_empty();
    let quotes = text[doc.end..].len() - text[doc.end..].trim_start_matches(['"', '\'']).len();
    if opens { Some(doc.end + quotes) } else { None }
}

/// Inner range of a string that is the first statement of a Python module, class or function.
fn string_docstring(string: Node<'_>) -> Option<Range<usize>> {
    let statement = string.parent().filter(|it| it.kind() == "expression_statement")?;
    let mut above = std::iter::successors(statement.prev_named_sibling(), |it| it.prev_named_sibling());
    let first = above.all(|it| it.kind() == "comment");
    let block = statement.parent()?;
    let documents = |it: Node<'_>| matches!(it.kind(), "function_definition" | "class_definition");
    let mut cursor = string.walk();
    let children: Vec<Node<'_>> = string.children(&mut cursor).collect();
    let (open, close) = (children.first()?, children.last().filter(|it| it.kind() == "string_end")?);
    let is_docstring = first && (block.kind() == "module" || block.parent().is_some_and(documents));
    if is_docstring { Some(open.end_byte()..close.start_byte()) } else { None }
}

/// Inner range of a doc comment that documents an item below: a block comment, or the first of several line comments.
fn doc_comment_range(node: Node<'_>, text: &str) -> Option<Range<usize>> {
    let own = text.get(node.byte_range())?.trim_end();
    let (last, range) = match own.strip_prefix("/**").and_then(|inner| inner.strip_suffix("*/")) {
        Some(inner) => {
            let start = node.start_byte() + 3 + (inner.len() - inner.trim_start_matches(' ').len());
            (node, start..node.start_byte() + 3 + inner.trim_end().len())
        }
        None if is_doc_line(node, text) && !node.prev_sibling().is_some_and(|above| is_doc_line(above, text)) => {
            let below = std::iter::successors(Some(node), |it| it.next_sibling().filter(|it| is_doc_line(*it, text)));
            let last = below.last()?;
            let start = node.start_byte() + 3 + usize::from(own[3..].starts_with(' '));
            (last, start..last.start_byte() + text.get(last.byte_range())?.trim_end().len())
        }
        None => return None,
    };
    let mut below = std::iter::successors(last.next_named_sibling(), |it| it.next_named_sibling());
    let documented = below.find(|it| it.kind() != "attribute_item");
    let is_item = documented.is_some_and(|it| !it.kind().contains("comment"));
    if is_item && range.start <= range.end { Some(range) } else { None }
}

/// Returns true for a comment that begins with exactly three slashes.
fn is_doc_line(node: Node<'_>, text: &str) -> bool {
    let own = text.get(node.byte_range()).unwrap_or_default();
    node.kind().contains("comment") && own.starts_with("///") && !own.starts_with("////")
}
