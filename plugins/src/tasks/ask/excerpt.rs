//! Excerpts.

use std::ops::Range;
use std::sync::Arc;

use super::search_terms::SearchTerm;
use crate::symbol_index::SymbolIndex;
use crate::syntax::SyntaxItem;
use crate::{Document, Language};

/// What a question is about, and where to look for more.
pub struct QuestionContext<'a> {
    /// The file that is asked about.
    pub document: Option<&'a Document>,
    /// What is selected in it, in bytes; empty for a place only.
    pub selection: Option<Range<usize>>,
    /// The question.
    pub question: &'a str,
    /// What the workspace defines.
    pub symbols: &'a SymbolIndex,
    /// The text of a file of the workspace, if it may be shown.
    pub read_file: &'a dyn Fn(&str) -> Option<Arc<str>>,
    /// Pieces of files that these words are in, the best first.
    pub search: &'a dyn Fn(&[SearchTerm]) -> Vec<SearchHit>,
    /// Bytes of all pieces together.
    pub max_bytes: usize,
}

/// A piece of a file that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    /// The file, relative to the workspace.
    pub path: String,
    /// The text of the file.
    pub text: Arc<str>,
    /// Where the piece is, in bytes.
    pub range: Range<usize>,
    /// How well it fits.
    pub score: f32,
}

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Excerpt {
    /// The file, relative to the workspace.
    pub path: String,
    /// Its first line, from 1.
    #[serde(rename = "first")]
    pub first_line: usize,
    /// Its last line.
    #[serde(rename = "last")]
    pub last_line: usize,
    /// Why it is here.
    #[serde(rename = "why")]
    pub reason: String,
    /// How many lines that were asked about did not fit behind it.
    #[serde(default, rename = "left_out")]
    pub omitted_lines: usize,
    /// Its language.
    #[serde(skip, default = "plain_text")]
    pub language: Language,
    /// Whole lines.
    #[serde(skip)]
    pub text: String,
}

fn plain_text() -> Language {
    Language::PlainText
}

impl Excerpt {
    /// `path:line`, or `path:first-last`.
    pub fn location(&self) -> String {
        match self.first_line == self.last_line {
            true => format!("{}:{}", self.path, self.first_line),
            false => format!("{}:{}-{}", self.path, self.first_line, self.last_line),
        }
    }

    /// The lines of `text` that `range` touches, as many as fit into `room` bytes.
    pub(super) fn new(path: &str, language: Language, text: &str, range: Range<usize>, why: &str, room: usize) -> Self {
        let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        // A range that ends where a line begins does not touch that line.
        let last = if range.end > start { range.end - 1 } else { start };
        let last = text.floor_char_boundary(last);
        let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
        let whole = &text[start..end.max(start)];
        let kept = match whole.len() <= room {
            true => whole,
            false => &whole[..whole[..whole.floor_char_boundary(room)].rfind('\n').unwrap_or_default()],
        };
        let lines = |text: &str| text.matches('\n').count();
        let first = 1 + lines(&text[..start]);
        let left_out = if kept.is_empty() && !whole.is_empty() { lines(whole) + 1 } else { lines(whole) - lines(kept) };
        let (path, why, text) = (path.to_owned(), why.to_owned(), kept.to_owned());
        Self {
            path,
            first_line: first,
            last_line: first + lines(kept),
            reason: why,
            omitted_lines: left_out,
            language,
            text,
        }
    }
}

/// Where an item is before its body.
pub(super) fn signature_range(text: &str, item: &SyntaxItem) -> Range<usize> {
    let signature = text.get(item.signature.clone()).unwrap_or_default();
    item.signature.start..item.signature.start + signature.trim_end().len()
}

/// Whether the lines of a piece are among those of another.
pub(super) fn overlaps_any(found: &[Excerpt], it: &Excerpt) -> bool {
    found
        .iter()
        .any(|other| other.path == it.path && other.first_line <= it.last_line && it.first_line <= other.last_line)
}
