//! Line holes: lines worth asking for, and the cursor inside one.

use tree_sitter::Tree;

use super::{Hole, HoleKind};
use crate::random::seeded_hash;
use crate::syntax::{Region, region_at};

/// Minimum length of a line that is a hole, in characters.
const MIN_LINE_CHARS: usize = 4;
/// Maximum length of a line that is a hole, in bytes.
const MAX_LINE_BYTES: usize = 120;

/// Holes of kind [`HoleKind::Line`] and [`HoleKind::Rest`], if these are among `kinds`.
pub(super) fn line_holes(text: &str, tree: &Tree, kinds: &[HoleKind], seed: u64) -> Vec<Hole> {
    let mut holes = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let ink = line.trim();
        let from = start + line.len() - line.trim_start().len();
        let range = from..from + ink.len();
        if start > 0 && is_worth_asking(ink) && is_line_of_code(tree, range.start, range.end) {
            if kinds.contains(&HoleKind::Line) {
                holes.push(Hole { kind: HoleKind::Line, range: range.clone() });
            }
            let at = cursor_in_line(ink, &from.to_string(), seed);
            if kinds.contains(&HoleKind::Rest) && ink[at..].contains(|c: char| c.is_alphanumeric()) {
                holes.push(Hole { kind: HoleKind::Rest, range: range.start + at..range.end });
            }
        }
        start += line.len();
    }
    holes
}

fn is_worth_asking(line: &str) -> bool {
    line.chars().count() >= MIN_LINE_CHARS && line.len() <= MAX_LINE_BYTES && line.contains(char::is_alphabetic)
}

/// Returns true for a line that is neither a comment, nor inside a string, nor only a string.
fn is_line_of_code(tree: &Tree, start: usize, end: usize) -> bool {
    let at = |offset| region_at(Some(tree), offset);
    let only_text = at(start + 1) == Region::String && at(end - 1) == Region::String;
    at(start) != Region::String && at(start + 1) != Region::Comment && !only_text
}

/// Byte offset of the cursor in a line: after its indentation and at least one character, before the last one. It
/// depends on the name and the seed alone.
pub fn cursor_in_line(line: &str, name: &str, seed: u64) -> usize {
    let indentation = line.len() - line.trim_start().len();
    let places: Vec<usize> = line.char_indices().map(|(at, _)| at).filter(|at| *at > indentation).collect();
    if places.is_empty() {
        return line.len();
    }
    let draw = seeded_hash(name.as_bytes(), seed).rotate_left(29);
    places[(draw % places.len() as u64) as usize]
}
