//! Reading JSON files.

use std::path::Path;

use serde_json::Value;

use super::{Fault, LoadError};

/// Reads and parses a JSON file.
pub(crate) fn read_json(path: &Path) -> Result<Value, LoadError> {
    let bytes = std::fs::read(path).map_err(|e| Fault::Io(e).in_file(path))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Fault::Malformed(format!("the file is not valid JSON: {e}")).in_file(path))
}
