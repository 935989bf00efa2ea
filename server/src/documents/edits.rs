//! Applies the changes of one `didChange` notification.

use std::ops::Range;
use std::sync::Arc;

use tower_lsp::lsp_types::{self, TextDocumentContentChangeEvent};
use tree_sitter::{InputEdit, Point};

use super::line_index::{Encoding, LineIndex};
use super::snapshot::{EditedLines, Snapshot};

/// Text after its changes.
pub(super) struct AppliedChanges {
    pub(super) text: String,
    pub(super) lines: Arc<LineIndex>,
    /// Edits for the syntax tree, in order. Empty after a change of the whole text.
    pub(super) edits: Vec<InputEdit>,
    /// True if a change replaced the whole text.
    pub(super) replaced_all: bool,
    pub(super) in_sync: bool,
    /// Bytes that the last ranged change wrote.
    pub(super) range: Option<Range<usize>>,
}

/// Applies `changes` in order, each to the text that the previous one produced.
pub(super) fn apply(old: &Snapshot, changes: &[TextDocumentContentChangeEvent], encoding: Encoding) -> AppliedChanges {
    let mut applied = AppliedChanges {
        text: old.text.to_string(),
        lines: old.lines.clone(),
        edits: Vec::new(),
        replaced_all: false,
        in_sync: old.in_sync,
        range: None,
    };
    for change in changes {
        match change.range {
            Some(range) => applied.replace(range, &change.text, encoding, old.uri()),
            None => applied.replace_all(&change.text),
        }
        applied.lines = Arc::new(LineIndex::new(&applied.text));
    }
    applied
}

impl AppliedChanges {
    fn replace_all(&mut self, text: &str) {
        self.text = text.to_owned();
        self.edits.clear();
        (self.replaced_all, self.in_sync, self.range) = (true, true, None);
    }

    fn replace(&mut self, range: lsp_types::Range, new: &str, encoding: Encoding, uri: &str) {
        // Clients may name the end of a document as the line past the last; anything further belongs to another text.
        let outside = range.end.line as usize > self.lines.lines() || range.start.line as usize > self.lines.lines();
        if outside || range.start > range.end {
            tracing::warn!(
                "{uri}: the edit at {range:?} is outside the {} lines of the document, which is out of sync",
                self.lines.lines()
            );
            self.in_sync = false;
        }
        let ends = [range.start, range.end].map(|end| self.lines.offset(&self.text, end, encoding));
        let (start, end) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let old_end_position = point(&self.text, end);
        let start_position = point(&self.text, start);
        self.text.replace_range(start..end, new);
        let new_end = start + new.len();
        self.edits.push(InputEdit {
            start_byte: start,
            old_end_byte: end,
            new_end_byte: new_end,
            start_position,
            old_end_position,
            new_end_position: point(&self.text, new_end),
        });
        self.range = Some(start..new_end);
    }
}

/// Row and column (in bytes) of a byte offset as tree-sitter counts them: only `\n` ends a row.
fn point(text: &str, offset: usize) -> Point {
    let before = &text.as_bytes()[..offset];
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Point { row: before.iter().filter(|byte| **byte == b'\n').count(), column: offset - start }
}

/// Lines that an edit wrote, with one line of context on either side. Long edits are cut.
pub(super) fn edited_lines(snapshot: &Snapshot, range: Range<usize>) -> EditedLines {
    const MAX_LINES: usize = 12;
    const MAX_BYTES: usize = 1024;
    let lines = &snapshot.lines;
    let first = lines.line_of(range.start).saturating_sub(1);
    let last = (lines.line_of(range.end) + 1).min(lines.lines() - 1).min(first + MAX_LINES);
    let (start, end) = (lines.line(&snapshot.text, first).start, lines.line(&snapshot.text, last).end);
    let end = snapshot.text.floor_char_boundary(end.min(start + MAX_BYTES));
    EditedLines { meta: snapshot.meta.clone(), text: snapshot.text[start..end].to_owned(), first, last }
}
