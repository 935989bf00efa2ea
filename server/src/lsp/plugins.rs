//! What a client is told of plugins: a fault once and at its line, once for each workspace the question of trust, and how all
//! of them are when it asks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use foretype_plugins::luau::Fault;
use tower_lsp::jsonrpc::Result;
use tower_lsp::lsp_types::{Diagnostic, DiagnosticSeverity, MessageActionItem, MessageType, Position, Range, Url};

use super::ext::{PluginsParams, PluginsResult, Told};
use super::server::{Server, reading};
use super::session::lock;
use super::{Session, serve};
use crate::plugins::{Entry, EntryState, Notice, Report, trust, user_folder, workspace_folder};

/// A plugin that rests is looked at this often: not every editor or program that mends one says so.
const LOOKS_AT_RESTING: Duration = Duration::from_secs(1);
/// The answer that trusts.
const TRUST: &str = "Trust and run";

impl Server {
    /// Tells what there is to tell, until the session ends.
    pub(super) async fn report_plugins(self) {
        let mut ended = self.session.ended();
        let mut saved = self.session.shared.plugins.after_saving();
        // Plugins that lie in the folders now are loaded before anybody types.
        self.look_at_plugins().await;
        self.session.plugins_ran();
        loop {
            let resting = !lock(&self.session.plugin_marks).is_empty();
            tokio::select! {
                () = self.session.plugin_news.notified() => {}
                // In any window: all show what came of it.
                Ok(()) = saved.changed() => self.look_at_plugins().await,
                () = tokio::time::sleep(LOOKS_AT_RESTING), if resting => self.look_at_plugins().await,
                () = serve::until(&mut ended) => return,
            }
            self.tell().await;
            self.mark_faults().await;
        }
    }

    /// Tells what is new. A plugin of the user's runs for each folder apart; that it fails is told once.
    async fn tell(&self) {
        let mut told = lock(&self.session.plugin_marks).clone();
        for notice in self.session.plugins().iter().flat_map(|plugins| plugins.news()) {
            match notice {
                Notice::Fault(path, fault) => {
                    if told.insert(path, fault.clone()).as_ref() != Some(&fault) {
                        self.tell_of_fault(&fault).await;
                    }
                }
                Notice::Untrusted(root, names) => {
                    tokio::spawn(self.clone().ask_for_trust(root, names));
                }
            }
        }
    }

    async fn look_at_plugins(&self) {
        let session = self.session.clone();
        let looked = tokio::task::spawn_blocking(move || {
            for plugins in session.plugins() {
                plugins.look_in_turn(&session.config());
            }
        });
        if looked.await.is_err() {
            tracing::error!("looking for plugins failed");
        }
    }

    async fn tell_of_fault(&self, fault: &Fault) {
        let message = format!("Foretype: the plugin {fault}. It rests until its file changes.");
        self.client.show_message(MessageType::WARNING, message).await;
    }

    /// Marks the lines of plugins that do not run, and takes away the marks of those that run again, whoever mended them. Each
    /// window has its own marks.
    async fn mark_faults(&self) {
        let plugins = self.session.plugins();
        let faults: HashMap<_, _> = plugins.iter().flat_map(|plugins| plugins.faults()).collect();
        let old = std::mem::replace(&mut *lock(&self.session.plugin_marks), faults.clone());
        for path in old.keys().filter(|path| !faults.contains_key(*path)) {
            self.mark(path, None).await;
        }
        for (path, fault) in faults.iter().filter(|(path, fault)| old.get(*path) != Some(*fault)) {
            self.mark(path, Some(fault)).await;
        }
    }

    async fn mark(&self, path: &Path, fault: Option<&Fault>) {
        let Ok(uri) = Url::from_file_path(path) else { return };
        self.client.publish_diagnostics(uri, fault.map(diagnostic).into_iter().collect(), None).await;
    }

    /// How the plugins are for a document or for the first folder. Looks at the folders, which reads files.
    pub(super) async fn plugins(&self, params: PluginsParams) -> Result<PluginsResult> {
        let session = self.session.clone();
        reading(move || Ok(told(&session, &params))).await
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

    /// A plugin's file was saved: it is loaded anew, and its old faults are gone.
    pub(super) fn saved_plugin(&self, path: PathBuf) {
        let server = self.clone();
        tokio::spawn(async move {
            let shared = server.session.shared.clone();
            if !shared.plugins.know(&path) {
                return;
            }
            // What is wrong still, or now, is marked anew.
            lock(&server.session.plugin_marks).remove(&path);
            server.mark(&path, None).await;
            // It reads a file; if it panics, the next look finds the change all the same.
            let _ = tokio::task::spawn_blocking(move || shared.plugins.saved(&path)).await;
        });
    }
}

fn told(session: &Session, params: &PluginsParams) -> PluginsResult {
    let root = match &params.text_document {
        Some(document) => session.workspace_of(document.uri.as_str()),
        None => session.workspace_or_first(None),
    };
    let root = root.map(|folder| folder.root.clone());
    let plugins = session.shared.plugins.of(root.as_deref(), &session.config());
    plugins.look_in_turn(&session.config());
    let told = |report: Report| Told { words: report.words(), report };
    PluginsResult {
        folder: root.as_deref().map(workspace_folder),
        user_folder: user_folder(),
        plugins: plugins.reports().into_iter().map(told).collect(),
    }
}

fn diagnostic(fault: &Fault) -> Diagnostic {
    let line = fault.line.map_or(0, |line| line.saturating_sub(1));
    Diagnostic {
        range: Range { start: Position::new(line, 0), end: Position::new(line + 1, 0) },
        severity: Some(DiagnosticSeverity::ERROR),
        source: Some("foretype".to_owned()),
        message: fault.message.clone(),
        ..Diagnostic::default()
    }
}
