//! `foretype/docstring`: docstrings for one item, or for all that lack one. Nothing is applied: the client gets hunks.

use tower_lsp::jsonrpc::Result;

use super::convert::rewrite_result;
use super::ext::{DocstringParams, RewriteResult};
use super::server::{LspServer, request_failed};
use super::streaming::stream;
use crate::ask::AnswerSampling;
use crate::docstring::open_document::{DocstringQuery, write_docstrings};

/// Handles the request.
pub(super) async fn handle(server: &LspServer, params: DocstringParams) -> Result<RewriteResult> {
    answer(server, params).await.map_err(request_failed)
}

async fn answer(server: &LspServer, params: DocstringParams) -> anyhow::Result<RewriteResult> {
    let session = server.session.clone();
    let engine = session.loaded_engine().await?;
    let (uri, encoding) = (params.text_document.uri, session.encoding());
    let query = DocstringQuery {
        lines: params.range.map(|range| range.start.line as usize..=range.end.line as usize),
        style: params.style,
        update: params.update,
        sampling: match params.attempt {
            0 => AnswerSampling::Greedy,
            attempt => AnswerSampling::Seeded(attempt),
        },
    };
    let written = stream(&server.client, params.partial_result_token, move |is_wanted, on_text| {
        let on_item = |number: usize, total: usize, name: &str| on_text(&format!("{number}/{total} {name}\n"));
        write_docstrings(&session, &engine, uri.as_str(), &query, is_wanted, &on_item)
    });
    let (snapshot, edits) = written.await?;
    Ok(rewrite_result(&snapshot, &edits, encoding))
}
