//! `workspace/didChangeWorkspaceFolders`.

use tower_lsp::lsp_types::DidChangeWorkspaceFoldersParams;

use super::index_progress;
use super::server::LspServer;

/// Handles the notification.
pub(super) async fn handle(server: &LspServer, params: DidChangeWorkspaceFoldersParams) {
    let removed: Vec<_> = params.event.removed.iter().filter_map(|folder| folder.uri.to_file_path().ok()).collect();
    let added = params.event.added.iter().filter_map(|folder| folder.uri.to_file_path().ok());
    let mut roots: Vec<_> = server.session.folders().iter().map(|folder| folder.root.clone()).collect();
    roots.retain(|root| !removed.contains(root));
    roots.extend(added);
    roots.dedup();
    server.session.set_folders(roots);
    index_progress::index_workspaces(server);
}
