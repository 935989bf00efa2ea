//! Dispatch of the methods that tower-lsp knows to their handlers, and helpers of handlers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::lsp_types::{
    CodeActionParams, CodeActionResponse, DidChangeConfigurationParams, DidChangeWatchedFilesParams,
    DidChangeWorkspaceFoldersParams, DidSaveTextDocumentParams, ExecuteCommandParams, InitializeParams,
    InitializeResult, InitializedParams,
};
use tower_lsp::{Client, LanguageServer, async_trait};

use super::ext::{self, ItemParams};
use super::{
    code_action, did_change_configuration, did_change_watched_files, did_change_workspace_folders, did_save,
    execute_command, initialize,
};
use crate::session::Session;

/// Time limit for answers of the client, which need not answer at all.
pub(super) const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Server of one client.
#[derive(Debug, Clone)]
pub(super) struct LspServer {
    pub(super) session: Arc<Session>,
    pub(super) client: Client,
}

#[async_trait]
impl LanguageServer for LspServer {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        initialize::handle(self, params).await
    }

    async fn initialized(&self, _: InitializedParams) {
        // A task of its own: the client may answer only after this handler has returned.
        tokio::spawn(initialize::start(self.clone()));
    }

    async fn shutdown(&self) -> Result<()> {
        let session = self.session.clone();
        let saved = tokio::task::spawn_blocking(move || session.shared.stats.save()).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!("statistics are not saved: {error:#}");
        }
        Ok(())
    }

    async fn did_change_configuration(&self, params: DidChangeConfigurationParams) {
        did_change_configuration::handle(self, params).await;
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        did_change_workspace_folders::handle(self, params).await;
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        did_change_watched_files::handle(self, params).await;
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        did_save::handle(self, params).await;
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        code_action::handle(self, params).await
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<Value>> {
        execute_command::handle(self, params).await
    }
}

/// Handles `textDocument/didShowCompletion`, which needs no action: suggestions are counted when they are sent.
pub(super) async fn did_show_completion(_: &LspServer, _: ItemParams) {}

/// Handles `textDocument/didPartiallyAcceptCompletion`.
pub(super) async fn did_partially_accept_completion(server: &LspServer, params: ItemParams) {
    if let (Some(id), Some(length)) = (params.number(), params.accepted_length) {
        server.session.shared.stats.record_partial_acceptance(id, length);
    }
}

/// Answer of the client to a request, unless it takes longer than [`CLIENT_TIMEOUT`]. The answer is awaited even then, because
/// tower-lsp ends the session over an answer that nothing awaits.
pub(super) async fn within_timeout<T: Send + 'static>(answer: impl Future<Output = T> + Send + 'static) -> Option<T> {
    tokio::time::timeout(CLIENT_TIMEOUT, tokio::spawn(answer)).await.ok()?.ok()
}

/// Runs work that reads or deletes files on a blocking thread.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(anyhow::Error::from).and_then(|result| result).map_err(request_failed)
}

/// Error of the protocol for a request that failed, with the causes.
pub(super) fn request_failed(error: anyhow::Error) -> Error {
    ext::failed(&format!("{error:#}"))
}
