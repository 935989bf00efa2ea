//! Notices about plugins: each fault once and as a diagnostic at its line, and the question of trust once for each
//! workspace.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use foretype_plugins::luau::PluginFault;
use tower_lsp::lsp_types::{Diagnostic, DiagnosticSeverity, MessageActionItem, MessageType, Position, Range, Url};

use super::server::LspServer;
use crate::plugins::{PluginEntry, PluginNotice, PluginState, trust};

/// Interval at which a stopped plugin's file is checked for changes: not every editor or program reports a save.
const STOPPED_PLUGIN_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Title of the action that trusts plugins.
const TRUST_ACTION: &str = "Trust and run";

/// Sends notices until the session ends.
pub(super) async fn report(server: LspServer) {
    let session = &server.session;
    let mut saved = session.shared.plugins.subscribe_to_saves();
    // The plugins in the folders are loaded before the first key.
    refresh_plugins(&server).await;
    session.notify_plugins_ran();
    loop {
        let any_stopped = !session.plugin_diagnostics.lock().is_empty();
        tokio::select! {
            () = session.plugins_ran.notified() => {}
            // Saved in any window: all windows show the result.
            Ok(()) = saved.changed() => refresh_plugins(&server).await,
            () = tokio::time::sleep(STOPPED_PLUGIN_CHECK_INTERVAL), if any_stopped => refresh_plugins(&server).await,
            () = session.wait_until_ended() => return,
        }
        send_notices(&server).await;
        update_diagnostics(&server).await;
    }
}

/// Loads plugins that have changed.
async fn refresh_plugins(server: &LspServer) {
    let session = server.session.clone();
    let refreshed = tokio::task::spawn_blocking(move || {
        for plugins in session.all_plugins() {
            plugins.refresh_blocking(&session.config());
        }
    });
    if refreshed.await.is_err() {
        tracing::error!("loading plugins failed");
    }
}

/// Sends new notices. A plugin of the user runs once for each folder; its fault is reported once.
async fn send_notices(server: &LspServer) {
    let mut reported = server.session.plugin_diagnostics.lock().clone();
    for notice in server.session.all_plugins().iter().flat_map(|plugins| plugins.take_notices()) {
        match notice {
            PluginNotice::Fault(path, fault) => {
                if reported.insert(path, fault.clone()).as_ref() != Some(&fault) {
                    let message = format!("Foretype: the plugin {fault}. It does not run until its file changes.");
                    server.client.show_message(MessageType::WARNING, message).await;
                }
            }
            PluginNotice::Untrusted(root, names) => {
                tokio::spawn(ask_for_trust(server.clone(), root, names));
            }
        }
    }
}

/// Publishes the faults of plugins as diagnostics and clears those of plugins that run again. Each window has its own
/// diagnostics.
async fn update_diagnostics(server: &LspServer) {
    let plugins = server.session.all_plugins();
    let faults: HashMap<_, _> = plugins.iter().flat_map(|plugins| plugins.faults()).collect();
    let old = std::mem::replace(&mut *server.session.plugin_diagnostics.lock(), faults.clone());
    for path in old.keys().filter(|path| !faults.contains_key(*path)) {
        publish(server, path, None).await;
    }
    for (path, fault) in faults.iter().filter(|(path, fault)| old.get(*path) != Some(*fault)) {
        publish(server, path, Some(fault)).await;
    }
}

async fn publish(server: &LspServer, path: &Path, fault: Option<&PluginFault>) {
    let Ok(uri) = Url::from_file_path(path) else { return };
    server.client.publish_diagnostics(uri, fault.map(diagnostic).into_iter().collect(), None).await;
}

fn diagnostic(fault: &PluginFault) -> Diagnostic {
    let line = fault.line.map_or(0, |line| line.saturating_sub(1));
    Diagnostic {
        range: Range { start: Position::new(line, 0), end: Position::new(line + 1, 0) },
        severity: Some(DiagnosticSeverity::ERROR),
        source: Some("foretype".to_owned()),
        message: fault.message.clone(),
        ..Diagnostic::default()
    }
}

async fn ask_for_trust(server: LspServer, root: PathBuf, names: Vec<String>) {
    let message = format!(
        "Foretype: this workspace has plugins that you have not trusted: {}. They can read files of the \
         workspace and change prompts and suggestions, and have access to nothing else.",
        names.join(", ")
    );
    let action = |title: &str| MessageActionItem { title: title.to_owned(), properties: HashMap::default() };
    let actions = Some(vec![action(TRUST_ACTION), action("Not now")]);
    let answer = server.client.show_message_request(MessageType::INFO, message, actions).await;
    if !answer.is_ok_and(|answer| answer.is_some_and(|answer| answer.title == TRUST_ACTION)) {
        return;
    }
    let session = server.session.clone();
    // No request waits for the result, so an error is logged.
    tokio::task::spawn_blocking(move || {
        let is_meant =
            |entry: &PluginEntry| matches!(entry.state, PluginState::Untrusted) && names.contains(&entry.name);
        let plugins = session.shared.plugins.for_workspace(Some(&root), &session.config());
        let hashes: Vec<_> = plugins.entries().into_iter().filter(is_meant).map(|entry| entry.hash).collect();
        if let Err(error) = trust::add(&root, &hashes) {
            tracing::error!("the plugins are not trusted: {error:#}");
        }
    });
}

/// Reloads a plugin whose file was saved, and clears its old fault.
pub(super) fn reload_saved_plugin(server: &LspServer, path: PathBuf) {
    let server = server.clone();
    tokio::spawn(async move {
        let shared = server.session.shared.clone();
        if !shared.plugins.contains(&path) {
            return;
        }
        // A fault that remains or is new is published afterwards.
        server.session.plugin_diagnostics.lock().remove(&path);
        publish(&server, &path, None).await;
        // This reads a file. If it panics, the next check of the folder finds the change.
        let _ = tokio::task::spawn_blocking(move || shared.plugins.file_saved(&path)).await;
    });
}
