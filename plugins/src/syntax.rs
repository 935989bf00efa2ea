//! Queries on syntax trees: regions, definitions, imports, statements and errors.
//!
//! The texts are a user's, so nothing may depend on their shape: parsing has a time limit, and no function recurses
//! over the tree, however deep it is. Without a tree, answers are those for plain text.

mod docstrings;
mod nodes;

use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use tree_sitter::{Node, ParseOptions, Parser, Tree};

use crate::Language;

pub(crate) use docstrings::{docstring_end, docstring_ranges};
pub(crate) use nodes::nodes;

/// Time limit of a parse.
const PARSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Limit of [`count_errors`].
const MAX_COUNTED_ERRORS: usize = 64;

/// Syntax tree of `text`; `None` for plain text and after 500 ms. `old` is the tree of an earlier
/// text to which all edits since have been applied.
pub fn parse(language: Language, text: &str, old: Option<&Tree>) -> Option<Tree> {
    parse_within(language, text, old, PARSE_TIMEOUT)
}

/// Parses as [`parse`] does, with another time limit.
pub(crate) fn parse_within(language: Language, text: &str, old: Option<&Tree>, limit: Duration) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&language.grammar()?).ok()?;
    let deadline = Instant::now() + limit;
    let mut progress = |_: &tree_sitter::ParseState| {
        if Instant::now() > deadline { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let bytes = text.as_bytes();
    let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
    parser.parse_with_options(&mut read, old, Some(ParseOptions::new().progress_callback(&mut progress)))
}

/// Kind of text at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Region {
    /// Program text.
    Code,
    /// A comment or doc comment.
    Comment,
    /// The inside of a string.
    String,
}

/// Region of the byte left of `offset`.
pub(crate) fn region_at(tree: Option<&Tree>, offset: usize) -> Region {
    let Some(tree) = tree else { return Region::Code };
    let at = offset.saturating_sub(1);
    let mut node = tree.root_node().descendant_for_byte_range(at, at);
    while let Some(it) = node {
        let kind = it.kind();
        if kind.contains("comment") {
            return Region::Comment;
        }
        let inside = it.start_byte() < offset && offset < it.end_byte();
        let string = kind.contains("string") || kind.contains("char_literal") || kind == "heredoc_body";
        if string && !kind.contains("interpolation") && inside {
            return Region::String;
        }
        node = it.parent();
    }
    Region::Code
}

/// A named definition: a function, class, module, constant or the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxItem {
    /// Name of the item.
    pub name: String,
    /// Node kind of the grammar, for example `function_definition`.
    pub kind: String,
    /// Byte range of the whole item.
    pub range: Range<usize>,
    /// Byte range from its start to the start of its body.
    pub signature: Range<usize>,
}

/// Returns true for a node kind that defines a name, in any grammar.
fn is_definition(kind: &str) -> bool {
    const KINDS: &[&str] = &[
        "type_spec",
        "impl_item",
        "class",
        "module",
        "method",
        "singleton_method",
        "type_alias",
        "function_definition",
        "function_declaration",
        "class_definition",
        "class_declaration",
        "method_definition",
        "method_declaration",
        "constructor_declaration",
        "interface_declaration",
        "enum_declaration",
        "struct_declaration",
        "record_declaration",
        "trait_declaration",
        "type_alias_declaration",
        "namespace_definition",
        "function_item",
        "function_signature_item",
        "struct_item",
        "enum_item",
        "trait_item",
        "mod_item",
        "type_item",
        "const_item",
        "static_item",
        "macro_definition",
        "struct_specifier",
        "class_specifier",
        "enum_specifier",
        "type_definition",
    ];
    KINDS.contains(&kind)
}

/// The item that a node defines.
fn item_of_node(node: Node<'_>, text: &str) -> Option<SyntaxItem> {
    if !is_definition(node.kind()) {
        return None;
    }
    let body = node.child_by_field_name("body").or_else(|| node.child_by_field_name("type").filter(Node::is_named));
    let end = body.map_or(node.end_byte(), |body| body.start_byte());
    let name = name_node(node)?;
    let name = text.get(name.byte_range())?.to_owned();
    Some(SyntaxItem { name, kind: node.kind().into(), range: node.byte_range(), signature: node.start_byte()..end })
}

/// Node with the name of a definition. In C it lies inside nested declarators.
fn name_node(node: Node<'_>) -> Option<Node<'_>> {
    let mut at = node;
    for _ in 0..16 {
        if let Some(name) = at.child_by_field_name("name") {
            return Some(name);
        }
        match at.child_by_field_name("declarator").or_else(|| at.child_by_field_name("type")) {
            Some(inner) if inner.child_count() == 0 => return Some(inner),
            Some(inner) => at = inner,
            None => return None,
        }
    }
    None
}

/// Items around `offset`, the outermost first.
pub fn enclosing_items(tree: &Tree, text: &str, offset: usize) -> Vec<SyntaxItem> {
    let mut items = Vec::new();
    let mut node = tree.root_node();
    let mut cursor = node.walk();
    while cursor.goto_first_child_for_byte(offset.saturating_sub(1)).is_some() {
        node = cursor.node();
        if node.start_byte() >= offset {
            break;
        }
        items.extend(item_of_node(node, text));
    }
    items
}

/// Items of a text in its order, at most `max_items`.
pub(crate) fn items(tree: &Tree, text: &str, max_items: usize) -> Vec<SyntaxItem> {
    let mut items = Vec::new();
    let mut cursor = tree.walk();
    loop {
        items.extend(item_of_node(cursor.node(), text));
        if items.len() >= max_items {
            return items;
        }
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return items;
            }
        }
    }
}

