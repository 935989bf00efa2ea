//! Plugins that the user trusts, by workspace: `foretype/trusted-plugins.json` in the state folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::stats;

/// Hashes of trusted plugins by the path of their workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TrustStore(BTreeMap<String, BTreeSet<String>>);

impl TrustStore {
    /// Returns true if a plugin with this hash may run in the workspace at `root`.
    pub(crate) fn contains(&self, root: &Path, hash: &str) -> bool {
        self.0.get(&workspace_key(root)).is_some_and(|hashes| hashes.contains(hash))
    }
}

/// Returns the path by which a workspace is stored.
fn workspace_key(root: &Path) -> String {
    std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()).to_string_lossy().into_owned()
}

fn store_path() -> Option<PathBuf> {
    Some(stats::stats_file()?.with_file_name("trusted-plugins.json"))
}

/// Loads the store. An unreadable file trusts no plugin.
pub(crate) fn load() -> TrustStore {
    let text = store_path().and_then(|file| std::fs::read(file).ok());
    TrustStore(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

/// Trusts plugins with these hashes in the workspace at `root`.
///
/// # Errors
/// If the store cannot be written.
pub(crate) fn add(root: &Path, hashes: &[String]) -> Result<()> {
    let mut trusted = load();
    trusted.0.entry(workspace_key(root)).or_default().extend(hashes.iter().cloned());
    save(&trusted)
}

/// Revokes the trust in all plugins of a workspace; returns true if any was trusted.
///
/// # Errors
/// If the store cannot be written.
pub(crate) fn revoke(root: &Path) -> Result<bool> {
    let mut trusted = load();
    let found = trusted.0.remove(&workspace_key(root)).is_some();
    if found {
        save(&trusted)?;
    }
    Ok(found)
}

fn save(trusted: &TrustStore) -> Result<()> {
    let file = store_path().context("there is no state folder: set HOME or XDG_STATE_HOME")?;
    stats::write_json_atomically(&file, &trusted.0)
}
