//! The open documents: one writer, which applies edits in wire order, and snapshots for everyone else.
//!
//! A [`Snapshot`] is immutable and cheap to clone, so no lock is held while anything is computed from it. Syntax trees
//! are made on demand and outside the lock; while one is being made, edits are remembered and applied to it afterwards.

mod edits;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use foretype_plugins::{Language, syntax};
use tower_lsp::lsp_types::TextDocumentContentChangeEvent;
use tree_sitter::{InputEdit, Tree};

use crate::lsp::convert::{Encoding, LineIndex};

/// A document as it was at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// As the client names it.
    pub uri: String,
    /// The client's version number.
    pub version: i32,
    /// The client's name for the language.
    pub language_id: Arc<str>,
    /// The language as we know it.
    pub language: Language,
    /// The text, with the line ends that it has.
    pub text: Arc<str>,
    /// Where its lines begin.
    pub lines: Arc<LineIndex>,
    /// The tree of exactly this text, if it has been made.
    pub tree: Option<Tree>,
    /// False after an edit that cannot have been meant for this text; until the client sends the whole text again.
    pub in_sync: bool,
    /// Rises with every edit of any document; the larger, the more recently used.
    pub used: u64,
}

/// A place that was edited lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The document.
    pub uri: String,
    /// Its lines as they are after the edit, with one around.
    pub text: String,
    first: usize,
    last: usize,
}

/// What there is for one open document.
#[derive(Debug)]
struct Open {
    snapshot: Arc<Snapshot>,
    /// A tree that the next parse can start from: every edit since has been told to it.
    old_tree: Option<Tree>,
    /// While a parse runs: the edits that it does not know of.
    parsing: Option<Vec<InputEdit>>,
    /// Whether the whole text was replaced while a parse runs, so that its tree is good for nothing.
    replaced: bool,
    /// Tells this opening of the document from a later one.
    opening: u64,
}

/// All open documents of one client.
#[derive(Debug, Default)]
pub struct Documents {
    open: DashMap<String, Open>,
    edited: Mutex<VecDeque<Edited>>,
    clock: AtomicU64,
}

const EDITS_KEPT: usize = 16;

impl Documents {
    /// A document was opened; opening it again replaces its text.
    pub fn open(&self, uri: String, language_id: &str, version: i32, text: String) {
        let used = self.tick();
        let text: Arc<str> = text.into();
        let snapshot = Arc::new(Snapshot {
            uri: uri.clone(),
            version,
            language_id: language_id.into(),
            language: language(language_id, &uri),
            lines: Arc::new(LineIndex::new(&text)),
            text,
            tree: None,
            in_sync: true,
            used,
        });
        self.open.insert(uri, Open { snapshot, old_tree: None, parsing: None, replaced: false, opening: used });
    }

    /// A document was closed and is forgotten.
    pub fn close(&self, uri: &str) {
        self.open.remove(uri);
    }

    /// The document as it is now.
    pub fn snapshot(&self, uri: &str) -> Option<Arc<Snapshot>> {
        self.open.get(uri).map(|open| open.snapshot.clone())
    }

    /// All documents, the most recently used first.
    pub fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        let mut all: Vec<_> = self.open.iter().map(|open| open.snapshot.clone()).collect();
        all.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.used));
        all
    }

    /// Applies all changes of a notification, in order. `None` if the document was never opened.
    pub fn change(
        &self,
        uri: &str,
        version: i32,
        changes: &[TextDocumentContentChangeEvent],
        encoding: Encoding,
    ) -> Option<Arc<Snapshot>> {
        let mut open = self.open.get_mut(uri)?;
        let old = open.snapshot.clone();
        if version <= old.version {
            tracing::warn!("{uri}: version {version} follows version {}", old.version);
        }
        let applied = edits::apply(&old, changes, encoding);
        open.note(&applied);
        let snapshot = Arc::new(Snapshot {
            version,
            lines: applied.lines,
            text: applied.text.into(),
            tree: None,
            in_sync: applied.in_sync,
            used: self.tick(),
            ..(*old).clone()
        });
        open.snapshot = snapshot.clone();
        drop(open);
        if let Some(range) = applied.range {
            self.remember(&snapshot, range);
        }
        Some(snapshot)
    }

    /// The document with its syntax tree, parsed now if need be. This may take long for a large text: call it where
    /// blocking is allowed. While another call parses the same document, there is no tree.
    pub fn parsed(&self, uri: &str) -> Option<Arc<Snapshot>> {
        let (snapshot, old, opening) = {
            let mut open = self.open.get_mut(uri)?;
            if open.snapshot.tree.is_some() || open.parsing.is_some() {
                return Some(open.snapshot.clone());
            }
            open.parsing = Some(Vec::new());
            open.replaced = false;
            (open.snapshot.clone(), open.old_tree.take(), open.opening)
        };
        let tree = syntax::parse(snapshot.language, &snapshot.text, old.as_ref());
        let parsed = Arc::new(Snapshot { tree: tree.clone(), ..(*snapshot).clone() });
        let mut open = self.open.get_mut(uri)?;
        if open.opening == opening {
            open.finish_parse(tree, &parsed);
        }
        Some(parsed)
    }

    /// What was edited lately, the oldest first.
    pub fn edited(&self) -> Vec<Edited> {
        self.lock_edited().iter().cloned().collect()
    }

    fn remember(&self, snapshot: &Snapshot, range: std::ops::Range<usize>) {
        let new = edits::surroundings(snapshot, range);
        let mut edited = self.lock_edited();
        edited.retain(|old| !(old.uri == new.uri && old.first <= new.last && new.first <= old.last));
        edited.push_back(new);
        if edited.len() > EDITS_KEPT {
            edited.pop_front();
        }
    }

    fn lock_edited(&self) -> MutexGuard<'_, VecDeque<Edited>> {
        self.edited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

impl Open {
    /// Tells the trees of edits.
    fn note(&mut self, applied: &edits::Applied) {
        if let Some(pending) = &mut self.parsing {
            pending.extend_from_slice(&applied.edits);
        }
        if let Some(tree) = &mut self.old_tree {
            applied.edits.iter().for_each(|edit| tree.edit(edit));
        }
        if applied.whole {
            // Nothing of the old text is known to be left.
            self.old_tree = None;
            self.replaced = true;
        }
    }

    fn finish_parse(&mut self, tree: Option<Tree>, parsed: &Arc<Snapshot>) {
        let pending = self.parsing.take().unwrap_or_default();
        let unchanged = Arc::ptr_eq(&self.snapshot.text, &parsed.text);
        if unchanged {
            self.snapshot = parsed.clone();
        }
        self.old_tree = tree.filter(|_| !self.replaced).map(|mut tree| {
            pending.iter().for_each(|edit| tree.edit(edit));
            tree
        });
    }
}

/// The language by the client's name for it, else by the file's name.
fn language(id: &str, uri: &str) -> Language {
    match Language::from_lsp_id(id) {
        Language::PlainText => Language::from_path(uri),
        known => known,
    }
}

#[cfg(test)]
mod tests;
