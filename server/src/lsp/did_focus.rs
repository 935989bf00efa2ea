//! `textDocument/didFocus`: the cursor has moved without an edit.

use super::ext::DidFocusParams;
use super::server::LspServer;
use crate::inline_completion;

/// Handles the notification.
pub(super) async fn handle(server: &LspServer, params: DidFocusParams) {
    let session = &server.session;
    let moved = session.move_focus();
    let Some(position) = params.position else { return };
    let Some(document) = session.current_snapshot(params.text_document.uri.as_str()) else { return };
    let snapshot = &document.snapshot;
    if position.line as usize >= snapshot.lines.lines() {
        return;
    }
    let cursor = snapshot.lines.offset(&snapshot.text, position, session.encoding());
    // Notifications are handled concurrently with requests, but a prefetch may take seconds.
    let prefetch = inline_completion::prefetch_on_focus(session.clone(), document, cursor, moved);
    session.scheduled_prefetches.spawn(prefetch);
}
