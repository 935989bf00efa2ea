//! Chunks of a text for the search index: an item of the syntax tree with the comments above it, or the lines between
//! items.
//!
//! Chunks are whole lines. Large items are split into the items inside them, small neighbours are merged.

mod words;

use std::ops::Range;

use tree_sitter::Tree;

use crate::syntax::{self, SyntaxItem};

pub use words::{SearchWord, words};

/// Maximum length of a chunk, except for a single line that is longer.
const MAX_CHUNK_BYTES: usize = 1500;
/// Length up to which neighbouring chunks are merged.
const SMALL_CHUNK_BYTES: usize = 240;
/// Number of items of a text that are considered.
const MAX_ITEMS: usize = 5000;
/// Depth to which items are split.
const MAX_ITEM_DEPTH: usize = 8;

/// A part of a text that a search finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Byte range: whole lines, of which the first and last are not blank.
    pub range: Range<usize>,
    /// First line, from 1.
    pub first_line: usize,
    /// Last line, inclusive.
    pub last_line: usize,
    /// Names of its items, separated by spaces; for a part of an item, the name of that item.
    pub names: String,
}

/// Chunks of a text in its order. `tree` is its syntax tree, if there is one.
pub fn split_chunks(tree: Option<&Tree>, text: &str) -> Vec<Chunk> {
    let items = tree.map(|tree| syntax::items(tree, text, MAX_ITEMS)).unwrap_or_default();
    let mut cutter = ChunkSplitter { text, pieces: Vec::new() };
    cutter.split_items(0..text.len(), &items, "", 0);
    with_line_numbers(text, merge_small(cutter.pieces))
}

/// A range of whole lines with the names of its items.
struct NamedRange {
    range: Range<usize>,
    names: String,
}

/// Splits a text at its items.
struct ChunkSplitter<'a> {
    text: &'a str,
    pieces: Vec<NamedRange>,
}

impl ChunkSplitter<'_> {
    /// Splits a range inside the item `name`. Items come in the order of the text, each before those inside it.
    fn split_items(&mut self, range: Range<usize>, items: &[SyntaxItem], name: &str, depth: usize) {
        let mut at = range.start;
        let mut rest = items;
        while let Some((item, others)) = rest.split_first() {
            let inside = others.iter().take_while(|it| it.range.start < item.range.end).count();
            rest = &others[inside..];
            let start = start_with_comments(self.text, at, item.range.start);
            // The item shares a line with the one before it, or with the item being split.
            if item.range.start < at || start >= range.end {
                continue;
            }
            let end = end_of_line(self.text, item.range.end).min(range.end);
            self.split_range(at..start, name);
            if end - start <= MAX_CHUNK_BYTES || inside == 0 || depth == MAX_ITEM_DEPTH {
                self.split_range(start..end, &item.name);
            } else {
                self.split_items(start..end, &others[..inside], &item.name, depth + 1);
            }
            at = end;
        }
        self.split_range(at..range.end, name);
    }

    /// Adds a range, split if it is too long: at blank lines if possible, else at line ends.
    fn split_range(&mut self, range: Range<usize>, name: &str) {
        let mut start = range.start;
        while range.end - start > MAX_CHUNK_BYTES {
            let part = &self.text[start..self.text.floor_char_boundary(start + MAX_CHUNK_BYTES)];
            let end = match (part.rfind("\n\n"), part.rfind('\n')) {
                (Some(blank_line), _) if blank_line + 2 > MAX_CHUNK_BYTES / 2 => start + blank_line + 2,
                (_, Some(line_end)) => start + line_end + 1,
                (_, None) => end_of_line(self.text, start + 1),
            };
            let end = end.min(range.end);
            self.push(start..end, name);
            start = end;
        }
        self.push(start..range.end, name);
    }

    /// Adds a range unless it is empty.
    fn push(&mut self, range: Range<usize>, name: &str) {
        if !range.is_empty() {
            self.pieces.push(NamedRange { range, names: name.to_owned() });
        }
    }
}

/// Start of the line at `start`, or of the comments and attributes above it, but not before `from`.
fn start_with_comments(text: &str, from: usize, start: usize) -> usize {
    const MARKS: &[&str] = &["#", "//", "/*", "*", "@", "--", "["];
    let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |at| at + 1).max(from);
    if start < from {
        return from;
    }
    let own = line_start(start);
    let mut first = own;
    while first > from && own - first < MAX_CHUNK_BYTES / 2 {
        let above = line_start(first - 1);
        let begins = text[above..first].trim_start();
        if !MARKS.iter().any(|mark| begins.starts_with(mark)) {
            break;
        }
        first = above;
    }
    first
}

