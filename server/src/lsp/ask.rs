//! `foretype/ask`: a question about code. The answer is streamed if the client gave a token for partial results.

use std::path::Path;

use foretype_plugins::tasks::ask::Excerpt;
use tower_lsp::jsonrpc::Result;
use tower_lsp::lsp_types::{Range, Url};

use super::convert::byte_range;
use super::ext::{AskExcerpt, AskParams, AskResult};
use super::server::{LspServer, request_failed};
use super::streaming::send_partial;
use crate::ask::session::{AskQuery, RunningAnswer, SelectedCode};
use crate::session::Session;

/// Handles the request.
pub(super) async fn handle(server: &LspServer, params: AskParams) -> Result<AskResult> {
    answer(server, params).await.map_err(request_failed)
}

async fn answer(server: &LspServer, params: AskParams) -> anyhow::Result<AskResult> {
    let engine = server.session.loaded_engine().await?;
    let query = query(&server.session, &params);
    let mut running = RunningAnswer::start(server.session.clone(), engine, query).await?;
    while let Some(text) = running.next_text().await? {
        send_partial(&server.client, params.partial_result_token.as_ref(), text).await;
    }
    let answer = running.save().await?;
    Ok(AskResult {
        places: excerpt_locations(&answer.excerpts, answer.root.as_deref()),
        text: answer.text,
        complete: answer.complete,
        conversation: answer.conversation,
        citations: answer.citations,
        notes: answer.notes,
        evaluated: answer.usage.evaluated,
        reused: answer.usage.reused,
    })
}

fn query(session: &Session, params: &AskParams) -> AskQuery {
    let uri = params.text_document.as_ref().map(|document| &document.uri);
    AskQuery {
        question: params.question.clone(),
        intent: params.intent.clone(),
        workspace: session.workspace_or_first(params.workspace.as_ref().or(uri)),
        code: uri.map(|uri| selected_code(session, uri, params.range)),
        conversation: params.conversation,
        regenerate: params.regenerate,
        at: params.at,
        branch: params.branch,
    }
}

/// Snapshot of the document that the question is about, and the bytes that are selected in it.
fn selected_code(session: &Session, uri: &Url, range: Option<Range>) -> anyhow::Result<SelectedCode> {
    let snapshot = session.snapshot_for_model(uri.as_str())?;
    let selection = range.map(|range| byte_range(&snapshot, range, session.encoding()));
    Ok(SelectedCode { snapshot, selection })
}

/// Locations of excerpts for the client.
pub(super) fn excerpt_locations(excerpts: &[Excerpt], root: Option<&Path>) -> Vec<AskExcerpt> {
    let location = |excerpt: &Excerpt| AskExcerpt {
        uri: root.and_then(|root| Url::from_file_path(root.join(&excerpt.path)).ok()),
        path: excerpt.path.clone(),
        first: excerpt.first_line,
        last: excerpt.last_line,
        why: excerpt.reason.clone(),
    };
    excerpts.iter().map(location).collect()
}
