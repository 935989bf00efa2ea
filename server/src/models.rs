//! Names and locations of models.
//!
//! A model is given as a path to a GGUF file or a Hugging Face directory, or as a name of the `catalogue`. If none is
//! given, the smallest installed model is used, else the one that is `embedded` in the program. Only `pull` uses
//! the network.

pub(crate) mod catalogue;
pub(crate) mod embedded;
pub(crate) mod folders;
pub(crate) mod load;
pub(crate) mod pull;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub(crate) use folders::models_folder;

/// Model on disk.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct InstalledModel {
    /// Name in the catalogue, or the stem of the file name.
    pub(crate) name: String,
    /// Path of the GGUF file, or of the directory with `config.json`.
    pub(crate) path: PathBuf,
    /// Size on disk in bytes.
    pub(crate) bytes: u64,
}

/// Lists the models in `folder`, the smallest first. A folder that does not exist is empty.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn installed(folder: &Path) -> Result<Vec<InstalledModel>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read the models folder {}", folder.display()))?,
    };
    let mut models = Vec::new();
    for entry in entries {
        models.extend(as_installed(&entry?.path()));
    }
    models.sort_by(|a, b| a.bytes.cmp(&b.bytes).then_with(|| a.name.cmp(&b.name)));
    Ok(models)
}

fn as_installed(path: &Path) -> Option<InstalledModel> {
    if !is_model(path) {
        return None;
    }
    let file = path.file_name()?.to_string_lossy();
    let known = catalogue::CATALOGUE.iter().find(|entry| entry.file == file);
    let name = known.map_or_else(|| file.trim_end_matches(".gguf").to_owned(), |entry| entry.name.to_owned());
    Some(InstalledModel { name, path: path.to_owned(), bytes: size_on_disk(path) })
}

/// Returns true if `path` looks like a model: a GGUF file, or a Hugging Face directory.
pub(crate) fn is_model(path: &Path) -> bool {
    let gguf = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    (gguf && path.is_file()) || path.join("config.json").is_file()
}

fn size_on_disk(path: &Path) -> u64 {
    if path.is_file() {
        return path.metadata().map_or(0, |data| data.len());
    }
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).filter(|data| data.is_file()).map(|data| data.len()).sum()
}

/// Returns the path of a model, given as a path, a name in the catalogue or the name of an installed file. Without a
/// name, it is the smallest installed model, else the built-in one.
///
/// # Errors
/// If there is no such model. The message says how to get one.
pub fn resolve(wanted: Option<&str>) -> Result<PathBuf> {
    resolve_in(wanted, &models_folder()?, embedded::path)
}

fn resolve_in(
    wanted: Option<&str>,
    folder: &Path,
    embedded: impl FnOnce() -> Result<Option<PathBuf>>,
) -> Result<PathBuf> {
    let installed = installed(folder)?;
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        if let Some(model) = installed.first() {
            return Ok(model.path.clone());
        }
        return match embedded()? {
            Some(path) => Ok(path),
            None => bail!(
                "no model is installed: run `foretype model pull {}`, or set FORETYPE_MODEL (or `model` in \
                 config.toml) to a GGUF file or a Hugging Face model directory",
                catalogue::CATALOGUE[0].name
            ),
        };
    };
    if let Some(model) = installed.iter().find(|model| model.name == wanted) {
        return Ok(model.path.clone());
    }
    if wanted == embedded::MODEL_NAME
        && let Some(path) = embedded()?
    {
        return Ok(path);
    }
    let path = expand_home(wanted);
    if path.exists() {
        return Ok(path);
    }
    match catalogue::by_name(wanted) {
        Some(entry) => bail!("model {wanted} is not installed: run `foretype model pull {}`", entry.name),
        None => bail!(
            "there is no model {wanted}: give a file, a directory with config.json, or a name from `foretype model \
             list`"
        ),
    }
}

fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            std::fs::write(folder.path().join(file), file).expect("a writable folder");
        }
        folder
    }

    fn none() -> Result<Option<PathBuf>> {
        Ok(None)
    }

    #[test]
    fn without_a_name_the_smallest_installed_model_is_used_else_the_built_in_one() {
        let folder = folder_with(&["longer-name.gguf", "b.gguf", "notes.txt"]);
        let resolve = |wanted, folder: &Path| resolve_in(wanted, folder, || Ok(Some("own.gguf".into()))).expect("one");
        assert_eq!(resolve(None, folder.path()), folder.path().join("b.gguf"));
        assert_eq!(resolve(Some(embedded::MODEL_NAME), folder.path()), Path::new("own.gguf"));
        assert_eq!(resolve(Some(""), folder_with(&[]).path()), Path::new("own.gguf"));
    }

    #[test]
    fn an_installed_file_is_found_by_its_catalogue_name_and_by_its_path() {
        let entry = &catalogue::CATALOGUE[0];
        let folder = folder_with(&[entry.file]);
        let path = folder.path().join(entry.file);
        assert_eq!(resolve_in(Some(entry.name), folder.path(), none).expect("by name"), path);
        assert_eq!(resolve_in(path.to_str(), folder.path(), none).expect("by path"), path);
    }

    #[test]
    fn every_error_has_a_remedy() {
        let empty = folder_with(&[]);
        let message = |wanted| resolve_in(wanted, empty.path(), none).expect_err("nothing is installed").to_string();
        assert!(message(None).contains("foretype model pull"));
        assert!(message(Some("qwen2.5-coder-3b")).contains("foretype model pull qwen2.5-coder-3b"));
        assert!(message(Some("/nowhere/x.gguf")).contains("foretype model list"));
    }

    #[test]
    fn a_missing_folder_contains_no_models() {
        assert!(installed(Path::new("/nowhere/at/all")).expect("no error").is_empty());
    }
}
