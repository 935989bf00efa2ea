//! Which plugins of which workspaces the user trusts: `foretype/trusted-plugins.json` in the state folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::stats;

/// Hashes of trusted plugins by the path of their workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustStore(BTreeMap<String, BTreeSet<String>>);

impl TrustStore {
    /// Whether a plugin of this content may run in this workspace.
    pub fn contains(&self, root: &Path, hash: &str) -> bool {
        self.0.get(&workspace_key(root)).is_some_and(|hashes| hashes.contains(hash))
    }
}

/// The path by which a workspace is remembered.
fn workspace_key(root: &Path) -> String {
    std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()).to_string_lossy().into_owned()
}

fn store_path() -> Option<PathBuf> {
    Some(stats::stats_file()?.with_file_name("trusted-plugins.json"))
}

/// What is trusted. A file that cannot be understood trusts nothing.
pub fn load() -> TrustStore {
    let text = store_path().and_then(|file| std::fs::read(file).ok());
    TrustStore(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

/// Trusts plugins of these contents in a workspace.
///
/// # Errors
/// If it cannot be remembered.
pub fn add(root: &Path, hashes: &[String]) -> Result<()> {
    let mut trusted = load();
    trusted.0.entry(workspace_key(root)).or_default().extend(hashes.iter().cloned());
    save(&trusted)
}

/// Trusts nothing of a workspace any more; says whether something was.
///
/// # Errors
/// If that cannot be remembered.
pub fn revoke(root: &Path) -> Result<bool> {
    let mut trusted = load();
    let found = trusted.0.remove(&workspace_key(root)).is_some();
    if found {
        save(&trusted)?;
    }
    Ok(found)
}

fn save(trusted: &TrustStore) -> Result<()> {
    let file = store_path().context("no folder for state: neither XDG_STATE_HOME nor HOME is set")?;
    stats::write_json_atomically(&file, &trusted.0)
}
