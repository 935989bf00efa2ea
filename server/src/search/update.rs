//! Updates of the search index: finds the files that changed and replaces their chunks.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Result;
use foretype_plugins::chunks::split_chunks;
use foretype_plugins::context::secrets;
use foretype_plugins::{Language, LineEnds, syntax};
use tantivy::indexer::IndexWriterOptions;
use tantivy::{IndexWriter, TantivyDocument, TantivyError, Term};

use super::index::SearchIndex;
use super::store::{FileStamp, IndexFields, IndexManifest, IndexStore, PendingFile, hash};

/// Files between two commits. Committed files can be found, and survive a crash.
const FILES_PER_COMMIT: usize = 2000;
/// Memory budget of the writer, the minimum that tantivy accepts.
const WRITER_MEMORY_BYTES: usize = 15_000_000;

/// Progress of an update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct IndexProgress {
    /// Number of files that have been processed.
    pub(crate) done: usize,
    /// Number of files to process.
    pub(crate) total: usize,
}

/// Result of an update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct IndexChanges {
    /// Number of files that were indexed.
    pub(crate) indexed: usize,
    /// Number of files that were removed from the index.
    pub(crate) removed: usize,
    /// True if some changes are not in the index yet, because the update was stopped or another process is running one.
    #[serde(rename = "behind")]
    pub(crate) is_stale: bool,
}

impl SearchIndex {
    /// Compares all files, given by their paths in the workspace and on disk, with the index and indexes those that
    /// changed. `progress` is called for each changed file, and returns false to stop.
    ///
    /// # Errors
    /// If the index can be neither used nor rebuilt.
    pub(crate) fn refresh(
        &self,
        files: impl Iterator<Item = (String, PathBuf)>,
        progress: &dyn Fn(IndexProgress) -> bool,
    ) -> Result<IndexChanges> {
        let changes = self.update_all(files, progress)?;
        self.process_changed_files()?;
        Ok(changes)
    }

    fn update_all(
        &self,
        files: impl Iterator<Item = (String, PathBuf)>,
        progress: &dyn Fn(IndexProgress) -> bool,
    ) -> Result<IndexChanges> {
        let _guard = self.update_lock.lock();
        let Some(store) = self.open_store()? else { return Ok(IndexChanges::default()) };
        let before = store.manifest()?;
        let mut present = HashSet::new();
        let mut work = Vec::new();
        for (relative, path) in files.filter(|(relative, _)| !secrets::is_secret_path(relative)) {
            if before
                .files
                .get(&relative)
                .is_none_or(|known| modified_and_size(&path) != Some((known.modified, known.size)))
            {
                work.push(PendingFile { relative: relative.clone(), path: Some(path) });
            }
            present.insert(relative);
        }
        let removed = before.files.into_keys().filter(|relative| !present.contains(relative));
        work.extend(removed.map(|relative| PendingFile { relative, path: None }));
        apply(&store, &work, progress)
    }

    /// Updates the index for files that changed. Files without a path are removed from it. Does nothing before the
    /// first [`refresh`](Self::refresh), which reads all files anyway. The files are left to an update that is already
    /// running in this process; if one is running in another process, they are left to the next call.
    ///
    /// # Errors
    /// If the index cannot be written.
    pub(crate) fn update_files(&self, files: Vec<(String, Option<PathBuf>)>) -> Result<IndexChanges> {
        let files = files.into_iter().map(|(relative, path)| PendingFile { relative, path });
        self.changed_files.lock().extend(files);
        self.process_changed_files()
    }

    fn process_changed_files(&self) -> Result<IndexChanges> {
        let mut all = IndexChanges::default();
        // Callers that came while the lock was held have added files in the meantime.
        while !self.changed_files.lock().is_empty() {
            let Some(_guard) = self.update_lock.try_lock() else { return Ok(all) };
            let work = std::mem::take(&mut *self.changed_files.lock());
            let Some(store) = self.store.lock().clone() else { return Ok(all) };
            let changes = apply(&store, &work, &|_| true)?;
            all = IndexChanges {
                indexed: all.indexed + changes.indexed,
                removed: all.removed + changes.removed,
                is_stale: changes.is_stale,
            };
            if changes.is_stale {
                self.changed_files.lock().extend(work);
                return Ok(all);
            }
        }
        Ok(all)
    }
}

