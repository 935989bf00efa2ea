//! Excerpts of files, and the context of a question that they are chosen from.

use std::ops::Range;
use std::sync::Arc;

use super::search_terms::SearchTerm;
use crate::symbol_index::SymbolIndex;
use crate::syntax::SyntaxItem;
use crate::{Document, Language};

/// A question with the code that it is about, and access to the rest of the workspace.
pub struct QuestionContext<'a> {
    /// Document that the question is about.
    pub document: Option<&'a Document>,
    /// Byte range that is selected in the document; empty for a cursor.
    pub selection: Option<Range<usize>>,
    /// Text of the question.
    pub question: &'a str,
    /// Index of the workspace's symbols.
    pub symbols: &'a SymbolIndex,
    /// Reads a file of the workspace; `None` if it must not be shown.
    pub read_file: &'a dyn Fn(&str) -> Option<Arc<str>>,
    /// Searches the workspace for terms, the best hit first.
    pub search: &'a dyn Fn(&[SearchTerm]) -> Vec<SearchHit>,
    /// Maximum length of all excerpts together.
    pub max_bytes: usize,
}

/// A part of a file that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    /// The file, relative to the workspace.
    pub path: String,
    /// Text of the whole file.
    pub text: Arc<str>,
    /// Byte range of the hit.
    pub range: Range<usize>,
    /// Relevance, comparable within one search.
    pub score: f32,
}

/// Consecutive lines of a file, shown to the model.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Excerpt {
    /// The file, relative to the workspace.
    pub path: String,
    /// First line, from 1.
    #[serde(rename = "first")]
    pub first_line: usize,
    /// Last line, inclusive.
    #[serde(rename = "last")]
    pub last_line: usize,
    /// Reason why it is shown, for the model and the user.
    #[serde(rename = "why")]
    pub reason: String,
    /// Number of requested lines after it that did not fit.
    #[serde(default, rename = "left_out")]
    pub omitted_lines: usize,
    /// Language of the file.
    #[serde(skip, default = "plain_text")]
    pub language: Language,
    /// Text of the lines.
    #[serde(skip)]
    pub text: String,
}

fn plain_text() -> Language {
    Language::PlainText
}

impl Excerpt {
    /// Location as `path:line` or `path:first-last`.
    pub fn location(&self) -> String {
        let Self { path, first_line, last_line, .. } = self;
        if first_line == last_line {
            format!("{path}:{first_line}")
        } else {
            format!("{path}:{first_line}-{last_line}")
        }
    }

    /// The lines of `text` that `range` touches, as many as fit into `max_bytes`.
    pub(super) fn new(
        path: &str,
        language: Language,
        text: &str,
        range: Range<usize>,
        reason: &str,
        max_bytes: usize,
    ) -> Self {
        let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        // A range that ends at a line start does not touch that line.
        let last = if range.end > start { range.end - 1 } else { start };
        let last = text.floor_char_boundary(last);
        let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
        let whole = &text[start..end.max(start)];
        let kept = if whole.len() <= max_bytes {
            whole
        } else {
            &whole[..whole[..whole.floor_char_boundary(max_bytes)].rfind('\n').unwrap_or_default()]
        };
        let line_breaks = |text: &str| text.matches('\n').count();
        let nothing_fits = kept.is_empty() && !whole.is_empty();
        let first_line = 1 + line_breaks(&text[..start]);
        Self {
            path: path.to_owned(),
            first_line,
            last_line: first_line + line_breaks(kept),
            reason: reason.to_owned(),
            omitted_lines: line_breaks(whole) - line_breaks(kept) + usize::from(nothing_fits),
            language,
            text: kept.to_owned(),
        }
    }
}

/// Byte range of an item before its body.
pub(super) fn signature_range(text: &str, item: &SyntaxItem) -> Range<usize> {
    let signature = text.get(item.signature.clone()).unwrap_or_default();
    item.signature.start..item.signature.start + signature.trim_end().len()
}

/// Returns true if an excerpt shares lines with one of `found`.
pub(super) fn overlaps_any(found: &[Excerpt], excerpt: &Excerpt) -> bool {
    found.iter().any(|other| {
        let overlaps = other.first_line <= excerpt.last_line && excerpt.first_line <= other.last_line;
        other.path == excerpt.path && overlaps
    })
}
