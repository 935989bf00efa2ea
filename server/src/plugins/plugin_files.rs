//! Files of plugins: their folders, and the state by which a change is noticed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::config::sources;

/// Bytes of a file that are read. A larger file is refused when it is loaded.
const MAX_READ_BYTES: u64 = 1 << 20;
/// Files of one folder that are plugins.
const MAX_PLUGINS_PER_FOLDER: usize = 64;

/// File of a plugin, with the metadata by which a change is noticed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PluginFile {
    /// Path.
    pub(crate) path: PathBuf,
    /// Time of the last modification, if the file system has one.
    modified: Option<SystemTime>,
    /// Bytes.
    size: u64,
}

/// Returns true if the text of a plugin mentions the search of the workspace.
pub(crate) fn uses_search(source: &str) -> bool {
    source.contains("foretype.search")
}

/// Returns the folder of a workspace's plugins.
pub(crate) fn workspace_folder(root: &Path) -> PathBuf {
    root.join(".foretype").join("plugins")
}

/// Returns the folder of the user's plugins; `None` if no configuration folder is known.
pub(crate) fn user_folder() -> Option<PathBuf> {
    Some(sources::user_file()?.parent()?.join("plugins"))
}

/// Returns the plugin files of a folder, sorted by path, at most [`MAX_PLUGINS_PER_FOLDER`].
pub(crate) fn list_plugin_files(folder: &Path) -> Vec<PluginFile> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_luau = path.extension().is_some_and(|extension| extension == "luau");
        if !is_luau || path.to_string_lossy().ends_with(".d.luau") {
            continue;
        }
        if let Ok(metadata) = path.metadata()
            && metadata.is_file()
        {
            files.push(PluginFile { path, modified: metadata.modified().ok(), size: metadata.len() });
        }
    }
    files.sort();
    files.truncate(MAX_PLUGINS_PER_FOLDER);
    files
}

/// Returns the text of a plugin's file, cut to [`MAX_READ_BYTES`].
///
/// # Errors
/// If the file cannot be read or is not UTF-8.
pub(super) fn read_source(path: &Path) -> std::io::Result<String> {
    let mut source = String::new();
    std::fs::File::open(path)?.take(MAX_READ_BYTES).read_to_string(&mut source)?;
    Ok(source)
}

/// Returns the SHA-256 hash of a plugin's text, by which it is trusted, in hexadecimal.
pub(crate) fn source_hash(source: &str) -> String {
    Sha256::digest(source.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
