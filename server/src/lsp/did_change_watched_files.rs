//! `workspace/didChangeWatchedFiles`.

use std::path::PathBuf;

use tower_lsp::lsp_types::DidChangeWatchedFilesParams;

use super::server::LspServer;

/// Handles the notification.
pub(super) async fn handle(server: &LspServer, params: DidChangeWatchedFilesParams) {
    // One of the files may be an ignore file.
    server.session.refresh_document_meta();
    let changes = params.changes.into_iter();
    update_indexes(server, changes.filter_map(|change| change.uri.to_file_path().ok()).collect());
}

/// Updates the symbol and search indexes of all folders for files that changed on disk, in the background.
pub(super) fn update_indexes(server: &LspServer, paths: Vec<PathBuf>) {
    let session = server.session.clone();
    tokio::task::spawn_blocking(move || {
        for folder in session.folders() {
            for path in &paths {
                folder.update_symbols(path);
            }
            if let Err(error) = folder.update_search(&paths) {
                tracing::warn!("the search index is not updated: {error:#}");
            }
        }
    });
}
