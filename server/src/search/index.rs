//! Search index of a workspace, and its queries.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foretype_plugins::tasks::ask::{SearchHit, SearchTerm};
use parking_lot::Mutex;
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, TantivyDocument, Value};
use tantivy::{Searcher, Term};

use super::store::{self, IndexStore, PendingFile, hash};

/// Search index of one workspace. It is neither read nor written before its first use.
pub(crate) struct SearchIndex {
    enabled: bool,
    folder: Option<PathBuf>,
    claimed: AtomicBool,
    pub(super) store: Mutex<Option<IndexStore>>,
    /// Held during an update, so that only one runs at a time.
    pub(super) update_lock: Mutex<()>,
    /// Changed files that no update has read yet.
    pub(super) changed_files: Mutex<Vec<PendingFile>>,
}

/// Chunk of a file that a search found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct SearchResult {
    /// Path of the file, relative to the workspace.
    pub(crate) path: String,
    /// First line, counted from 1.
    #[serde(rename = "first")]
    pub(crate) first_line: usize,
    /// Last line, counted from 1.
    #[serde(rename = "last")]
    pub(crate) last_line: usize,
    /// Names of the items in the chunk.
    pub(crate) names: String,
    /// Relevance: the sum of BM25 scores over words and fields.
    pub(crate) score: f32,
    /// Range in the file in bytes.
    #[serde(skip)]
    pub(crate) range: std::ops::Range<usize>,
    /// Hash of the text.
    #[serde(skip)]
    hash: u64,
}

impl SearchResult {
    /// Returns the text of the chunk in `file`, or `None` if the file has changed since it was indexed.
    pub(crate) fn text<'a>(&self, file: &'a str) -> Option<&'a str> {
        file.get(self.range.clone()).filter(|text| hash(text) == self.hash)
    }

    /// Combines the result with the text of its file, or returns `None` if the file has changed since it was indexed.
    pub(crate) fn into_hit(self, text: Arc<str>) -> Option<SearchHit> {
        self.text(&text)?;
        Some(SearchHit { path: self.path, text, range: self.range, score: self.score })
    }
}

impl SearchIndex {
    /// Creates the index for the files of `root`, without those that match `excluded`, in the user's cache folder.
    pub(crate) fn for_workspace(root: &Path, excluded: &[String]) -> Self {
        Self::in_folder(store::index_folder(root, excluded))
    }

    /// Creates the index in `folder`. Without a folder, nothing is ever found.
    pub(crate) fn in_folder(folder: Option<PathBuf>) -> Self {
        let (claimed, store) = (AtomicBool::default(), Mutex::default());
        Self { enabled: true, folder, claimed, store, update_lock: Mutex::default(), changed_files: Mutex::default() }
    }

    /// Creates an index that is turned off.
    pub(crate) fn disabled() -> Self {
        Self { enabled: false, ..Self::in_folder(None) }
    }

    /// Returns true unless the index is turned off.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Returns true for the first caller, which must run the first update.
    pub(crate) fn claim_first_update(&self) -> bool {
        self.folder.is_some() && !self.claimed.swap(true, Ordering::Relaxed)
    }

    /// Returns up to `limit` chunks, the most relevant first. Only files that are already indexed are found.
    pub(crate) fn find(&self, words: &[SearchTerm], limit: usize) -> Vec<SearchResult> {
        let mut open = self.store.lock();
        if open.is_none() {
            *open = self.folder.as_deref().and_then(IndexStore::open_existing);
        }
        let Some(store) = open.as_ref() else { return Vec::new() };
        let found = store.searcher().and_then(|searcher| search_store(store, &searcher, words, limit));
        found.unwrap_or_else(|error| {
            // The next update rebuilds the index.
            tracing::warn!("cannot search the index of the workspace: {error:#}");
            *open = None;
            Vec::new()
        })
    }

    /// Returns the open index, and creates it if there is no usable one.
    pub(super) fn open_store(&self) -> anyhow::Result<Option<IndexStore>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let mut open = self.store.lock();
        if open.is_none() {
            *open = Some(IndexStore::open_or_create(folder)?);
        }
        Ok(open.clone())
    }
}

impl std::fmt::Debug for SearchIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn search_store(
    store: &IndexStore,
    searcher: &Searcher,
    words: &[SearchTerm],
    limit: usize,
) -> anyhow::Result<Vec<SearchResult>> {
    let best = searcher.search(&query(store, words), &TopDocs::with_limit(limit.max(1)).order_by_score())?;
    let mut all = Vec::new();
    for (score, address) in best {
        let document: TantivyDocument = searcher.doc(address)?;
        let number = |field| document.get_first(field).and_then(|value| value.as_u64()).unwrap_or_default();
        let text = |field| document.get_first(field).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let place = |field| usize::try_from(number(field)).unwrap_or_default();
        let fields = &store.fields;
        all.push(SearchResult {
            path: text(fields.path),
            first_line: place(fields.first_line),
            last_line: place(fields.last_line),
            names: text(fields.names),
            score,
            range: place(fields.start)..place(fields.end),
            hash: number(fields.hash),
        });
    }
    // Equal scores come in the order of the index, which depends on its history.
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| (&a.path, a.first_line).cmp(&(&b.path, b.first_line))));
    Ok(all)
}

/// Returns the query for any of the words in any field. A match in an item's name weighs more than one in its body; a
/// match in the file's path weighs less.
fn query(store: &IndexStore, words: &[SearchTerm]) -> BooleanQuery {
    let fields = [(store.fields.body, 1.0), (store.fields.names, 1.5), (store.fields.file, 0.7)];
    let clauses = words.iter().flat_map(|word| {
        fields.map(|(field, weight)| {
            let term = Term::from_field_text(field, &word.text);
            let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
            let boosted: Box<dyn Query> = Box::new(BoostQuery::new(query, weight * word.weight));
            (Occur::Should, boosted)
        })
    });
    BooleanQuery::new(clauses.collect())
}
