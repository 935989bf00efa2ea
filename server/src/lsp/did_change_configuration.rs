//! `workspace/didChangeConfiguration`, and settings that the server asks the client for.

use std::time::Instant;

use serde_json::Value;
use tower_lsp::lsp_types::{ConfigurationItem, DidChangeConfigurationParams, MessageType};

use super::index_progress;
use super::server::{CLIENT_TIMEOUT, LspServer, within_timeout};

/// Handles the notification.
pub(super) async fn handle(server: &LspServer, params: DidChangeConfigurationParams) {
    let revision = server.session.next_settings_revision();
    if !server.session.client_capabilities().is_some_and(|capabilities| capabilities.configuration) {
        server.session.apply_settings(revision, &params.settings);
        return reconfigure(server);
    }
    let server = server.clone();
    tokio::spawn(async move {
        if !pull_settings(&server, revision).await {
            server.session.apply_settings(revision, &params.settings);
        }
        reconfigure(&server);
    });
}

/// Asks the client for its settings. Returns false if it does not give them, or not in time; settings that arrive later
/// take effect when they do.
pub(super) async fn pull_settings(server: &LspServer, revision: u64) -> bool {
    if !server.session.client_capabilities().is_some_and(|capabilities| capabilities.configuration) {
        return false;
    }
    let item = ConfigurationItem { scope_uri: None, section: Some("foretype".to_owned()) };
    let (server, requested) = (server.clone(), Instant::now());
    let answer = async move {
        let Ok(values) = server.client.configuration(vec![item]).await else { return false };
        server.session.apply_settings(revision, values.first().unwrap_or(&Value::Null));
        if requested.elapsed() >= CLIENT_TIMEOUT {
            reconfigure(&server);
        }
        true
    };
    within_timeout(answer).await.unwrap_or(false)
}

/// Puts new settings into effect.
pub(super) fn reconfigure(server: &LspServer) {
    let errors = server.session.reload_config();
    report_errors(server, errors);
    server.session.select_model();
    let roots = server.session.folders().iter().map(|folder| folder.root.clone()).collect();
    server.session.set_folders(roots);
    index_progress::index_workspaces(server);
    // Suggestions may be on or off in other documents now: the status is sent again, so that the client asks.
    server.session.status_changed.notify_one();
}

/// Shows errors of the configuration.
pub(super) fn report_errors(server: &LspServer, errors: Vec<String>) {
    if errors.is_empty() {
        return;
    }
    let client = server.client.clone();
    tokio::spawn(async move {
        for error in errors {
            client.log_message(MessageType::WARNING, &error).await;
            client.show_message(MessageType::WARNING, format!("Foretype: {error}")).await;
        }
    });
}
