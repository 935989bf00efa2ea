//! `initialize` and `initialized`.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use tower_lsp::jsonrpc::Result;
use tower_lsp::lsp_types::{InitializeParams, InitializeResult};

use super::did_change_configuration::{pull_settings, reconfigure, report_errors};
use super::server::{LspServer, within_timeout};
use super::{capabilities, editor_process, index_progress, plugin_notices, status};
use crate::session::ResolvedClientCapabilities;

/// Handles `initialize`.
pub(super) async fn handle(server: &LspServer, params: InitializeParams) -> Result<InitializeResult> {
    let session = &server.session;
    let dynamic = session.registers_inline_completion.load(Ordering::Relaxed);
    let client_capabilities =
        ResolvedClientCapabilities::read(&params.capabilities, params.client_info.as_ref(), dynamic);
    if let Some(options) = &params.initialization_options {
        session.set_initial_settings(options);
    }
    session.set_folders(roots(&params));
    let errors = session.reload_config();
    // A client that has not been asked for its settings yet may name another model.
    if params.initialization_options.is_some() || !client_capabilities.configuration {
        session.select_model();
    }
    if let Some(pid) = params.process_id {
        editor_process::end_when_process_exits(session.clone(), pid);
    }
    let result = capabilities::initialize_result(&client_capabilities);
    session.set_client_capabilities(client_capabilities);
    report_errors(server, errors);
    Ok(result)
}

/// Starts what follows `initialized`: reports, registrations and indexing.
pub(super) async fn start(server: LspServer) {
    let Some(client_capabilities) = server.session.client_capabilities() else { return };
    let has_model = server.session.model_slot().is_some();
    if has_model {
        tokio::spawn(status::report(server.clone()));
    }
    if pull_settings(&server, server.session.next_settings_revision()).await {
        reconfigure(&server);
    }
    if !has_model {
        server.session.select_model();
        tokio::spawn(status::report(server.clone()));
    }
    tokio::spawn(plugin_notices::report(server.clone()));
    let registrations = capabilities::registrations(client_capabilities);
    if !registrations.is_empty() {
        let client = server.client.clone();
        let registered = within_timeout(async move { client.register_capability(registrations).await }).await;
        if let Some(Err(error)) = registered {
            tracing::warn!("the client refused a registration: {error}");
        }
    }
    index_progress::index_workspaces(&server);
}

#[expect(deprecated, reason = "clients without workspace folders still send a root")]
fn roots(params: &InitializeParams) -> Vec<PathBuf> {
    let folders = params.workspace_folders.iter().flatten().map(|folder| &folder.uri);
    let folders: Vec<_> = folders.filter_map(|uri| uri.to_file_path().ok()).collect();
    if !folders.is_empty() {
        return folders;
    }
    let root = params.root_uri.as_ref().and_then(|uri| uri.to_file_path().ok());
    root.or_else(|| params.root_path.as_ref().map(PathBuf::from)).into_iter().collect()
}
