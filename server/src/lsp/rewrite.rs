//! `foretype/translate`, `foretype/edit` and `foretype/generate`. Nothing is applied: the client gets hunks for the
//! version that it had, or an error if the document has changed in the meantime.

use tower_lsp::jsonrpc::Result;

use super::convert::{byte_range, rewrite_result};
use super::ext::{RewriteParams, RewriteResult};
use super::server::{LspServer, request_failed};
use super::streaming::stream;
use crate::rewrite::open_document::{self, RewriteOutcome, RewriteQuery};

/// Handles `foretype/translate`.
pub(super) async fn translate(server: &LspServer, params: RewriteParams) -> Result<RewriteResult> {
    let query = match &params.comments {
        Some(to) => RewriteQuery::TranslateComments { to: to.clone() },
        None => RewriteQuery::Translate { to: params.to.clone().unwrap_or_default() },
    };
    rewrite(server, params, query).await.map_err(request_failed)
}

/// Handles `foretype/edit`.
pub(super) async fn edit(server: &LspServer, params: RewriteParams) -> Result<RewriteResult> {
    let query = RewriteQuery::Edit { instruction: params.instruction.clone().unwrap_or_default() };
    rewrite(server, params, query).await.map_err(request_failed)
}

/// Handles `foretype/generate`.
pub(super) async fn generate(server: &LspServer, params: RewriteParams) -> Result<RewriteResult> {
    rewrite(server, params, RewriteQuery::Generate).await.map_err(request_failed)
}

async fn rewrite(server: &LspServer, params: RewriteParams, query: RewriteQuery) -> anyhow::Result<RewriteResult> {
    let session = server.session.clone();
    let engine = session.loaded_engine().await?;
    let snapshot = session.snapshot_for_model(params.text_document.uri.as_str())?;
    let encoding = session.encoding();
    let selection = params.range.map(|range| byte_range(&snapshot, range, encoding));
    let document = snapshot.clone();
    let outcome = stream(&server.client, params.partial_result_token, move |is_wanted, on_text| {
        open_document::rewrite(&session, &engine, &document, selection, &query, is_wanted, on_text)
    });
    Ok(match outcome.await? {
        RewriteOutcome::Edits(edits, notes) => RewriteResult { notes, ..rewrite_result(&snapshot, &edits, encoding) },
        RewriteOutcome::Translation { text, language, notes } => RewriteResult {
            text: Some(text),
            language_id: Some(language.lsp_id()),
            notes,
            ..rewrite_result(&snapshot, &[], encoding)
        },
    })
}
