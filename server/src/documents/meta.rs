//! Facts about an open document that editing its text does not change.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use foretype_plugins::context::secrets;

use crate::paths;
use crate::workspace::Workspace;

/// Facts about an open document that editing its text does not change.
///
/// They are resolved once, when the document is opened, and again when the workspace folders, the configuration or
/// ignore rules change. A request keeps those of the snapshot that it was read with.
#[derive(Debug)]
pub(crate) struct DocumentMeta {
    /// URI by which the client names the document.
    pub(crate) uri: String,
    /// Path of a `file:` document.
    pub(crate) path: Option<PathBuf>,
    /// Innermost workspace folder that contains the document.
    pub(crate) workspace: Option<Arc<Workspace>>,
    /// Path that a prompt shows: relative to the workspace, with `/`; outside every workspace the file name.
    pub(crate) relative_path: String,
    /// Computed on first use, because ignore files are read for it.
    excluded: OnceLock<bool>,
}

impl DocumentMeta {
    /// Resolves a document among the open workspace folders. Reads no files.
    pub(crate) fn resolve(uri: String, folders: &[Arc<Workspace>]) -> Self {
        let path = paths::file_path(&uri);
        let workspace = path.as_deref().and_then(|path| {
            let containing = folders.iter().filter(|folder| path.starts_with(&folder.root));
            containing.max_by_key(|folder| folder.root.as_os_str().len()).cloned()
        });
        let relative = workspace.as_ref().zip(path.as_deref()).and_then(|(folder, path)| folder.relative_path(path));
        let relative_path = relative.unwrap_or_else(|| paths::file_name(path.as_deref(), &uri));
        Self { uri, path, workspace, relative_path, excluded: OnceLock::new() }
    }

    /// True if the document may not enter any prompt: it is ignored, excluded or usually holds secrets. Reads ignore
    /// files the first time.
    pub(crate) fn is_excluded(&self) -> bool {
        *self.excluded.get_or_init(|| {
            let Some(path) = &self.path else { return false };
            let secret = secrets::is_secret_path(&path.to_string_lossy());
            secret || self.workspace.as_ref().is_some_and(|workspace| workspace.excludes(path))
        })
    }

    /// True if the document may enter the prompt of another one: it lies in a workspace and is not excluded.
    pub(crate) fn may_be_context(&self) -> bool {
        self.workspace.is_some() && !self.is_excluded()
    }
}
