//! State of one client: its documents, workspace folders, settings, model and plugins.
//!
//! Request handlers share a [`Session`] and hold none of its locks across an await. Edits are applied by one task, in
//! wire order; everyone else works on snapshots.

mod client_capabilities;
mod client_settings;
mod document_state;
mod documents;
mod model;
mod plugins;
mod scheduled_prefetch;
mod settings;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use foretype_plugins::luau::PluginFault;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tower_lsp::lsp_types::Url;

use crate::backend::{SelectedModel, SharedState};
use crate::config::Config;
use crate::documents::Documents;
use crate::workspace::Workspace;
pub(crate) use client_capabilities::ResolvedClientCapabilities;
use client_settings::ClientSettings;
pub(crate) use document_state::{DocumentState, RequestSnapshot};
use scheduled_prefetch::ScheduledPrefetches;

/// State of one client.
#[derive(Debug)]
pub(crate) struct Session {
    /// State shared with the other clients of this process.
    pub(crate) shared: Arc<SharedState>,
    /// Open documents.
    pub(crate) documents: Documents,
    /// Per-document state other than the text, by URI.
    document_states: DashMap<String, Arc<DocumentState>>,
    client_capabilities: OnceLock<ResolvedClientCapabilities>,
    /// True if the client declared dynamic registration of inline completion, which lsp-types does not know.
    pub(crate) registers_inline_completion: AtomicBool,
    config: RwLock<Arc<Config>>,
    settings: Mutex<ClientSettings>,
    /// Configuration errors that the client has been shown. Locked while the configuration is loaded, so that loads do
    /// not overtake each other.
    reported_config_errors: Mutex<Vec<String>>,
    /// Environment of the client, which may be another process than this one.
    environment: BTreeMap<String, String>,
    folders: RwLock<Vec<Arc<Workspace>>>,
    selected_model: RwLock<Option<SelectedModel>>,
    /// Notified when the model slot changes or the client must be sent the status again.
    pub(crate) status_changed: Notify,
    /// Notified when plugins have run, which may have produced faults to report.
    pub(crate) plugins_ran: Notify,
    /// Plugin faults that the client shows as diagnostics, by file.
    pub(crate) plugin_diagnostics: Mutex<HashMap<PathBuf, PluginFault>>,
    /// Version of the plugin set that prompts were last built with, by workspace.
    plugin_versions: DashMap<Option<PathBuf>, u64>,
    pub(crate) shut_down: AtomicBool,
    ended: watch::Sender<bool>,
    request_ids: AtomicU64,
    /// Incremented when the cursor moves to another place.
    focus_epoch: watch::Sender<u64>,
    /// Prompts prefetched since the last edit.
    idle_prefetches: AtomicU32,
    /// Prefetches that have been scheduled and have not ended.
    pub(crate) scheduled_prefetches: ScheduledPrefetches,
}

impl Session {
    /// Creates the session of a client that has not sent `initialize` yet.
    pub(crate) fn new(shared: Arc<SharedState>, environment: BTreeMap<String, String>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            documents: Documents::default(),
            document_states: DashMap::new(),
            client_capabilities: OnceLock::new(),
            registers_inline_completion: AtomicBool::new(false),
            config: RwLock::default(),
            settings: Mutex::default(),
            reported_config_errors: Mutex::default(),
            environment,
            folders: RwLock::default(),
            selected_model: RwLock::default(),
            status_changed: Notify::new(),
            plugins_ran: Notify::new(),
            plugin_diagnostics: Mutex::default(),
            plugin_versions: DashMap::new(),
            shut_down: AtomicBool::new(false),
            ended: watch::Sender::new(false),
            request_ids: AtomicU64::new(0),
            focus_epoch: watch::Sender::new(0),
            idle_prefetches: AtomicU32::new(0),
            scheduled_prefetches: ScheduledPrefetches::default(),
        })
    }

    /// Capabilities of the client; `None` before `initialize`.
    pub(crate) fn client_capabilities(&self) -> Option<&ResolvedClientCapabilities> {
        self.client_capabilities.get()
    }

    /// Sets the capabilities of the client, once.
    pub(crate) fn set_client_capabilities(
        &self,
        capabilities: ResolvedClientCapabilities,
    ) -> &ResolvedClientCapabilities {
        self.client_capabilities.get_or_init(|| capabilities)
    }

    /// Ends the session: the client has sent `exit` or is gone.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Receiver that becomes true when the session [ends](Self::end).
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// Waits until the session ends.
    pub(crate) async fn wait_until_ended(&self) {
        // The sender lives as long as `self`, so there is no error.
        let _ = self.ended().wait_for(|ended| *ended).await;
    }

    /// Open workspace folders.
    pub(crate) fn folders(&self) -> Vec<Arc<Workspace>> {
        self.folders.read().clone()
    }

    /// Replaces the open workspace folders and resolves the open documents among the new ones.
    pub(crate) fn set_folders(&self, roots: Vec<PathBuf>) {
        let config = self.config();
        let opened = roots.iter().map(|root| self.shared.workspaces.open(root, &config)).collect();
        *self.folders.write() = opened;
        self.refresh_document_meta();
    }

    /// Innermost open folder that contains `uri`; without a URI, the first folder.
    pub(crate) fn workspace_or_first(&self, uri: Option<&Url>) -> Option<Arc<Workspace>> {
        match uri {
            Some(uri) => self.resolve_document(uri.as_str()).workspace,
            None => self.folders.read().first().cloned(),
        }
    }
}
