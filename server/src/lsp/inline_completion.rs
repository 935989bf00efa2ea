//! `textDocument/inlineCompletion`.

use std::sync::Arc;

use foretype_plugins::Trigger;
use tower_lsp::jsonrpc::Result;
use tower_lsp::lsp_types::{Command, Range};

use super::convert::{byte_range, protocol_range};
use super::ext::{
    ACCEPTED_COMMAND, CompletionReady, DocumentParams, InlineCompletionItem, InlineCompletionList,
    InlineCompletionParams, TRIGGER_INVOKED,
};
use super::server::LspServer;
use crate::documents::{Encoding, Snapshot};
use crate::inline_completion::{self, InlineQuery, SelectedItem};
use crate::session::Session;

/// Handles the request.
pub(super) async fn handle(server: &LspServer, params: InlineCompletionParams) -> Result<InlineCompletionList> {
    let session = &server.session;
    let uri = params.text_document.uri.as_str();
    let Some(document) = session.request_snapshot(uri, params.request_id) else {
        tracing::debug!("nothing to suggest in {uri}: not open, or changed meanwhile");
        return Ok(InlineCompletionList::default());
    };
    let encoding = session.encoding();
    let Some(query) = query(&document.snapshot, &params, encoding) else {
        return Ok(InlineCompletionList::default());
    };
    let range = match &params.context.selected_completion_info {
        Some(selected) => selected.range,
        None => protocol_range(&document.snapshot, &(query.cursor..query.cursor), encoding),
    };
    let (snapshot, cursor) = (document.snapshot.clone(), query.cursor);
    let outcome = inline_completion::complete(session, document, query).await;
    let client_text = |text: String| snapshot.client_text(cursor, &text);
    let items = outcome.suggestions.into_iter().map(|text| item(session, &params, range, client_text(text))).collect();
    let is_incomplete = outcome.pending.is_some();
    if let Some(pending) = outcome.pending {
        let (client, text_document) = (server.client.clone(), params.text_document);
        tokio::spawn(async move {
            if pending.ready().await {
                client.send_notification::<CompletionReady>(DocumentParams { text_document }).await;
            }
        });
    }
    Ok(InlineCompletionList { items, is_incomplete })
}

/// Converts the position and the cause of a request; `None` if the position is past the last line.
fn query(snapshot: &Snapshot, params: &InlineCompletionParams, encoding: Encoding) -> Option<InlineQuery> {
    if params.position.line as usize >= snapshot.lines.lines() {
        return None;
    }
    let is_invoked = params.context.trigger_kind == TRIGGER_INVOKED;
    let selected = params.context.selected_completion_info.as_ref().map(|selected| SelectedItem {
        range: byte_range(snapshot, selected.range, encoding),
        text: selected.text.clone(),
    });
    Some(InlineQuery {
        cursor: snapshot.lines.offset(&snapshot.text, params.position, encoding),
        trigger: if is_invoked { Trigger::Invoked } else { Trigger::Automatic },
        selected,
    })
}

/// Item for a suggestion. It begins with the popup's selected item, which the client compares with the text in `range`.
fn item(session: &Arc<Session>, params: &InlineCompletionParams, range: Range, text: String) -> InlineCompletionItem {
    let id = session.shared.stats.register_suggestion(text.chars().count());
    let command = Command {
        title: "Accepted".to_owned(),
        command: ACCEPTED_COMMAND.to_owned(),
        arguments: Some(vec![id.into()]),
    };
    let selected = params.context.selected_completion_info.as_ref().map_or("", |selected| selected.text.as_str());
    let filter_text = if selected.is_empty() { None } else { Some(selected.to_owned()) };
    InlineCompletionItem { insert_text: format!("{selected}{text}"), filter_text, range, command }
}