/// End of the line of the byte before `at`, including the line end.
fn end_of_line(text: &str, at: usize) -> usize {
    let last = text.floor_char_boundary(at.saturating_sub(1));
    text[last..].find('\n').map_or(text.len(), |length| last + length + 1)
}

/// Merges small neighbours.
fn merge_small(pieces: Vec<NamedRange>) -> Vec<NamedRange> {
    let mut all: Vec<NamedRange> = Vec::new();
    for piece in pieces {
        match all.last_mut() {
            Some(last)
                if piece.range.len().max(last.range.len()) <= SMALL_CHUNK_BYTES
                    && last.range.end == piece.range.start =>
            {
                last.range.end = piece.range.end;
                if last.names != piece.names {
                    last.names = format!("{} {}", last.names, piece.names).trim().to_owned();
                }
            }
            _ => all.push(piece),
        }
    }
    all
}

/// Trims blank lines at both ends and adds line numbers. Blank ranges are dropped.
fn with_line_numbers(text: &str, pieces: Vec<NamedRange>) -> Vec<Chunk> {
    let lines = |range: Range<usize>| text[range].matches('\n').count();
    let (mut at, mut line) = (0, 1);
    let mut all = Vec::new();
    for NamedRange { range, names } in pieces {
        let own = &text[range.clone()];
        let blank = own.len() - own.trim_start().len();
        if blank == own.len() {
            continue;
        }
        // The first line keeps its indentation.
        let start = text[..range.start + blank].rfind('\n').map_or(0, |at| at + 1).max(range.start);
        let end = range.start + own.trim_end().len();
        line += lines(at..start);
        let last = line + lines(start..end);
        all.push(Chunk { range: start..end, first_line: line, last_line: last, names });
        (at, line) = (end, last);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    fn cut(language: Language, text: &str) -> Vec<(usize, usize, String)> {
        let tree = syntax::parse(language, text, None);
        let all = split_chunks(tree.as_ref(), text);
        for chunk in &all {
            assert_eq!(text[..chunk.range.start].matches('\n').count() + 1, chunk.first_line);
            assert_eq!(text[..chunk.range.end].matches('\n').count() + 1, chunk.last_line);
        }
        let nothing_lost: usize = all.iter().map(|it| text[it.range.clone()].split_whitespace().count()).sum();
        assert_eq!(nothing_lost, text.split_whitespace().count());
        all.into_iter().map(|it| (it.first_line, it.last_line, it.names)).collect()
    }

    fn triples(found: &[(usize, usize, &str)]) -> Vec<(usize, usize, String)> {
        found.iter().map(|(first, last, names)| (*first, *last, (*names).to_owned())).collect()
    }

    #[test]
    fn a_chunk_is_an_item_with_the_comments_above_it() {
        let body = "    x = x + 1  # again and again\n".repeat(9);
        let text = format!("import os\n\n# Adds.\n@cache\ndef add(x):\n{body}\n\ndef sub(x):\n{body}\nprint(1)\n");
        let expected = [(1, 1, ""), (3, 14, "add"), (17, 26, "sub"), (28, 28, "")];
        assert_eq!(cut(Language::Python, &text), triples(&expected));
    }

    #[test]
    fn large_classes_are_split_and_small_neighbours_merged() {
        let body = "        x = x + 1  # again and again\n".repeat(20);
        let text = format!("class Shop:\n    \"\"\"Sells.\"\"\"\n\n    def buy(x):\n{body}\n    def sell(x):\n{body}");
        assert_eq!(cut(Language::Python, &text), triples(&[(1, 2, "Shop"), (4, 24, "buy"), (26, 46, "sell")]));
        let text = "const ONE: u8 = 1;\nconst TWO: u8 = 2;\n\nfn three() -> u8 {\n    3\n}\n";
        assert_eq!(cut(Language::Rust, text), triples(&[(1, 6, "ONE TWO three")]));
    }

    #[test]
    fn a_text_without_items_is_split_at_line_ends() {
        let text = "one line of words and another\n".repeat(200);
        let all = cut(Language::PlainText, &text);
        assert!(
            all.len() > 3 && all.iter().all(|(first, last, _)| (last - first + 1) * 30 <= MAX_CHUNK_BYTES),
            "{all:?}"
        );
        let long = "word ".repeat(2000);
        assert_eq!(cut(Language::PlainText, &format!("a\n{long}\nb\n")).len(), 3);
        assert_eq!(cut(Language::PlainText, "\n \n"), []);
    }

    #[test]
    fn deep_nesting_is_handled() {
        let text = "class A:\n".to_owned() + &"x {".repeat(3000) + &"class B { ".repeat(3000);
        cut(Language::Java, &text);
    }
}
