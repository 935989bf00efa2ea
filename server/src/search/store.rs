//! Files of a search index: their folder, their schema, and the recovery from damage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher13;
use tantivy::schema::{Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexReader, ReloadPolicy, Searcher};

use super::terms;

/// Version of the chunks, their words and the fields. An index of another version is rebuilt.
const INDEX_VERSION: u32 = 2;

/// Open index.
#[derive(Clone)]
pub(super) struct IndexStore {
    pub(super) index: Index,
    reader: IndexReader,
    pub(super) fields: IndexFields,
}

/// Fields of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexFields {
    /// Unmodified path, by which chunks are deleted.
    pub(super) path: Field,
    /// Words of the path.
    pub(super) file: Field,
    pub(super) names: Field,
    pub(super) body: Field,
    pub(super) first_line: Field,
    pub(super) last_line: Field,
    pub(super) start: Field,
    pub(super) end: Field,
    pub(super) hash: Field,
}

/// Indexed files, stored with each commit.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct IndexManifest {
    version: u32,
    pub(super) files: BTreeMap<String, FileStamp>,
}

/// State of a file when it was indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct FileStamp {
    /// Nanoseconds since 1970.
    #[serde(rename = "t")]
    pub(super) modified: u64,
    #[serde(rename = "s")]
    pub(super) size: u64,
    #[serde(rename = "h")]
    pub(super) hash: u64,
}

/// File to update in the index. A file without a path is removed from it.
pub(super) struct PendingFile {
    pub(super) relative: String,
    pub(super) path: Option<PathBuf>,
}

impl IndexStore {
    /// Opens the index in `folder`, if it contains a usable one.
    pub(super) fn open_existing(folder: &Path) -> Option<Self> {
        if !folder.join("meta.json").is_file() {
            return None;
        }
        // Another process may replace files while they are being read: a second attempt sees the new ones.
        Self::read(folder).or_else(|_| Self::read(folder)).ok()
    }

    /// Opens the index in `folder`. One that is missing, damaged or of another version is replaced by an empty one.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub(super) fn open_or_create(folder: &Path) -> Result<Self> {
        if let Some(store) = Self::open_existing(folder) {
            return Ok(store);
        }
        let failed = || format!("cannot create the search index in {}", folder.display());
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(failed)?;
        }
        std::fs::create_dir_all(folder).with_context(failed)?;
        make_private(folder).with_context(failed)?;
        let index = Index::create_in_dir(folder, schema().0).with_context(failed)?;
        Self::new(index).with_context(failed)
    }

    fn read(folder: &Path) -> Result<Self> {
        let index = Index::open_in_dir(folder)?;
        ensure!(index.schema() == schema().0, "the fields differ");
        // Damage must be found here, because tantivy panics on it later. It also panics on a file that is too short for
        // its checksum.
        ensure!(!has_truncated_file(folder, &index)?, "a file is truncated");
        ensure!(index.validate_checksum()?.is_empty(), "a file is damaged");
        let store = Self::new(index)?;
        ensure!(store.manifest()?.version == INDEX_VERSION, "the version differs");
        Ok(store)
    }

    fn new(index: Index) -> Result<Self> {
        index.tokenizers().register(terms::TOKENIZER_NAME, terms::CodeTokenizer);
        let reader: IndexReader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader, fields: schema().1 })
    }

    /// Returns a searcher for the last commit of any process.
    pub(super) fn searcher(&self) -> Result<Searcher> {
        self.reader.reload()?;
        Ok(self.reader.searcher())
    }

    /// Returns the manifest of the last commit. The first commit of a new index has none.
    pub(super) fn manifest(&self) -> Result<IndexManifest> {
        match self.index.load_metas()?.payload {
            Some(text) => Ok(serde_json::from_str(&text)?),
            None => Ok(IndexManifest { version: INDEX_VERSION, files: BTreeMap::new() }),
        }
    }
}

/// Returns true if a file of the index is shorter than its footer: the length of the checksum, and a magic number.
fn has_truncated_file(folder: &Path, index: &Index) -> Result<bool> {
    const MIN_FILE_BYTES: u64 = 8;
    let files = index.load_metas()?.list_segment_files();
    Ok(files.iter().any(|file| folder.join(file).metadata().is_ok_and(|data| data.len() < MIN_FILE_BYTES)))
}

fn schema() -> (Schema, IndexFields) {
    // Frequencies suffice, because there are no phrase queries.
    let words = TextFieldIndexing::default()
        .set_tokenizer(terms::TOKENIZER_NAME)
        .set_index_option(IndexRecordOption::WithFreqs);
    let words = TextOptions::default().set_indexing_options(words);
    let mut builder = Schema::builder();
    let fields = IndexFields {
        path: builder.add_text_field("path", STRING | STORED),
        file: builder.add_text_field("file", words.clone()),
        names: builder.add_text_field("names", words.clone().set_stored()),
        body: builder.add_text_field("body", words),
        first_line: builder.add_u64_field("first", STORED),
        last_line: builder.add_u64_field("last", STORED),
        start: builder.add_u64_field("start", STORED),
        end: builder.add_u64_field("end", STORED),
        hash: builder.add_u64_field("hash", STORED),
    };
    (builder.build(), fields)
}

/// Returns the folder for a workspace: in `foretype/search` in `XDG_CACHE_HOME`, else `~/.cache`, else `LOCALAPPDATA`.
pub(super) fn index_folder(root: &Path, excluded: &[String]) -> Option<PathBuf> {
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

/// Makes a folder accessible to the user alone, because the index contains words of the user's files.
#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn private(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Returns a hash that is the same in all builds, because it is stored.
pub(super) fn hash(bytes: impl AsRef<[u8]>) -> u64 {
    SipHasher13::new().hash(bytes.as_ref())
}
