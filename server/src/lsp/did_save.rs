//! `textDocument/didSave`.

use tower_lsp::lsp_types::DidSaveTextDocumentParams;

use super::server::LspServer;
use super::{did_change_watched_files, plugin_notices};

/// Handles the notification.
pub(super) async fn handle(server: &LspServer, params: DidSaveTextDocumentParams) {
    let Ok(path) = params.text_document.uri.to_file_path() else { return };
    if path.extension().is_some_and(|extension| extension == "luau") {
        plugin_notices::reload_saved_plugin(server, path.clone());
    }
    did_change_watched_files::update_indexes(server, vec![path]);
}
