//! Small model that is embedded in the program (feature `default-model`), so that nothing has to be downloaded.
//!
//! Models are mapped from files, so the embedded one is written to the cache folder, under its hash, when it is first
//! used.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use foretype_model::Model;

/// Name of the model, in the file and for users.
pub(crate) const MODEL_NAME: &str = "foretype-7m";

/// Bytes of the file; `None` if the program was built without it.
#[cfg(feature = "default-model")]
pub(crate) const BYTES: Option<&[u8]> =
    Some(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../model/default/foretype-7m.gguf")));
/// Bytes of the file; `None` if the program was built without it.
#[cfg(not(feature = "default-model"))]
pub(crate) const BYTES: Option<&[u8]> = None;

/// SHA-256 of the bytes.
const MODEL_SHA256: &str = "7acec994177314569ade512dfdbf141144af08ce6bfd6264334247a2d2001d25";

/// Returns the path of the model's file, and writes the file if necessary; `None` if the program was built without it.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn path() -> Result<Option<PathBuf>> {
    let Some(bytes) = BYTES else { return Ok(None) };
    let cache = super::folders::cache_home().context(
        "there is no folder for the built-in model, because neither XDG_CACHE_HOME nor HOME is set: set FORETYPE_MODEL \
         to another model",
    )?;
    let folder = cache.join("foretype").join(&MODEL_SHA256[..16]);
    ensure_written(&folder, bytes).map(Some).with_context(|| {
        let folder = folder.display();
        format!("cannot write the built-in model to {folder}: set XDG_CACHE_HOME to a folder with space for it")
    })
}

fn ensure_written(folder: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let path = folder.join(format!("{MODEL_NAME}.gguf"));
    if path.metadata().is_ok_and(|file| file.len() == bytes.len() as u64) {
        return Ok(path);
    }
    std::fs::create_dir_all(folder)?;
    // Another process may be writing or reading the same file.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(&path)?;
    Ok(path)
}

/// Checks that a model can write prose.
///
/// # Errors
/// If it is the embedded model, which can only complete code. The message says how to get another.
pub(crate) fn ensure_writes_prose(model: &Model) -> Result<()> {
    anyhow::ensure!(
        model.name != MODEL_NAME,
        "the built-in model can only complete code: get one that can write prose with `foretype model pull {}`",
        super::catalogue::CATALOGUE[0].name
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_written_once_and_again_if_it_is_truncated() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = ensure_written(&folder.path().join("new"), b"weights").expect("it is written");
        assert_eq!(std::fs::read(&path).expect("a file"), b"weights");
        std::fs::write(&path, b"weird12").expect("writable");
        ensure_written(&folder.path().join("new"), b"weights").expect("it is there");
        assert_eq!(std::fs::read(&path).expect("a file"), b"weird12", "it was written again");
        std::fs::write(&path, b"wei").expect("writable");
        ensure_written(&folder.path().join("new"), b"weights").expect("it is repaired");
        assert_eq!(std::fs::read(&path).expect("a file"), b"weights");
    }

    #[test]
    #[cfg(feature = "default-model")]
    fn the_hash_matches_the_model() {
        use sha2::{Digest, Sha256};
        let hash: String =
            Sha256::digest(BYTES.expect("it is built in")).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, MODEL_SHA256);
    }
}
