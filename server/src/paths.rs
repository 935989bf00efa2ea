//! Paths of documents that clients name by URI.

use std::path::{Path, PathBuf};

use tower_lsp::lsp_types::Url;

/// Path of a `file:` URI; `None` for other schemes.
pub(crate) fn file_path(uri: &str) -> Option<PathBuf> {
    let uri = Url::parse(uri).ok()?;
    if uri.scheme() == "file" { uri.to_file_path().ok() } else { None }
}

/// File name that a prompt shows for a document outside every workspace: the last component of `path`, or of the URI
/// where the document has no path.
pub(crate) fn file_name(path: Option<&Path>, uri: &str) -> String {
    let name = path.unwrap_or(Path::new(uri)).file_name();
    name.map_or_else(|| "untitled".to_owned(), |name| name.to_string_lossy().into_owned())
}