fn apply(store: &IndexStore, work: &[PendingFile], progress: &dyn Fn(IndexProgress) -> bool) -> Result<IndexChanges> {
    let mut changes = IndexChanges::default();
    if work.is_empty() {
        return Ok(changes);
    }
    let options = IndexWriterOptions::builder().num_worker_threads(1).num_merge_threads(1);
    let options = options.memory_budget_per_thread(WRITER_MEMORY_BYTES).build();
    let mut writer: IndexWriter = match store.index.writer_with_options(options) {
        Ok(writer) => writer,
        // Another process is running an update.
        Err(TantivyError::LockFailure(..)) => return Ok(IndexChanges { is_stale: true, ..changes }),
        Err(error) => return Err(error.into()),
    };
    // The writer locks the index, so the manifest cannot change from here on.
    let mut manifest = store.manifest()?;
    let mut done = 0;
    for portion in work.chunks(FILES_PER_COMMIT) {
        for one in portion {
            one.index(&writer, &store.fields, &mut manifest, &mut changes)?;
            done += 1;
            changes.is_stale = !progress(IndexProgress { done, total: work.len() }) && done < work.len();
            if changes.is_stale {
                break;
            }
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&serde_json::to_string(&manifest)?);
        commit.commit()?;
        if changes.is_stale {
            break;
        }
    }
    writer.wait_merging_threads()?;
    Ok(changes)
}

impl PendingFile {
    fn index(
        &self,
        writer: &IndexWriter,
        fields: &IndexFields,
        manifest: &mut IndexManifest,
        changes: &mut IndexChanges,
    ) -> Result<()> {
        let known = manifest.files.get(&self.relative).copied();
        let now = self.path.as_deref().and_then(|path| Some((modified_and_size(path)?, std::fs::read(path).ok()?)));
        let whole = Term::from_field_text(fields.path, &self.relative);
        let Some(((modified, size), bytes)) = now else {
            writer.delete_term(whole);
            changes.removed += usize::from(manifest.files.remove(&self.relative).is_some());
            return Ok(());
        };
        let stamp = FileStamp { modified, size, hash: hash(&bytes) };
        manifest.files.insert(self.relative.clone(), stamp);
        if known.is_some_and(|known| known.hash == stamp.hash) {
            return Ok(());
        }
        writer.delete_term(whole);
        if let Some(text) =
            String::from_utf8(bytes).ok().map(LineEnds::normalize).filter(|text| is_indexable(&self.relative, text))
        {
            changes.indexed += 1;
            for document in chunk_documents(&self.relative, &text, fields) {
                writer.add_document(document)?;
            }
        }
        Ok(())
    }
}

/// Returns the chunks of a file as documents of the index.
fn chunk_documents(relative: &str, text: &str, fields: &IndexFields) -> Vec<TantivyDocument> {
    let tree = syntax::parse(Language::from_path(relative), text, None);
    let document = |chunk: foretype_plugins::chunks::Chunk| {
        let body = &text[chunk.range.clone()];
        let mut document = TantivyDocument::new();
        document.add_text(fields.path, relative);
        document.add_text(fields.file, relative);
        document.add_text(fields.names, &chunk.names);
        document.add_text(fields.body, body);
        document.add_u64(fields.first_line, chunk.first_line as u64);
        document.add_u64(fields.last_line, chunk.last_line as u64);
        document.add_u64(fields.start, chunk.range.start as u64);
        document.add_u64(fields.end, chunk.range.end as u64);
        document.add_u64(fields.hash, hash(body));
        document
    };
    split_chunks(tree.as_ref(), text).into_iter().map(document).collect()
}

/// Returns true for text that people write, without secrets. Generated files and data are not indexed.
fn is_indexable(path: &str, text: &str) -> bool {
    const GENERATED_SUFFIXES: &[&str] =
        &[".lock", "-lock.json", "-lock.yaml", ".min.js", ".min.css", ".map", ".svg", ".csv", ".tsv"];
    /// Larger JSON files are data.
    const MAX_JSON_BYTES: usize = 64 << 10;
    const MAX_LINE_BYTES: usize = 5000;
    let made = GENERATED_SUFFIXES.iter().any(|ending| path.ends_with(ending))
        || path.ends_with(".json") && text.len() > MAX_JSON_BYTES;
    !made
        && !text.contains('\0')
        && text.lines().all(|line| line.len() <= MAX_LINE_BYTES)
        && !secrets::contains_secret(text)
}

/// Returns the modification time of a file, in nanoseconds since 1970, and its size in bytes.
fn modified_and_size(path: &Path) -> Option<(u64, u64)> {
    let metadata = path.metadata().ok()?;
    if !metadata.is_file() {
        return None;
    }
    let since_epoch = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some((u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX), metadata.len()))
}

/// Runs `work` on a thread of low priority. Threads that it starts inherit the priority.
///
/// # Errors
/// If the thread cannot be started.
pub(crate) fn spawn_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<T>> {
    std::thread::Builder::new().name("search".to_owned()).spawn(move || {
        lower_priority();
        let done = work();
        foretype_model::kernels::trim_heap();
        done
    })
}

#[cfg(target_os = "linux")]
fn lower_priority() {
    const BACKGROUND_NICENESS: i32 = 15;
    // SAFETY: the call takes plain numbers. On Linux, 0 is the calling thread. If it fails, the priority stays as it
    // is.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICENESS);
    }
}

/// Does nothing: elsewhere, there is no simple way to lower the priority of a single thread.
#[cfg(not(target_os = "linux"))]
fn give_way() {}
