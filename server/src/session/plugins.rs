//! Plugins of a session's documents and workspace folders.

use std::sync::Arc;

use foretype_plugins::{Language, PromptStrategy};

use super::Session;
use crate::documents::DocumentMeta;
use crate::plugins::WorkspacePlugins;
use crate::workspace::Workspace;

impl Session {
    /// Plugins for the documents of a workspace, or for documents outside every workspace.
    pub(crate) fn plugins_for(&self, workspace: Option<&Workspace>) -> Arc<WorkspacePlugins> {
        self.shared.plugins.for_workspace(workspace.map(|workspace| workspace.root.as_path()), &self.config())
    }

    /// Plugins for each folder, and those for documents outside every folder.
    pub(crate) fn all_plugins(&self) -> Vec<Arc<WorkspacePlugins>> {
        let folders = self.folders();
        folders.iter().map(|folder| Some(&**folder)).chain([None]).map(|folder| self.plugins_for(folder)).collect()
    }

    /// Wraps `inner` in the plugins that are loaded now for a document.
    pub(crate) fn with_plugins(
        &self,
        inner: Arc<dyn PromptStrategy>,
        document: &DocumentMeta,
        language: Language,
    ) -> Arc<dyn PromptStrategy> {
        self.plugins_for(document.workspace.as_deref()).wrap_strategy(inner, language, &self.config())
    }

    /// Loads plugins of a document that have changed on disk. Returns true if some have since this client last built a
    /// prompt with them, so that prompts must be built on new windows. Reads files.
    pub(crate) fn refresh_plugins(&self, document: &DocumentMeta) -> bool {
        let workspace = document.workspace.as_deref();
        let version = self.plugins_for(workspace).refresh(&self.config());
        let root = workspace.map(|workspace| workspace.root.clone());
        let changed = self.plugin_versions.insert(root, version).unwrap_or(0) != version;
        if changed {
            for state in self.document_states.iter() {
                state.suggestions().recent_windows.clear();
            }
            self.invalidate_suggestions(Some(&document.uri));
        }
        changed
    }

    /// Records that plugins were called: one of them may have failed.
    pub(crate) fn notify_plugins_ran(&self) {
        self.plugins_ran.notify_one();
    }
}
