//! Bringing an index up to date: which files changed, and what becomes of them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::TryLockError;
use std::time::UNIX_EPOCH;

use anyhow::Result;
use foretype_plugins::chunks::chunks;
use foretype_plugins::context::secrets;
use foretype_plugins::{Language, syntax};
use siphasher::sip::SipHasher13;
use tantivy::indexer::IndexWriterOptions;
use tantivy::{IndexWriter, TantivyDocument, TantivyError, Term};

use super::store::{Fields, Manifest, Stamp, Store};
use super::{Search, lock};

/// Files between two commits: what is committed can be searched, and survives a kill.
const PORTION: usize = 2000;
/// The least that tantivy takes.
const MEMORY: usize = 15_000_000;

/// How far an update is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files that are done.
    pub done: usize,
    /// Files that changed.
    pub of: usize,
}

/// What an update did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changes {
    /// Files that were indexed.
    pub indexed: usize,
    /// Files whose pieces were taken out.
    pub removed: usize,
    /// Whether the index is behind its files: it was stopped, or another process is at it.
    pub behind: bool,
}

/// A file to look at; without a path it is gone.
pub(super) struct Work {
    relative: String,
    path: Option<PathBuf>,
}

impl Search {
    /// Looks at all files, by their paths in the workspace and on disk, and indexes those that changed. `progress` is told of
    /// each file; it returns false to stop.
    ///
    /// # Errors
    /// If the index can be neither used nor made anew.
    pub fn refresh(
        &self,
        files: impl Iterator<Item = (String, PathBuf)>,
        progress: &dyn Fn(Progress) -> bool,
    ) -> Result<Changes> {
        let changes = self.refresh_alone(files, progress)?;
        self.catch_up()?;
        Ok(changes)
    }

    fn refresh_alone(
        &self,
        files: impl Iterator<Item = (String, PathBuf)>,
        progress: &dyn Fn(Progress) -> bool,
    ) -> Result<Changes> {
        let _one = lock(&self.updating);
        let Some(store) = self.store()? else { return Ok(Changes::default()) };
        let before = store.manifest()?;
        let mut there = HashSet::new();
        let mut work = Vec::new();
        for (relative, path) in files.filter(|(relative, _)| !secrets::in_path(relative)) {
            if before.files.get(&relative).is_none_or(|known| times(&path) != Some((known.modified, known.size))) {
                work.push(Work { relative: relative.clone(), path: Some(path) });
            }
            there.insert(relative);
        }
        let gone = before.files.into_keys().filter(|relative| !there.contains(relative));
        work.extend(gone.map(|relative| Work { relative, path: None }));
        apply(&store, &work, progress)
    }

    /// Looks at files that changed; those without a path may no longer be read. Does nothing before the first
    /// [`refresh`](Self::refresh): that sees all of them. While somebody is at the index, it leaves them to them, and while
    /// another process is, to the next who changes a file.
    ///
    /// # Errors
    /// If the index cannot be written.
    pub fn touch(&self, files: Vec<(String, Option<PathBuf>)>) -> Result<Changes> {
        lock(&self.touched).extend(files.into_iter().map(|(relative, path)| Work { relative, path }));
        self.catch_up()
    }

    fn catch_up(&self) -> Result<Changes> {
        let mut all = Changes::default();
        // Asked again after each time: who came while the lock was held has left their files here.
        while !lock(&self.touched).is_empty() {
            let _one = match self.updating.try_lock() {
                Ok(one) => one,
                Err(TryLockError::Poisoned(one)) => one.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(all),
            };
            let work = std::mem::take(&mut *lock(&self.touched));
            let Some(store) = lock(&self.store).clone() else { return Ok(all) };
            let changes = apply(&store, &work, &|_| true)?;
            all = Changes {
                indexed: all.indexed + changes.indexed,
                removed: all.removed + changes.removed,
                behind: changes.behind,
            };
            if changes.behind {
                lock(&self.touched).extend(work);
                return Ok(all);
            }
        }
        Ok(all)
    }
}

