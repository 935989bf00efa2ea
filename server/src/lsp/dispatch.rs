//! Dispatch of methods to their handlers.

use std::sync::Arc;

use serde_json::Value;
use tower_lsp::jsonrpc::Result;
use tower_lsp::lsp_types::{
    CodeActionParams, CodeActionResponse, DidChangeConfigurationParams, DidChangeWatchedFilesParams,
    DidChangeWorkspaceFoldersParams, DidSaveTextDocumentParams, ExecuteCommandParams, InitializeParams,
    InitializeResult, InitializedParams,
};
use tower_lsp::{ClientSocket, LanguageServer, LspService, async_trait};

use super::ext::{self, ItemParams};
use super::server::LspServer;
use super::{
    ask, code_action, conversations, did_change_configuration, did_change_watched_files, did_change_workspace_folders,
    did_focus, did_save, docstring, execute_command, initialize, inline_completion, plugins, rewrite, status,
};
use crate::session::Session;

/// Service of a session, and the socket of its client.
pub(super) fn service(session: Arc<Session>) -> (LspService<LspServer>, ClientSocket) {
    LspService::build(|client| LspServer { session, client })
        .custom_method(ext::INLINE_COMPLETION_METHOD, inline_completion::handle)
        .custom_method("textDocument/didShowCompletion", did_show_completion)
        .custom_method("textDocument/didPartiallyAcceptCompletion", did_partially_accept_completion)
        .custom_method("textDocument/didFocus", did_focus::handle)
        .custom_method("foretype/plugins", plugins::handle)
        .custom_method("foretype/ask", ask::handle)
        .custom_method("foretype/conversations", conversations::list)
        .custom_method("foretype/conversation", conversations::open_or_delete)
        .custom_method("foretype/translate", rewrite::translate)
        .custom_method("foretype/edit", rewrite::edit)
        .custom_method("foretype/generate", rewrite::generate)
        .custom_method("foretype/docstring", docstring::handle)
        .custom_method("foretype/status", status::handle)
        .finish()
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