/// Returns true for a node kind that groups statements or members.
fn is_block(kind: &str) -> bool {
    const KINDS: &[&str] = &[
        "block",
        "statement_block",
        "compound_statement",
        "body_statement",
        "do_block",
        "do_group",
        "declaration_list",
        "field_declaration_list",
        "class_body",
        "interface_body",
        "enum_body",
        "constructor_body",
        "switch_body",
        "switch_block",
        "match_block",
    ];
    KINDS.contains(&kind)
}

/// Returns true for a node kind that is an element of a block.
fn is_statement(kind: &str) -> bool {
    const WHOLE: &[&str] = &[
        "method",
        "class",
        "module",
        "if",
        "unless",
        "while",
        "until",
        "for",
        "case",
        "begin",
        "if_expression",
        "match_expression",
        "for_expression",
        "while_expression",
        "loop_expression",
    ];
    let parts = ["statement", "declaration", "definition", "_item"];
    WHOLE.contains(&kind) || parts.iter().any(|part| kind.contains(part)) && !is_block(kind)
}

/// End of the innermost block around `at` that begins at or before `offset`; `None` outside all blocks and if the block
/// has syntax errors.
pub(crate) fn block_end(tree: &Tree, offset: usize, at: usize) -> Option<usize> {
    let mut node = tree.root_node().descendant_for_byte_range(at, at + 1);
    while let Some(it) = node.filter(|it| !it.is_error()) {
        if is_block(it.kind()) && it.start_byte() <= offset {
            return if it.has_error() { None } else { Some(it.end_byte()) };
        }
        node = it.parent();
    }
    None
}

/// End of the outermost statement that begins at or after `from` and continues past `offset`; `None` if there is none
/// and if it has syntax errors.
pub(crate) fn statement_end(tree: &Tree, text: &str, from: usize, offset: usize) -> Option<usize> {
    let last = text.get(from..offset)?.trim_end();
    let at = from + last.len().checked_sub(1)?;
    let mut node = tree.root_node().descendant_for_byte_range(at, at + 1);
    let mut outermost = None;
    while let Some(it) = node.filter(|it| it.start_byte() >= from) {
        if it.is_error() {
            return None;
        }
        if is_statement(it.kind()) && it.end_byte() > offset {
            outermost = Some(it);
        }
        node = it.parent();
    }
    outermost.filter(|it| !it.has_error()).map(|it| it.end_byte())
}

/// Byte ranges of the imports at the top level of a text, in its order.
pub(crate) fn import_ranges(tree: &Tree) -> Vec<Range<usize>> {
    const KINDS: &[&str] = &[
        "import_statement",
        "import_from_statement",
        "future_import_statement",
        "use_declaration",
        "extern_crate_declaration",
        "import_declaration",
        "package_declaration",
        "package_clause",
        "preproc_include",
        "using_directive",
        "namespace_use_declaration",
    ];
    let root = tree.root_node();
    let mut cursor = root.walk();
    let children = root.children(&mut cursor);
    children.filter(|node| KINDS.contains(&node.kind())).map(|node| node.byte_range()).take(200).collect()
}

/// Number of error and missing nodes that touch `range`, up to 64.
pub fn count_errors(tree: &Tree, range: &Range<usize>) -> usize {
    let mut count = 0;
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        let touches = node.start_byte() <= range.end && node.end_byte() >= range.start;
        if touches && (node.is_error() || node.is_missing()) {
            count += 1;
            if count >= MAX_COUNTED_ERRORS {
                return count;
            }
        }
        if touches && node.has_error() && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return count;
            }
        }
    }
}

/// Byte offset of the first syntax error; `None` without errors.
pub(crate) fn first_error_offset(tree: &Tree) -> Option<usize> {
    let mut cursor = tree.walk();
    let mut found = None;
    // Descend through the nodes that contain an error to the innermost one.
    loop {
        let node = cursor.node();
        if node.is_error() || node.is_missing() {
            found = Some(node.start_byte());
        }
        if !node.has_error() || !cursor.goto_first_child() {
            return found;
        }
        while !cursor.node().has_error() {
            if !cursor.goto_next_sibling() {
                return found;
            }
        }
    }
}

/// Identifiers and keywords of at least three bytes near `offset`: those before it, the nearest first, then those after
/// it, each once. `reach` is the distance before the offset in bytes; a quarter of it applies after.
pub(crate) fn identifiers_near(text: &str, offset: usize, reach: usize) -> Vec<&str> {
    let from = text.floor_char_boundary(offset.saturating_sub(reach));
    let to = text.floor_char_boundary(offset + reach / 4);
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text[from..offset].rsplit(|c| !word(c));
    let after = text[offset..to].split(|c| !word(c));
    let mut names = Vec::new();
    for name in before.chain(after) {
        let named = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
        if named && name.len() > 2 && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests;
