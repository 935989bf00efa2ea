//! Registry of the plugins of all open workspaces.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::workspace_plugins::WorkspacePlugins;
use crate::config::Config;

/// Plugins of all open workspaces.
#[derive(Debug, Default)]
pub(crate) struct PluginRegistry {
    plugins: Mutex<HashMap<WorkspaceKey, Arc<WorkspacePlugins>>>,
    saved: watch::Sender<()>,
}

/// Root of a workspace and its excluded paths.
type WorkspaceKey = (Option<PathBuf>, Vec<String>);

impl PluginRegistry {
    /// Returns the plugins for the workspace at `root`, or for documents outside every workspace.
    pub(crate) fn for_workspace(&self, root: Option<&Path>, config: &Config) -> Arc<WorkspacePlugins> {
        let key = (root.map(Path::to_owned), config.context.excluded.clone());
        self.plugins.lock().entry(key).or_insert_with(|| Arc::new(WorkspacePlugins::new(root, config))).clone()
    }

    /// Returns true if a file is a plugin of an open workspace.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        !self.workspaces_with(path).is_empty()
    }

    /// Handles a file that the user saved in an editor: a plugin that was trusted stays trusted. Reads the file.
    pub(crate) fn file_saved(&self, path: &Path) {
        for plugins in self.workspaces_with(path) {
            plugins.trust_saved_file(path);
        }
        self.saved.send_replace(());
    }

    fn workspaces_with(&self, path: &Path) -> Vec<Arc<WorkspacePlugins>> {
        let has = |plugins: &Arc<WorkspacePlugins>| plugins.entries().iter().any(|entry| entry.path == path);
        self.open_workspaces().into_iter().map(|(_, plugins)| plugins).filter(has).collect()
    }

    /// Returns a receiver that changes when the user saves a plugin, so that its workspace is scanned again.
    pub(crate) fn subscribe_to_saves(&self) -> watch::Receiver<()> {
        self.saved.subscribe()
    }

    /// Returns the roots and plugins of all open workspaces.
    pub(super) fn open_workspaces(&self) -> Vec<(Option<PathBuf>, Arc<WorkspacePlugins>)> {
        self.plugins.lock().iter().map(|((root, _), plugins)| (root.clone(), plugins.clone())).collect()
    }
}
