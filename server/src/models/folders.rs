//! Folders in which models are kept.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Returns the folder of installed models: `FORETYPE_MODELS`, else `foretype/models` in the user's data folder.
///
/// # Errors
/// If there is no data folder.
pub(crate) fn models_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("FORETYPE_MODELS").filter(|value| !value.is_empty()) {
        return Ok(folder.into());
    }
    data_home().map(|data| data.join("foretype").join("models")).context(
        "there is no folder for models, because neither XDG_DATA_HOME nor HOME is set: set FORETYPE_MODELS to a folder",
    )
}

fn data_home() -> Option<PathBuf> {
    user_folder("XDG_DATA_HOME", ".local/share")
}

/// Returns the user's cache folder: `XDG_CACHE_HOME`, else `~/.cache`, else `LOCALAPPDATA`.
pub(super) fn cache_home() -> Option<PathBuf> {
    user_folder("XDG_CACHE_HOME", ".cache")
}

fn user_folder(named: &str, usual: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set(named).or_else(|| set("HOME").map(|home| home.join(usual))).or_else(|| set("LOCALAPPDATA"))
}
