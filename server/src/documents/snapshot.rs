//! Immutable state of a document, which is cheap to clone.

use std::sync::Arc;

use foretype_plugins::{Document, Language, LineEnds, syntax};
use tree_sitter::Tree;

use super::line_index::LineIndex;
use super::meta::DocumentMeta;

/// Immutable state of a document at one version.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Facts that do not depend on the text.
    pub(crate) meta: Arc<DocumentMeta>,
    /// Version number that the client assigned.
    pub(crate) version: i32,
    /// Language identifier that the client sent.
    pub(crate) language_id: Arc<str>,
    /// Language of the text.
    pub(crate) language: Language,
    /// Text, with `\n` at each line end.
    pub(crate) text: Arc<str>,
    /// Line ends of the client's text.
    pub(crate) line_ends: Arc<LineEnds>,
    /// Line starts of the text.
    pub(crate) lines: Arc<LineIndex>,
    /// Syntax tree of exactly this text, if it has been parsed.
    pub(crate) tree: Option<Tree>,
    /// False after an edit that cannot have been meant for this text, until the client sends the whole text again.
    pub(crate) in_sync: bool,
    /// Time of the last edit on a clock that ticks with every edit of any document.
    pub(crate) last_used: u64,
}

impl Snapshot {
    /// URI by which the client names the document.
    pub(crate) fn uri(&self) -> &str {
        &self.meta.uri
    }

    /// Text to insert at a byte offset, with the line end of that line in the client's text.
    pub(crate) fn client_text(&self, at: usize, text: &str) -> String {
        self.line_ends.of_line(self.lines.line_of(at)).apply(text).into_owned()
    }

    /// The snapshot as a prompt sees it, with a tree only if there is one already.
    pub(crate) fn document(&self) -> Document {
        let (language, text, tree) = (self.language, self.text.clone(), self.tree.clone());
        Document { path: self.meta.relative_path.clone(), language, text, tree }
    }

    /// The snapshot as a prompt sees it, parsed now if it has no tree. Call it where blocking is allowed.
    pub(crate) fn parsed_document(&self) -> Document {
        let mut document = self.document();
        document.tree = document.tree.or_else(|| syntax::parse(self.language, &self.text, None));
        document
    }
}

/// Lines that were edited recently.
#[derive(Debug, Clone)]
pub(crate) struct EditedLines {
    /// Document that contains them. It may have been closed since.
    pub(crate) meta: Arc<DocumentMeta>,
    /// The lines after the edit, with one line of context on either side.
    pub(crate) text: String,
    /// First line, counted from 0.
    pub(super) first: usize,
    /// Last line.
    pub(super) last: usize,
}
