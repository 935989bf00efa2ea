//! `foretype/plugins`: the plugins of a document or folder, and their state.

use tower_lsp::jsonrpc::Result;

use super::ext::{PluginsParams, PluginsResult, PluginsResultItem};
use super::server::{LspServer, run_blocking};
use crate::plugins::{user_folder, workspace_folder};

/// Handles the request.
pub(super) async fn handle(server: &LspServer, params: PluginsParams) -> Result<PluginsResult> {
    let session = server.session.clone();
    run_blocking(move || {
        let uri = params.text_document.map(|document| document.uri);
        let workspace = session.workspace_or_first(uri.as_ref());
        let plugins = session.plugins_for(workspace.as_deref());
        plugins.refresh_blocking(&session.config());
        let reports = plugins.reports().into_iter();
        Ok(PluginsResult {
            folder: workspace.map(|workspace| workspace_folder(&workspace.root)),
            user_folder: user_folder(),
            plugins: reports.map(|report| PluginsResultItem { words: report.summary(), report }).collect(),
        })
    })
    .await
}
