//! What a client is told of plugins: a fault once, at its line, and once for each workspace the question of trust.

use std::path::{Path, PathBuf};

use foretype_plugins::luau::Fault;
use tower_lsp::lsp_types::{Diagnostic, DiagnosticSeverity, MessageActionItem, MessageType, Position, Range, Url};

use super::serve;
use super::server::Server;
use crate::plugins::{Entry, EntryState, Notice, Plugins, trust};

/// The answer that trusts.
const TRUST: &str = "Trust and run";

impl Server {
    /// Tells what there is to tell, until the session ends.
    pub(super) async fn report_plugins(self) {
        let mut ended = self.session.ended();
        // Plugins that lie in the folders now are loaded before anybody types.
        let session = self.session.clone();
        let looked = tokio::task::spawn_blocking(move || {
            for plugins in session.plugins() {
                plugins.look(&session.config());
            }
        });
        if looked.await.is_err() {
            tracing::error!("looking for plugins failed");
        }
        self.session.plugins_ran();
        loop {
            tokio::select! {
                () = self.session.plugin_news.notified() => {}
                () = serve::until(&mut ended) => return,
            }
            for notice in self.session.plugins().iter().flat_map(|plugins| plugins.news()) {
                match notice {
                    Notice::Fault(path, fault) => self.report_fault(&path, &fault).await,
                    Notice::Untrusted(root, names) => {
                        tokio::spawn(self.clone().ask_for_trust(root, names));
                    }
                }
            }
        }
    }

    async fn report_fault(&self, path: &Path, fault: &Fault) {
        let message = format!("Foretype: the plugin {fault}. It rests until its file changes.");
        self.client.show_message(MessageType::WARNING, message).await;
        let Ok(uri) = Url::from_file_path(path) else { return };
        let line = fault.line.map_or(0, |line| line.saturating_sub(1));
        let range = Range { start: Position::new(line, 0), end: Position::new(line + 1, 0) };
        let diagnostic = Diagnostic {
            range,
            severity: Some(DiagnosticSeverity::ERROR),
            source: Some("foretype".to_owned()),
            message: fault.message.clone(),
            ..Diagnostic::default()
        };
        self.client.publish_diagnostics(uri, vec![diagnostic], None).await;
    }

    async fn ask_for_trust(self, root: PathBuf, names: Vec<String>) {
        let message = format!(
            "Foretype: this workspace has plugins that you have not trusted: {}. They read files of the workspace, change \
             prompts and suggestions, and reach nothing else.",
            names.join(", ")
        );
        let action = |title: &str| MessageActionItem { title: title.to_owned(), properties: Default::default() };
        let actions = Some(vec![action(TRUST), action("Not now")]);
        let answer = self.client.show_message_request(MessageType::INFO, message, actions).await;
        if !answer.is_ok_and(|answer| answer.is_some_and(|answer| answer.title == TRUST)) {
            return;
        }
        let session = self.session.clone();
        // Nobody waits for it: what cannot be remembered is said in the log.
        tokio::task::spawn_blocking(move || {
            let asked = |entry: &Entry| matches!(entry.state, EntryState::Untrusted) && names.contains(&entry.name);
            let of_root = session.shared.plugins.of(Some(&root), &session.config());
            let hashes: Vec<_> = of_root.entries().into_iter().filter(asked).map(|entry| entry.hash).collect();
            if let Err(error) = trust::add(&root, &hashes) {
                tracing::error!("the plugins are not trusted: {error:#}");
            }
        });
    }

    /// A plugin's file was saved: it is loaded anew with the next prompt, and its old faults are gone.
    pub(super) fn saved_plugin(&self, path: PathBuf) {
        let (session, client) = (self.session.clone(), self.client.clone());
        tokio::spawn(async move {
            let plugins: Vec<_> = session.plugins();
            let known = |plugins: &Plugins| plugins.entries().iter().any(|entry| entry.path == path);
            if !plugins.iter().any(|plugins| known(plugins)) {
                return;
            }
            if let Ok(uri) = Url::from_file_path(&path) {
                client.publish_diagnostics(uri, Vec::new(), None).await;
            }
            // It reads a file; if it panics, the next look finds the change all the same.
            let _ = tokio::task::spawn_blocking(move || plugins.iter().for_each(|plugins| plugins.saved(&path))).await;
        });
    }
}