fn apply(store: &Store, work: &[Work], progress: &dyn Fn(Progress) -> bool) -> Result<Changes> {
    let mut changes = Changes::default();
    if work.is_empty() {
        return Ok(changes);
    }
    let options = IndexWriterOptions::builder().num_worker_threads(1).num_merge_threads(1);
    let options = options.memory_budget_per_thread(MEMORY).build();
    let mut writer: IndexWriter = match store.index.writer_with_options(options) {
        Ok(writer) => writer,
        // Another process brings it up to date.
        Err(TantivyError::LockFailure(..)) => return Ok(Changes { behind: true, ..changes }),
        Err(error) => return Err(error.into()),
    };
    // Nobody else changes it from here on.
    let mut manifest = store.manifest()?;
    let mut done = 0;
    for portion in work.chunks(PORTION) {
        for one in portion {
            one.index(&writer, &store.fields, &mut manifest, &mut changes)?;
            done += 1;
            changes.behind = !progress(Progress { done, of: work.len() }) && done < work.len();
            if changes.behind {
                break;
            }
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&serde_json::to_string(&manifest)?);
        commit.commit()?;
        if changes.behind {
            break;
        }
    }
    writer.wait_merging_threads()?;
    Ok(changes)
}

impl Work {
    fn index(
        &self,
        writer: &IndexWriter,
        fields: &Fields,
        manifest: &mut Manifest,
        changes: &mut Changes,
    ) -> Result<()> {
        let known = manifest.files.get(&self.relative).copied();
        let now = self.path.as_deref().and_then(|path| Some((times(path)?, std::fs::read(path).ok()?)));
        let whole = Term::from_field_text(fields.path, &self.relative);
        let Some(((modified, size), bytes)) = now else {
            writer.delete_term(whole);
            changes.removed += usize::from(manifest.files.remove(&self.relative).is_some());
            return Ok(());
        };
        let stamp = Stamp { modified, size, hash: hash(&bytes) };
        manifest.files.insert(self.relative.clone(), stamp);
        if known.is_some_and(|known| known.hash == stamp.hash) {
            return Ok(());
        }
        writer.delete_term(whole);
        if let Some(text) = String::from_utf8(bytes).ok().filter(|text| is_read(&self.relative, text)) {
            changes.indexed += 1;
            for document in pieces(&self.relative, &text, fields) {
                writer.add_document(document)?;
            }
        }
        Ok(())
    }
}

/// The pieces of a file, for the index.
fn pieces(relative: &str, text: &str, fields: &Fields) -> Vec<TantivyDocument> {
    let tree = syntax::parse(Language::from_path(relative), text, None);
    let document = |chunk: foretype_plugins::chunks::Chunk| {
        let body = &text[chunk.range.clone()];
        let mut document = TantivyDocument::new();
        document.add_text(fields.path, relative);
        document.add_text(fields.file, relative);
        document.add_text(fields.names, &chunk.names);
        document.add_text(fields.body, body);
        document.add_u64(fields.first, chunk.first as u64);
        document.add_u64(fields.last, chunk.last as u64);
        document.add_u64(fields.start, chunk.range.start as u64);
        document.add_u64(fields.end, chunk.range.end as u64);
        document.add_u64(fields.hash, hash(body));
        document
    };
    chunks(tree.as_ref(), text).into_iter().map(document).collect()
}

/// Whether people write and read such a file, and no secret is in it.
fn is_read(path: &str, text: &str) -> bool {
    const MADE: &[&str] = &[".lock", "-lock.json", "-lock.yaml", ".min.js", ".min.css", ".map", ".svg", ".csv", ".tsv"];
    /// Larger ones are data.
    const JSON: usize = 64 << 10;
    const LINE: usize = 5000;
    let made = MADE.iter().any(|ending| path.ends_with(ending)) || path.ends_with(".json") && text.len() > JSON;
    !made && !text.contains('\0') && text.lines().all(|line| line.len() <= LINE) && !secrets::in_text(text)
}

/// When a file was changed, in nanoseconds, and its size.
fn times(path: &Path) -> Option<(u64, u64)> {
    let data = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let since = data.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some((u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), data.len()))
}

/// The same for all builds, because it is kept.
pub(super) fn hash(bytes: impl AsRef<[u8]>) -> u64 {
    SipHasher13::new().hash(bytes.as_ref())
}

/// Runs work on a thread that gives way to all others, and so do the threads that it starts.
///
/// # Errors
/// If no thread can be started.
pub fn background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<T>> {
    std::thread::Builder::new().name("search".to_owned()).spawn(move || {
        give_way();
        let done = work();
        foretype_model::kernels::give_back();
        done
    })
}

#[cfg(target_os = "linux")]
fn give_way() {
    const NICE: i32 = 15;
    // SAFETY: the call takes plain numbers; on Linux, 0 is the calling thread. If it fails, the thread is like any other.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
    }
}

/// Elsewhere, one cannot make a single thread give way as simply.
#[cfg(not(target_os = "linux"))]
fn give_way() {}
