//! Conversions between byte ranges of a snapshot and types of the protocol.

use std::ops::Range;

use foretype_plugins::docstring::Edit;
use tower_lsp::lsp_types;

use super::ext::{Hunk, RewriteResult};
use crate::documents::{Encoding, Snapshot};
use crate::rewrite;

/// Byte range of a protocol range, whose ends may be in either order.
pub(super) fn byte_range(snapshot: &Snapshot, range: lsp_types::Range, encoding: Encoding) -> Range<usize> {
    let [start, end] = [range.start, range.end].map(|at| snapshot.lines.offset(&snapshot.text, at, encoding));
    start.min(end)..start.max(end)
}

/// Protocol range of a byte range.
pub(super) fn protocol_range(snapshot: &Snapshot, range: &Range<usize>, encoding: Encoding) -> lsp_types::Range {
    let position = |at| snapshot.lines.position(&snapshot.text, at, encoding);
    lsp_types::Range { start: position(range.start), end: position(range.end) }
}

/// Result with edits, in the order of the text, as hunks that the client can apply one by one.
pub(super) fn rewrite_result(snapshot: &Snapshot, edits: &[Edit], encoding: Encoding) -> RewriteResult {
    let hunks = edits.iter().flat_map(|edit| rewrite::hunks(&snapshot.text, edit));
    let hunks = hunks.map(|edit| Hunk {
        range: protocol_range(snapshot, &edit.range, encoding),
        new_text: snapshot.client_text(edit.range.start, &edit.text),
    });
    RewriteResult {
        version: snapshot.version,
        hunks: hunks.collect(),
        text: None,
        language_id: None,
        notes: Vec::new(),
    }
}
