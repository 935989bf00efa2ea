//! `foretype/status`: the request, and the notification that follows the state of the model.

use serde_json::{Value, json};
use tower_lsp::jsonrpc::Result;
use tower_lsp::lsp_types::MessageType;

use super::ext::{DidChangeStatus, Status, StatusParams};
use super::server::LspServer;
use crate::backend::ModelState;

/// Handles the request.
pub(super) async fn handle(server: &LspServer, params: StatusParams) -> Result<Value> {
    let session = &server.session;
    let state = session.model_slot().map(|slot| slot.subscribe().borrow().clone());
    let status = status_of(state.as_ref());
    let mut report = json!({
        "busy": status.busy,
        "kind": status.kind,
        "message": status.message,
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "config": *session.config(),
        "statistics": session.shared.stats.counts(),
        "prefetching": session.scheduled_prefetches.any(),
    });
    if let Some(ModelState::Ready(engine)) = &state {
        report["model"] = json!({ "name": engine.model().name, "path": engine.model().path });
        report["engine"] = json!(engine.status());
    }
    if let Some(document) = params.text_document {
        let reason = match session.documents.snapshot(document.uri.as_str()) {
            Some(snapshot) => session.disabled_reason(&snapshot),
            None => Some("the document is not open".to_owned()),
        };
        report["document"] = json!({ "enabled": reason.is_none(), "reason": reason });
    }
    Ok(report)
}

/// Sends the client each change of the model's state, and shows each failure once, until the session ends.
pub(super) async fn report(server: LspServer) {
    let mut reported = String::new();
    loop {
        let Some(slot) = server.session.model_slot() else { return };
        let mut states = slot.subscribe();
        // The slot is not kept in memory for a session that has selected another model.
        drop(slot);
        loop {
            let state = states.borrow_and_update().clone();
            server.client.send_notification::<DidChangeStatus>(status_of(Some(&state))).await;
            if let ModelState::Failed(why, _) = &state
                && *why != reported
            {
                server.client.show_message(MessageType::ERROR, format!("Foretype: {why}")).await;
                reported.clone_from(why);
            }
            drop(state);
            tokio::select! {
                changed = states.changed() => if changed.is_err() { break },
                () = server.session.status_changed.notified() => break,
                () = server.session.wait_until_ended() => return,
            }
        }
    }
}

fn status_of(state: Option<&ModelState>) -> Status {
    let status = |busy, kind: &str, message: String| Status { busy, kind: kind.to_owned(), message };
    match state {
        Some(ModelState::Ready(engine)) => status(false, "Normal", engine.model().name.clone()),
        Some(ModelState::Loading) => status(true, "Normal", "loading the model".to_owned()),
        Some(ModelState::Failed(why, _)) => status(false, "Error", why.clone()),
        Some(ModelState::Unloaded) | None => status(false, "Inactive", "the model is not loaded".to_owned()),
    }
}
