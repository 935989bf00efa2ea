//! Lexical search over the files of a workspace, for questions and for `foretype search`: an index of pieces of files
//! ([`foretype_plugins::chunks`]) ranked by BM25, kept in the cache folder and brought up to date by what changed.
//!
//! The index holds words and places, no text: what is shown of a place is read from its file, and only if the file still
//! says there what was indexed. What may not enter a prompt is never indexed.

mod store;
mod terms;
mod update;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foretype_plugins::strategies::ask::{Hit, Wanted};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, TantivyDocument, Value};
use tantivy::{Searcher, Term};

use store::Store;
use update::Work;
pub use update::{Changes, Progress, background};

/// The index of one workspace. Nothing is read or written before it is asked for something.
pub struct Search {
    on: bool,
    folder: Option<PathBuf>,
    claimed: AtomicBool,
    store: Mutex<Option<Store>>,
    /// Held while files are read: one at a time.
    updating: Mutex<()>,
    /// Files that changed and that nobody has looked at yet.
    touched: Mutex<Vec<Work>>,
}

/// A piece of a file that a search found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Found {
    /// The file, relative to the workspace.
    pub path: String,
    /// Its first line, from 1.
    pub first: usize,
    /// Its last line.
    pub last: usize,
    /// The items in it.
    pub names: String,
    /// How well it fits: the sum of BM25 over words and fields.
    pub score: f32,
    /// Where it is in the file, in bytes.
    #[serde(skip)]
    pub range: std::ops::Range<usize>,
    /// The hash of its text.
    #[serde(skip)]
    hash: u64,
}

impl Found {
    /// Its text in that of the file; `None` if the file changed since it was indexed.
    pub fn text<'a>(&self, file: &'a str) -> Option<&'a str> {
        file.get(self.range.clone()).filter(|text| update::hash(text) == self.hash)
    }

    /// It with the text of its file; `None` if that changed since it was indexed.
    pub fn hit(self, text: Arc<str>) -> Option<Hit> {
        self.text(&text)?;
        Some(Hit { path: self.path, text, range: self.range, score: self.score })
    }
}

impl Search {
    /// The index for the files of `root` without those that `excluded` names, in the user's cache folder.
    pub fn of(root: &Path, excluded: &[String]) -> Self {
        Self::within(store::folder(root, excluded))
    }

    /// The index in a folder; without one there is none, and nothing is ever found.
    pub fn within(folder: Option<PathBuf>) -> Self {
        let (claimed, store) = (AtomicBool::default(), Mutex::default());
        Self { on: true, folder, claimed, store, updating: Mutex::default(), touched: Mutex::default() }
    }

    /// Nobody wants one.
    pub fn off() -> Self {
        Self { on: false, ..Self::within(None) }
    }

    /// Whether somebody wants one.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Whether the caller is the first to ask, and so the one to bring it up to date.
    pub fn claim(&self) -> bool {
        self.folder.is_some() && !self.claimed.swap(true, Ordering::Relaxed)
    }

    /// The pieces that fit best, the best first. Searches what is indexed, which may be nothing yet.
    pub fn find(&self, wanted: &[Wanted], most: usize) -> Vec<Found> {
        let mut open = lock(&self.store);
        if open.is_none() {
            *open = self.folder.as_deref().and_then(Store::present);
        }
        let Some(store) = open.as_ref() else { return Vec::new() };
        let found = store.searcher().and_then(|searcher| found(store, &searcher, wanted, most));
        found.unwrap_or_else(|error| {
            // It is built again when files are next looked at.
            tracing::warn!("the index of the workspace cannot be searched: {error:#}");
            *open = None;
            Vec::new()
        })
    }

    /// The index, built anew if there is none that can be used.
    fn store(&self) -> anyhow::Result<Option<Store>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let mut open = lock(&self.store);
        if open.is_none() {
            *open = Some(Store::open(folder)?);
        }
        Ok(open.clone())
    }
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn found(store: &Store, searcher: &Searcher, wanted: &[Wanted], most: usize) -> anyhow::Result<Vec<Found>> {
    let best = searcher.search(&query(store, wanted), &TopDocs::with_limit(most.max(1)).order_by_score())?;
    let mut all = Vec::new();
    for (score, address) in best {
        let document: TantivyDocument = searcher.doc(address)?;
        let number = |field| document.get_first(field).and_then(|value| value.as_u64()).unwrap_or_default();
        let text = |field| document.get_first(field).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let place = |field| usize::try_from(number(field)).unwrap_or_default();
        let fields = &store.fields;
        all.push(Found {
            path: text(fields.path),
            first: place(fields.first),
            last: place(fields.last),
            names: text(fields.names),
            score,
            range: place(fields.start)..place(fields.end),
            hash: number(fields.hash),
        });
    }
    // Equal scores come in the order of the index, which depends on how it was built.
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| (&a.path, a.first).cmp(&(&b.path, b.first))));
    Ok(all)
}

/// Any of the words, in any field: a name counts more than a mention, and so does the name of the file.
fn query(store: &Store, wanted: &[Wanted]) -> BooleanQuery {
    let fields = [(store.fields.body, 1.0), (store.fields.names, 1.5), (store.fields.file, 0.7)];
    let clauses = wanted.iter().flat_map(|word| {
        fields.map(|(field, weight)| {
            let term = Term::from_field_text(field, &word.text);
            let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
            let boosted: Box<dyn Query> = Box::new(BoostQuery::new(query, weight * word.weight));
            (Occur::Should, boosted)
        })
    });
    BooleanQuery::new(clauses.collect())
}

#[cfg(test)]
mod tests;
