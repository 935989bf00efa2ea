//! Applying the changes of one `didChange`.

use std::ops::Range;
use std::sync::Arc;

use tower_lsp::lsp_types::{self, TextDocumentContentChangeEvent};
use tree_sitter::{InputEdit, Point};

use super::{Edited, Snapshot};
use crate::lsp::convert::{Encoding, LineIndex};

/// A text after its changes.
pub(super) struct Applied {
    pub(super) text: String,
    pub(super) lines: Arc<LineIndex>,
    /// For the syntax tree, in order. Empty after a change of the whole text.
    pub(super) edits: Vec<InputEdit>,
    /// Whether a change replaced the whole text.
    pub(super) whole: bool,
    pub(super) in_sync: bool,
    /// Bytes that the last ranged change wrote.
    pub(super) range: Option<Range<usize>>,
}

/// Applies `changes` one after the other, each to the text that the one before left.
pub(super) fn apply(old: &Snapshot, changes: &[TextDocumentContentChangeEvent], encoding: Encoding) -> Applied {
    let mut applied = Applied {
        text: old.text.to_string(),
        lines: old.lines.clone(),
        edits: Vec::new(),
        whole: false,
        in_sync: old.in_sync,
        range: None,
    };
    for change in changes {
        match change.range {
            Some(range) => applied.replace(range, &change.text, encoding, &old.uri),
            None => applied.replace_all(&change.text),
        }
        applied.lines = Arc::new(LineIndex::new(&applied.text));
    }
    applied
}

impl Applied {
    fn replace_all(&mut self, text: &str) {
        self.text = text.to_owned();
        self.edits.clear();
        (self.whole, self.in_sync, self.range) = (true, true, None);
    }

    fn replace(&mut self, range: lsp_types::Range, new: &str, encoding: Encoding, uri: &str) {
        // One line past the last is how clients name the end of a document; anything further is another document.
        let outside = range.end.line as usize > self.lines.lines() || range.start.line as usize > self.lines.lines();
        if outside || range.start > range.end {
            tracing::warn!("{uri}: an edit at {range:?} does not fit {} lines; out of sync", self.lines.lines());
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

/// Row and column in bytes, as tree-sitter counts: rows end with `\n` only.
fn point(text: &str, offset: usize) -> Point {
    let before = &text.as_bytes()[..offset];
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Point { row: before.iter().filter(|byte| **byte == b'\n').count(), column: offset - start }
}

/// The lines that an edit wrote, with one line around; long ones are cut.
pub(super) fn surroundings(snapshot: &Snapshot, range: Range<usize>) -> Edited {
    const MOST_LINES: usize = 12;
    const MOST_BYTES: usize = 1024;
    let lines = &snapshot.lines;
    let first = lines.line_of(range.start).saturating_sub(1);
    let last = (lines.line_of(range.end) + 1).min(lines.lines() - 1).min(first + MOST_LINES);
    let (start, end) = (lines.line(&snapshot.text, first).start, lines.line(&snapshot.text, last).end);
    let most = end.min(start + MOST_BYTES);
    let end = (start..=most).rev().find(|at| snapshot.text.is_char_boundary(*at)).unwrap_or(start);
    Edited { uri: snapshot.uri.clone(), text: snapshot.text[start..end].to_owned(), first, last }
}
