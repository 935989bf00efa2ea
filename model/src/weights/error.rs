//! Errors of loading untrusted model files.

use std::path::{Path, PathBuf};

/// A failure to load a model or adapter, with the file at fault.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct LoadError {
    /// The file at fault.
    pub path: PathBuf,
    /// The reason.
    pub fault: Fault,
}

/// The reason why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file is invalid: truncated, inconsistent sizes, or text that does not parse.
    #[error("{0}")]
    Malformed(String),
    /// A required tensor, key or field is missing.
    #[error("{0} is missing")]
    Missing(String),
    /// The file is valid but uses a feature that this crate does not implement.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A tensor operation failed, for example for lack of device memory.
    #[error("{0}")]
    Tensor(#[from] candle_core::Error),
}

impl Fault {
    /// Adds the file at fault.
    pub fn in_file(self, path: &Path) -> LoadError {
        LoadError { path: path.to_path_buf(), fault: self }
    }
}
