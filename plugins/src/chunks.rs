//! Cuts a text into the pieces that a search finds: items where the syntax tree shows some, each with what is written above it,
//! and the lines between them. A piece is whole lines.

mod words;

use std::ops::Range;

use tree_sitter::Tree;

use crate::syntax::{self, SyntaxItem};

pub use words::{Word, words};

/// Bytes of a piece at the most, but for a single line that is longer.
const MAX_CHUNK_BYTES: usize = 1500;
/// Neighbours of at most this many bytes become one piece.
const SMALL_CHUNK_BYTES: usize = 240;
/// Items of a text that are looked at.
const MAX_ITEMS: usize = 5000;
/// How deep items are taken apart.
const MAX_ITEM_DEPTH: usize = 8;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it is, in bytes: whole lines, the first and the last of which are not blank.
    pub range: Range<usize>,
    /// Its first line, from 1.
    pub first_line: usize,
    /// Its last line.
    pub last_line: usize,
    /// The names of the items in it, with blanks between; that of the item around it where it is a part of one.
    pub names: String,
}

/// The pieces of a text, in its order. `tree` is its syntax, if that is known.
pub fn split_chunks(tree: Option<&Tree>, text: &str) -> Vec<Chunk> {
    let items = tree.map(|tree| syntax::items(tree, text, MAX_ITEMS)).unwrap_or_default();
    let mut cutter = ChunkSplitter { text, pieces: Vec::new() };
    cutter.split_items(0..text.len(), &items, "", 0);
    with_line_numbers(text, merge_small(cutter.pieces))
}

struct NamedRange {
    range: Range<usize>,
    names: String,
}

struct ChunkSplitter<'a> {
    text: &'a str,
    pieces: Vec<NamedRange>,
}

impl ChunkSplitter<'_> {
    /// Cuts a range with these items in it, which lie in `name`. The items come in order, each before those inside it.
    fn split_items(&mut self, range: Range<usize>, items: &[SyntaxItem], name: &str, depth: usize) {
        let mut at = range.start;
        let mut rest = items;
        while let Some((item, others)) = rest.split_first() {
            let inside = others.iter().take_while(|it| it.range.start < item.range.end).count();
            rest = &others[inside..];
            let start = start_with_comments(self.text, at, item.range.start);
            // On the line of the item before, or the one that is being taken apart.
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

    /// Adds a range, in parts if it is too long: at blank lines where there are some, else between lines.
    fn split_range(&mut self, range: Range<usize>, name: &str) {
        let mut start = range.start;
        while range.end - start > MAX_CHUNK_BYTES {
            let part = &self.text[start..self.text.floor_char_boundary(start + MAX_CHUNK_BYTES)];
            let blank = part.rfind("\n\n").map(|at| at + 2).filter(|at| *at > MAX_CHUNK_BYTES / 2);
            let line = || part.rfind('\n').map(|at| at + 1);
            let end = blank.or_else(line).map_or_else(|| end_of_line(self.text, start + 1), |length| start + length);
            self.push(start..end.min(range.end), name);
            start = end.min(range.end);
        }
        self.push(start..range.end, name);
    }

    fn push(&mut self, range: Range<usize>, name: &str) {
        if !range.is_empty() {
            self.pieces.push(NamedRange { range, names: name.to_owned() });
        }
    }
}

/// The start of the line that `start` is in, or of the comments and attributes above it, but not before `from`.
fn start_with_comments(text: &str, from: usize, start: usize) -> usize {
    const MARKS: &[&str] = &["#", "//", "/*", "*", "@", "--", "["];
    let line = |at: usize| text[..at].rfind('\n').map_or(0, |at| at + 1).max(from);
    let own = if start < from { return from } else { line(start) };
    let mut first = own;
    while first > from && own - first < MAX_CHUNK_BYTES / 2 {
        let upper = line(first - 1);
        let begins = text[upper..first].trim_start();
        if !MARKS.iter().any(|mark| begins.starts_with(mark)) {
            break;
        }
        first = upper;
    }
    first
}

/// Where the line of the byte before `at` ends, with its line end.
fn end_of_line(text: &str, at: usize) -> usize {
    let last = text.floor_char_boundary(at.saturating_sub(1));
    text[last..].find('\n').map_or(text.len(), |length| last + length + 1)
}

/// Small neighbours together.
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

/// Without blank lines at both ends, and with their numbers.
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
        // The indentation of the first line belongs to it.
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
    fn an_item_is_a_piece_with_the_comments_above_it() {
        let body = "    x = x + 1  # again and again\n".repeat(9);
        let text = format!("import os\n\n# Adds.\n@cache\ndef add(x):\n{body}\n\ndef sub(x):\n{body}\nprint(1)\n");
        let expected = [(1, 1, ""), (3, 14, "add"), (17, 26, "sub"), (28, 28, "")];
        assert_eq!(cut(Language::Python, &text), triples(&expected));
    }

    #[test]
    fn a_large_class_goes_by_its_methods_and_small_neighbours_go_together() {
        let body = "        x = x + 1  # again and again\n".repeat(20);
        let text = format!("class Shop:\n    \"\"\"Sells.\"\"\"\n\n    def buy(x):\n{body}\n    def sell(x):\n{body}");
        assert_eq!(cut(Language::Python, &text), triples(&[(1, 2, "Shop"), (4, 24, "buy"), (26, 46, "sell")]));
        let text = "const ONE: u8 = 1;\nconst TWO: u8 = 2;\n\nfn three() -> u8 {\n    3\n}\n";
        assert_eq!(cut(Language::Rust, text), triples(&[(1, 6, "ONE TWO three")]));
    }

    #[test]
    fn a_text_without_items_is_cut_between_its_lines() {
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
    fn no_nesting_is_too_deep() {
        let text = "class A:\n".to_owned() + &"x {".repeat(3000) + &"class B { ".repeat(3000);
        cut(Language::Java, &text);
    }
}
