//! The files of an index: where they are, what is in them, and what becomes of damaged ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use tantivy::schema::{Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexReader, ReloadPolicy, Searcher};

use super::terms;

/// Rises when the pieces, their words or the fields change: an index of another version is built anew.
const VERSION: u32 = 1;

/// An index that is open.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) index: Index,
    reader: IndexReader,
    pub(super) fields: Fields,
}

/// What is kept of a piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// The path as it is: pieces are deleted by it.
    pub(super) path: Field,
    /// The words of the path.
    pub(super) file: Field,
    pub(super) names: Field,
    pub(super) body: Field,
    pub(super) first: Field,
    pub(super) last: Field,
    pub(super) start: Field,
    pub(super) end: Field,
    pub(super) hash: Field,
}

/// What was indexed, kept with each commit.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Manifest {
    version: u32,
    pub(super) files: BTreeMap<String, Stamp>,
}

/// How a file was when it was indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Stamp {
    /// Nanoseconds since 1970.
    #[serde(rename = "t")]
    pub(super) modified: u64,
    #[serde(rename = "s")]
    pub(super) size: u64,
    #[serde(rename = "h")]
    pub(super) hash: u64,
}

impl Store {
    /// The index in a folder, if there is one that can be used.
    pub(super) fn present(folder: &Path) -> Option<Self> {
        // Another process may replace files while they are looked at: a second look sees the new ones.
        let read = || (0..2).find_map(|_| Self::read(folder).ok());
        folder.join("meta.json").is_file().then(read)?
    }

    /// The index in a folder; one that is missing, damaged or old is made anew.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        if let Some(store) = Self::present(folder) {
            return Ok(store);
        }
        let failed = || format!("cannot make the search index in {}", folder.display());
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(failed)?;
        }
        std::fs::create_dir_all(folder).with_context(failed)?;
        private(folder).with_context(failed)?;
        let index = Index::create_in_dir(folder, schema().0).with_context(failed)?;
        Self::new(index).with_context(failed)
    }

    fn read(folder: &Path) -> Result<Self> {
        let index = Index::open_in_dir(folder)?;
        ensure!(index.schema() == schema().0, "other fields");
        // Damage is found here and not by a panic later; nor by one now, which is what a file too short for a checksum makes.
        ensure!(!cut_off(folder, &index)?, "files cut off");
        ensure!(index.validate_checksum()?.is_empty(), "damaged files");
        let store = Self::new(index)?;
        ensure!(store.manifest()?.version == VERSION, "another version");
        Ok(store)
    }

    fn new(index: Index) -> Result<Self> {
        index.tokenizers().register(terms::NAME, terms::Code);
        let reader: IndexReader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader, fields: schema().1 })
    }

    /// What is committed now, by whichever process.
    pub(super) fn searcher(&self) -> Result<Searcher> {
        self.reader.reload()?;
        Ok(self.reader.searcher())
    }

    /// What the last commit has; one without words is that of a new index.
    pub(super) fn manifest(&self) -> Result<Manifest> {
        match self.index.load_metas()?.payload {
            Some(text) => Ok(serde_json::from_str(&text)?),
            None => Ok(Manifest { version: VERSION, files: BTreeMap::new() }),
        }
    }
}

/// Whether a file is shorter than the length of a checksum with its mark, which stand at the end of each.
fn cut_off(folder: &Path, index: &Index) -> Result<bool> {
    const LEAST: u64 = 8;
    let files = index.load_metas()?.list_segment_files();
    Ok(files.iter().any(|file| folder.join(file).metadata().is_ok_and(|data| data.len() < LEAST)))
}

fn schema() -> (Schema, Fields) {
    // How often a word stands in a piece is enough: nobody asks for phrases.
    let words = TextFieldIndexing::default().set_tokenizer(terms::NAME).set_index_option(IndexRecordOption::WithFreqs);
    let words = TextOptions::default().set_indexing_options(words);
    let mut builder = Schema::builder();
    let fields = Fields {
        path: builder.add_text_field("path", STRING | STORED),
        file: builder.add_text_field("file", words.clone()),
        names: builder.add_text_field("names", words.clone().set_stored()),
        body: builder.add_text_field("body", words),
        first: builder.add_u64_field("first", STORED),
        last: builder.add_u64_field("last", STORED),
        start: builder.add_u64_field("start", STORED),
        end: builder.add_u64_field("end", STORED),
        hash: builder.add_u64_field("hash", STORED),
    };
    (builder.build(), fields)
}

/// The folder for a workspace: in `foretype/search` in `XDG_CACHE_HOME`, else `~/.cache`, else `LOCALAPPDATA`.
pub(super) fn folder(root: &Path, excluded: &[String]) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").map(|home| home.join(".cache"));
    let cache = set("XDG_CACHE_HOME").or_else(home).or_else(|| set("LOCALAPPDATA"))?;
    let mut hash = Sha256::new_with_prefix(root.as_os_str().as_encoded_bytes());
    for pattern in excluded {
        hash.update([0]);
        hash.update(pattern);
    }
    let name: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Some(cache.join("foretype").join("search").join(name))
}

/// Words of somebody's files are for nobody else.
#[cfg(unix)]
fn private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn private(_: &Path) -> std::io::Result<()> {
    Ok(())
}
