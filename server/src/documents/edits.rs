//! Applies the changes of one `didChange` notification.

use std::ops::Range;
use std::sync::Arc;

use foretype_plugins::{LineEnd, LineEnds, LoneCr};
use tower_lsp::lsp_types::{self, Position, TextDocumentContentChangeEvent};
use tree_sitter::{InputEdit, Point};

use super::line_index::{Encoding, LineIndex};
use super::snapshot::{EditedLines, Snapshot};

/// Facts about a client that decide what its positions and texts mean.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClientText {
    /// Encoding in which positions count.
    pub(crate) encoding: Encoding,
    /// Meaning of a `\r` without a `\n` behind it.
    pub(crate) lone_cr: LoneCr,
}

/// Text after its changes.
pub(super) struct AppliedChanges {
    pub(super) text: String,
    pub(super) line_ends: LineEnds,
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
pub(super) fn apply(old: &Snapshot, changes: &[TextDocumentContentChangeEvent], client: &ClientText) -> AppliedChanges {
    let mut applied = AppliedChanges {
        text: old.text.to_string(),
        line_ends: (*old.line_ends).clone(),
        lines: old.lines.clone(),
        edits: Vec::new(),
        replaced_all: false,
        in_sync: old.in_sync,
        range: None,
    };
    for change in changes {
        match change.range {
            Some(range) => applied.replace(range, &change.text, client, old.uri()),
            None => applied.replace_all(&change.text, client.lone_cr),
        }
        applied.lines = Arc::new(LineIndex::new(&applied.text));
    }
    applied
}

impl AppliedChanges {
    fn replace_all(&mut self, text: &str, lone_cr: LoneCr) {
        let (lines, line_ends) = LineEnds::split(text, lone_cr);
        (self.text, self.line_ends) = (lines.into_owned(), line_ends);
        self.edits.clear();
        (self.replaced_all, self.in_sync, self.range) = (true, true, None);
    }

    fn replace(&mut self, range: lsp_types::Range, new: &str, client: &ClientText, uri: &str) {
        // Clients may name the end of a document as the line past the last; anything further belongs to another text.
        let outside = range.end.line as usize > self.lines.lines() || range.start.line as usize > self.lines.lines();
        if outside || range.start > range.end {
            tracing::warn!(
                "{uri}: the edit at {range:?} is outside the {} lines of the document, which is out of sync",
                self.lines.lines()
            );
            self.in_sync = false;
        }
        let (from, to) = (range.start.min(range.end), range.start.max(range.end));
        let [start, end] = [from, to].map(|at| self.lines.offset(&self.text, at, client.encoding));
        let old_end_position = point(&self.text, end);
        let behind = self.text.len() - end;
        let may_contain_cr = client.lone_cr == LoneCr::IsText && self.text.contains('\r');
        let mut start = start;
        if self.line_ends.are_lf() && !new.contains('\r') && !may_contain_cr {
            self.text.replace_range(start..end, new);
        } else {
            let old = self.text.clone();
            let client_range = self.client_offset(from, client)..self.client_offset(to, client);
            self.replace_in_client_text(client_range, new, client);
            // A `\r` before the edit and a `\n` behind it may have become one line end.
            start = start.min(self.text.len() - behind);
            if !self.text.starts_with(&old[..start]) || !self.text.ends_with(&old[end..]) {
                // A lone `\r` elsewhere has another meaning now.
                self.edits.clear();
                (self.replaced_all, self.range) = (true, None);
                return;
            }
        }
        let new_end = self.text.len() - behind;
        self.edits.push(InputEdit {
            start_byte: start,
            old_end_byte: end,
            new_end_byte: new_end,
            start_position: point(&self.text, start),
            old_end_position,
            new_end_position: point(&self.text, new_end),
        });
        self.range = Some(start..new_end);
    }

    /// Byte offset of a position in the text as the client has it.
    fn client_offset(&self, position: Position, client: &ClientText) -> usize {
        let offset = self.lines.offset(&self.text, position, client.encoding);
        let line = self.lines.line_of(offset);
        let mut extra = self.line_ends.extra_bytes(line);
        let has_end = line + 1 < self.lines.lines();
        if client.lone_cr == LoneCr::IsText && has_end && self.line_ends.of_line(line) == LineEnd::CrLf {
            // The line may contain the `\r`: a buffer of Neovim whose file has several kinds of line ends.
            let length = client.encoding.length(&self.text[self.lines.line(&self.text, line)]);
            extra += usize::from(position.character as usize > length && position.line as usize == line);
        }
        offset + extra
    }

    /// Replaces a byte range of the text as the client has it. The text around the range decides which line ends the
    /// new text has, so all of it is split again.
    fn replace_in_client_text(&mut self, range: Range<usize>, new: &str, client: &ClientText) {
        let mut text = self.line_ends.restore(&self.text).into_owned();
        text.replace_range(range, new);
        let (lines, line_ends) = LineEnds::split(&text, client.lone_cr);
        (self.text, self.line_ends) = (lines.into_owned(), line_ends);
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
