//! `workspace/executeCommand`: a suggestion was accepted, or a docstring is to be written.

use std::collections::HashMap;

use foretype_plugins::docstring::{DocStyle, Edit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::lsp_types::{
    DocumentChanges, ExecuteCommandParams, OneOf, OptionalVersionedTextDocumentIdentifier, TextDocumentEdit, TextEdit,
    Url, WorkspaceEdit,
};

use super::convert::protocol_range;
use super::ext::{ACCEPTED_COMMAND, DOCSTRING_COMMAND};
use super::server::{LspServer, request_failed};
use super::streaming::CancelOnDrop;
use crate::ask::AnswerSampling;
use crate::docstring::open_document::{DocstringQuery, write_docstrings};
use crate::documents::Snapshot;
use crate::session::Session;

/// Argument of [`DOCSTRING_COMMAND`]: the item to document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DocstringTarget {
    /// Document.
    pub(super) uri: Url,
    /// Line of the item, counted from 0.
    pub(super) line: u32,
    /// Style, unless it is to be detected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) style: Option<DocStyle>,
    /// Updates the existing docstring.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) update: bool,
}

/// Handles the request.
pub(super) async fn handle(server: &LspServer, params: ExecuteCommandParams) -> Result<Option<Value>> {
    let argument = params.arguments.into_iter().next();
    match params.command.as_str() {
        DOCSTRING_COMMAND => write_docstring(server, argument.unwrap_or_default()).await.map(Some),
        ACCEPTED_COMMAND => {
            if let Some(id) = argument.as_ref().and_then(Value::as_u64) {
                server.session.shared.stats.record_acceptance(id);
            }
            Ok(None)
        }
        command => Err(Error::invalid_params(format!("there is no command {command}"))),
    }
}

/// Writes a docstring and sends it as one edit. The client decides whether to apply it.
async fn write_docstring(server: &LspServer, argument: Value) -> Result<Value> {
    let target = DocstringTarget::deserialize(argument)
        .map_err(|error| Error::invalid_params(format!("{DOCSTRING_COMMAND}: {error}")))?;
    let session = server.session.clone();
    let engine = session.loaded_engine().await.map_err(request_failed)?;
    let guard = CancelOnDrop::default();
    let is_wanted = guard.is_wanted();
    let work = tokio::task::spawn_blocking(move || {
        let line = target.line as usize;
        let query = DocstringQuery {
            lines: Some(line..=line),
            style: target.style,
            update: target.update,
            sampling: AnswerSampling::Greedy,
        };
        let written = write_docstrings(&session, &engine, target.uri.as_str(), &query, &is_wanted, &|_, _, _| {});
        written.map(|(snapshot, edits)| workspace_edit(&session, target.uri, &snapshot, &edits))
    });
    let edit = work.await.map_err(|_| Error::internal_error())?.map_err(request_failed)?;
    let client = server.client.clone();
    // A task of its own, so that the answer is awaited even if this request is cancelled: see `within_timeout`.
    let answer = tokio::spawn(async move { client.apply_edit(edit).await }).await;
    let answer = answer.map_err(|_| Error::internal_error())??;
    Ok(json!({ "applied": answer.applied, "reason": answer.failure_reason }))
}

/// Edit of one document, tied to the version of the snapshot if the client supports that.
fn workspace_edit(session: &Session, uri: Url, snapshot: &Snapshot, edits: &[Edit]) -> WorkspaceEdit {
    let encoding = session.encoding();
    let text_edits = edits.iter().map(|edit| TextEdit {
        range: protocol_range(snapshot, &edit.range, encoding),
        new_text: snapshot.client_text(edit.range.start, &edit.text),
    });
    if !session.client_capabilities().is_some_and(|capabilities| capabilities.document_changes) {
        let changes = HashMap::from([(uri, text_edits.collect())]);
        return WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() };
    }
    let text_document = OptionalVersionedTextDocumentIdentifier { uri, version: Some(snapshot.version) };
    let changes = vec![TextDocumentEdit { text_document, edits: text_edits.map(OneOf::Left).collect() }];
    WorkspaceEdit { document_changes: Some(DocumentChanges::Edits(changes)), ..WorkspaceEdit::default() }
}
