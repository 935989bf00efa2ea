//! Source files that commands are given, and the workspaces that contain them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::source_text::SourceText;

/// Text of a file and its line ends. Bytes that are not UTF-8 become replacement characters.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn read_text(path: &Path) -> Result<SourceText> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(SourceText::new(text))
}

/// Text of a file that may be written back, and its line ends.
///
/// # Errors
/// If the file cannot be read or is not UTF-8.
pub(super) fn read_source(path: &Path) -> Result<SourceText> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8(bytes).ok().with_context(|| format!("{} is not UTF-8 text", path.display()))?;
    Ok(SourceText::new(text))
}

/// Root of the workspace that contains a file: the nearest folder with `.foretype` or `.git`, or else the folder of the
/// file.
///
/// # Errors
/// If the path is empty.
pub(super) fn workspace_root(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let is_root = |folder: &&Path| folder.join(".foretype").is_dir() || folder.join(".git").exists();
    let own = path.parent().unwrap_or(&path);
    Ok(path.ancestors().skip(1).find(is_root).unwrap_or(own).to_owned())
}
