//! Places in a text where a piece can be taken out and asked for again: lines, rests of lines, bodies of blocks, lists of
//! arguments and calls of methods. Evaluation asks at such places.
//!
//! What grammars call these is a table, one row a grammar (`rows`); nothing else here knows a language.

mod grammars;
mod hole;
mod lines;

use std::ops::Range;

use tree_sitter::{Node, Tree};

use crate::Language;
use grammars::{HOLE_GRAMMARS, HoleGrammar, hole_grammar};

pub use hole::{Hole, HoleKind};
pub use lines::cursor_in_line;

/// Lines and bytes that a block may have: what an editor shows of a suggestion at the most.
const BLOCK: (usize, usize) = (8, 280);
/// Bytes that anything on one line may have.
const MAX_LINE_BYTES: usize = 120;

/// The languages whose holes are found.
pub fn supported_languages() -> impl Iterator<Item = Language> {
    HOLE_GRAMMARS.iter().flat_map(|row| row.languages).copied()
}

/// The holes of these kinds in the order of the text. Where a [`Kind::Rest`] begins follows from the seed.
pub fn find_holes(language: Language, text: &str, tree: &Tree, kinds: &[HoleKind], seed: u64) -> Vec<Hole> {
    let Some(row) = hole_grammar(language) else { return Vec::new() };
    let mut holes = lines::line_holes(text, tree, kinds, seed);
    let mut cursor = tree.walk();
    'tree: loop {
        let found = holes_in_node(row, text, cursor.node());
        holes.extend(found.into_iter().flatten().filter(|hole| kinds.contains(&hole.kind)));
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

fn holes_in_node(row: &HoleGrammar, text: &str, node: Node<'_>) -> [Option<Hole>; 3] {
    if node.has_error() {
        return [None, None, None];
    }
    let is = |kinds: &[&str]| kinds.contains(&node.kind());
    let hole = |kind| move |range| Hole { kind, range };
    [
        is(row.blocks).then(|| block_range(text, node)).flatten().map(hole(HoleKind::Block)),
        is(row.arguments).then(|| argument_range(row, text, node)).flatten().map(hole(HoleKind::Arguments)),
        is(row.calls).then(|| member_call_range(row, text, node)).flatten().map(hole(HoleKind::Call)),
    ]
}

/// The body of a block from the end of its header on. A docstring stays: the hole then begins on the line below.
fn block_range(text: &str, node: Node<'_>) -> Option<Range<usize>> {
    let (start, end) = match text[node.byte_range()].strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(inner) if !begins_with_a_line_end(inner) || !ends_with_a_line_end(inner) => return None,
        Some(_) => (node.start_byte() + 1, node.end_byte() - 1),
        None => (indented_body_start(text, node)?, node.end_byte()),
    };
    let body = text[start..end].trim_end();
    let fits = (1..=BLOCK.0).contains(&body.trim_start().lines().count()) && body.len() <= BLOCK.1;
    fits.then_some(start..start + body.len())
}

/// Where the body of a block without brackets begins.
fn indented_body_start(text: &str, node: Node<'_>) -> Option<usize> {
    let first = node.named_child(0)?;
    let documented = first.kind() == "expression_statement" && first.named_child(0)?.kind() == "string";
    if documented {
        return first.next_named_sibling().map(|next| next.start_byte());
    }
    let before = text[..node.start_byte()].trim_end();
    let below = begins_with_a_line_end(&text[before.len()..node.start_byte()]);
    (before.ends_with(':') && below).then_some(before.len())
}

fn begins_with_a_line_end(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\r']).starts_with('\n')
}

fn ends_with_a_line_end(text: &str) -> bool {
    text.trim_end_matches([' ', '\t']).ends_with('\n')
}

fn argument_range(row: &HoleGrammar, text: &str, node: Node<'_>) -> Option<Range<usize>> {
    let called = node.parent().is_some_and(|parent| row.calls.contains(&parent.kind()));
    let inner = text[node.byte_range()].strip_prefix('(')?.strip_suffix(')')?;
    let start = node.start_byte() + 1;
    (called && fits_a_line(inner)).then_some(start..start + inner.len())
}

fn member_call_range(row: &HoleGrammar, text: &str, node: Node<'_>) -> Option<Range<usize>> {
    let called = node.child_by_field_name("function").unwrap_or(node);
    let (_, field) = row.members.iter().find(|(kind, _)| *kind == called.kind())?;
    let name = called.child_by_field_name(field)?;
    let reached = text[..name.start_byte()].ends_with(['.', ':', '>']);
    let range = name.start_byte()..node.child_by_field_name("arguments")?.end_byte();
    (reached && text[range.clone()].ends_with(')') && fits_a_line(&text[range.clone()])).then_some(range)
}

fn fits_a_line(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_LINE_BYTES && !text.contains('\n')
}

#[cfg(test)]
mod tests;
