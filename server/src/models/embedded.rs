//! Our own small model, which is part of the program (feature `default-model`), so that nothing need be fetched.
//!
//! Models are read from files, so at its first use it is written to the cache folder, under its hash.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use foretype_model::Model;

/// What it is called, in the file and by users.
pub const NAME: &str = "foretype-7m";

/// The file's bytes; none if the program was built without.
#[cfg(feature = "default-model")]
pub const BYTES: Option<&[u8]> =
    Some(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../model/default/foretype-7m.gguf")));
/// The file's bytes; none if the program was built without.
#[cfg(not(feature = "default-model"))]
pub const BYTES: Option<&[u8]> = None;

/// SHA-256 of the bytes.
const HASH: &str = "7acec994177314569ade512dfdbf141144af08ce6bfd6264334247a2d2001d25";

/// The model's file, written if it is not there yet; none if the program was built without.
///
/// # Errors
/// If it cannot be written.
pub fn path() -> Result<Option<PathBuf>> {
    let Some(bytes) = BYTES else { return Ok(None) };
    let cache = super::cache_home().context(
        "no folder for the built-in model: neither XDG_CACHE_HOME nor HOME is set; set FORETYPE_MODEL to a model",
    )?;
    let folder = cache.join("foretype").join(&HASH[..16]);
    written(&folder, bytes).map(Some).with_context(|| {
        let folder = folder.display();
        format!("the built-in model cannot be written to {folder}: set XDG_CACHE_HOME to a folder with room for it")
    })
}

fn written(folder: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let path = folder.join(format!("{NAME}.gguf"));
    if path.metadata().is_ok_and(|file| file.len() == bytes.len() as u64) {
        return Ok(path);
    }
    std::fs::create_dir_all(folder)?;
    // Others may do the same now, or read it.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(&path)?;
    Ok(path)
}

/// Whether a model is asked for what it can do: ours completes code and does no more.
///
/// # Errors
/// Says how to get one that does.
pub fn not_for_words(model: &Model) -> Result<()> {
    anyhow::ensure!(
        model.name != NAME,
        "the built-in model completes code and is too small for anything else: get one that writes prose with `foretype model pull {}`",
        super::catalogue::CATALOGUE[0].name
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_written_once_and_again_if_it_is_cut_off() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = written(&folder.path().join("new"), b"weights").expect("it is written");
        assert_eq!(std::fs::read(&path).expect("a file"), b"weights");
        std::fs::write(&path, b"weird12").expect("writable");
        written(&folder.path().join("new"), b"weights").expect("it is there");
        assert_eq!(std::fs::read(&path).expect("a file"), b"weird12", "it was written again");
        std::fs::write(&path, b"wei").expect("writable");
        written(&folder.path().join("new"), b"weights").expect("it is mended");
        assert_eq!(std::fs::read(&path).expect("a file"), b"weights");
    }

    #[test]
    #[cfg(feature = "default-model")]
    fn the_hash_is_that_of_the_model() {
        use sha2::{Digest, Sha256};
        let hash: String =
            Sha256::digest(BYTES.expect("it is built in")).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, HASH);
    }
}
