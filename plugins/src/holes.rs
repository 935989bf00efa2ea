//! Holes for evaluation: parts of a text that are removed and asked for again. They are lines, rests of lines, bodies
//! of blocks, argument lists and method calls.
//!
//! The node kinds of each grammar are a row in a table (`grammars`); no other code here depends on a language.

mod grammars;
mod hole;
mod lines;

use std::ops::Range;

use tree_sitter::{Node, Tree};

use crate::Language;
use grammars::{HOLE_GRAMMARS, HoleGrammar, hole_grammar};

pub use hole::{Hole, HoleKind};
pub use lines::cursor_in_line;

/// Maximum length of a block in lines; longer suggestions are rarely shown whole.
const MAX_BLOCK_LINES: usize = 8;
/// Maximum length of a block in bytes.
const MAX_BLOCK_BYTES: usize = 280;
/// Maximum length of a hole on one line.
const MAX_LINE_BYTES: usize = 120;

/// Languages in which holes are found.
pub fn supported_languages() -> impl Iterator<Item = Language> {
    HOLE_GRAMMARS.iter().flat_map(|grammar| grammar.languages).copied()
}

/// Holes of these kinds in the order of the text. The start of a [`HoleKind::Rest`] depends on the seed.
pub fn find_holes(language: Language, text: &str, tree: &Tree, kinds: &[HoleKind], seed: u64) -> Vec<Hole> {
    let Some(grammar) = hole_grammar(language) else { return Vec::new() };
    let mut holes = lines::line_holes(text, tree, kinds, seed);
    let mut cursor = tree.walk();
    'tree: loop {
        let found = holes_in_node(grammar, text, cursor.node());
        holes.extend(found.into_iter().filter(|hole| kinds.contains(&hole.kind)));
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                break 'tree;
            }
        }
    }
    holes.sort_by_key(|hole| (hole.range.start, hole.kind));
    holes
}

/// Holes that a node makes; none if it has syntax errors.
fn holes_in_node(grammar: &HoleGrammar, text: &str, node: Node<'_>) -> Vec<Hole> {
    let mut holes = Vec::new();
    if node.has_error() {
        return holes;
    }
    let mut add = |kind, range: Option<Range<usize>>| holes.extend(range.map(|range| Hole { kind, range }));
    if grammar.blocks.contains(&node.kind()) {
        add(HoleKind::Block, block_range(text, node));
    }
    if grammar.arguments.contains(&node.kind()) {
        add(HoleKind::Arguments, argument_range(grammar, text, node));
    }
    if grammar.calls.contains(&node.kind()) {
        add(HoleKind::Call, member_call_range(grammar, text, node));
    }
    holes
}

/// Body of a block from the end of its header. A docstring stays; the hole then begins on the line below it.
fn block_range(text: &str, node: Node<'_>) -> Option<Range<usize>> {
    let (start, end) = match text[node.byte_range()].strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(inner) if !begins_with_a_line_end(inner) || !ends_with_a_line_end(inner) => return None,
        Some(_) => (node.start_byte() + 1, node.end_byte() - 1),
        None => (indented_body_start(text, node)?, node.end_byte()),
    };
    let body = text[start..end].trim_end();
    let line_count = body.trim_start().lines().count();
    let fits = (1..=MAX_BLOCK_LINES).contains(&line_count) && body.len() <= MAX_BLOCK_BYTES;
    if fits { Some(start..start + body.len()) } else { None }
}

/// Start of the body of a block without brackets.
fn indented_body_start(text: &str, node: Node<'_>) -> Option<usize> {
    let first = node.named_child(0)?;
    let has_docstring = first.kind() == "expression_statement" && first.named_child(0)?.kind() == "string";
    if has_docstring {
        return first.next_named_sibling().map(|next| next.start_byte());
    }
    let before = text[..node.start_byte()].trim_end();
    let on_next_line = begins_with_a_line_end(&text[before.len()..node.start_byte()]);
    if before.ends_with(':') && on_next_line { Some(before.len()) } else { None }
}

fn begins_with_a_line_end(text: &str) -> bool {
    text.trim_start_matches([' ', '\t']).starts_with('\n')
}

fn ends_with_a_line_end(text: &str) -> bool {
    text.trim_end_matches([' ', '\t']).ends_with('\n')
}

/// Text between the parentheses of a call.
fn argument_range(grammar: &HoleGrammar, text: &str, node: Node<'_>) -> Option<Range<usize>> {
    let is_call = node.parent().is_some_and(|parent| grammar.calls.contains(&parent.kind()));
    let inner = text[node.byte_range()].strip_prefix('(')?.strip_suffix(')')?;
    let start = node.start_byte() + 1;
    if is_call && fits_a_line(inner) { Some(start..start + inner.len()) } else { None }
}

/// Name and arguments of a call through a dot or path.
fn member_call_range(grammar: &HoleGrammar, text: &str, node: Node<'_>) -> Option<Range<usize>> {
    let called = node.child_by_field_name("function").unwrap_or(node);
    let (_, field) = grammar.members.iter().find(|(kind, _)| *kind == called.kind())?;
    let name = called.child_by_field_name(field)?;
    let follows_path = text[..name.start_byte()].ends_with(['.', ':', '>']);
    let range = name.start_byte()..node.child_by_field_name("arguments")?.end_byte();
    let call = &text[range.clone()];
    if follows_path && call.ends_with(')') && fits_a_line(call) { Some(range) } else { None }
}

fn fits_a_line(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_LINE_BYTES && !text.contains('\n')
}

#[cfg(test)]
mod tests;
