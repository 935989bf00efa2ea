//! Open documents: one writer, which applies edits in wire order, and snapshots for everyone else.
//!
//! Lines end with `\n` here: a text is split from its [line ends](LineEnds) as it arrives, and what is sent to the
//! client gets them again.
//!
//! A [`Snapshot`] is immutable and cheap to clone, so no lock is held while anything is computed from it. Syntax trees
//! are parsed on demand and outside the lock; edits that arrive during a parse are recorded and applied to its tree
//! afterwards.

mod edits;
mod line_index;
mod meta;
mod snapshot;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use foretype_plugins::{Language, LineEnds, LoneCr, syntax};
use parking_lot::Mutex;
use tower_lsp::lsp_types::TextDocumentContentChangeEvent;
use tree_sitter::{InputEdit, Tree};

use crate::workspace::Workspace;
pub(crate) use edits::ClientText;
pub(crate) use line_index::{Encoding, LineIndex};
pub(crate) use meta::DocumentMeta;
pub(crate) use snapshot::{EditedLines, Snapshot};

/// State of one open document.
#[derive(Debug)]
struct OpenDocument {
    snapshot: Arc<Snapshot>,
    /// Tree that the next parse can start from: every edit since has been applied to it.
    old_tree: Option<Tree>,
    /// Edits that the parse in progress does not know of; `None` if none is in progress.
    edits_during_parse: Option<Vec<InputEdit>>,
    /// Set when the whole text is replaced during a parse, whose tree is useless then.
    replaced: bool,
    /// Distinguishes this opening of the document from a later one.
    opening: u64,
}

/// All open documents of one client.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    open: DashMap<String, OpenDocument>,
    recent_edits: Mutex<VecDeque<EditedLines>>,
    clock: AtomicU64,
}

const MAX_RECENT_EDITS: usize = 16;

impl Documents {
    /// Opens a document. Opening it again replaces its text.
    pub(crate) fn open(&self, meta: DocumentMeta, language_id: &str, version: i32, text: &str, lone_cr: LoneCr) {
        let opening = self.tick();
        let uri = meta.uri.clone();
        let (text, line_ends) = LineEnds::split(text, lone_cr);
        let text: Arc<str> = text.into();
        let snapshot = Arc::new(Snapshot {
            language: language(language_id, &uri),
            meta: Arc::new(meta),
            version,
            language_id: language_id.into(),
            lines: Arc::new(LineIndex::new(&text)),
            text,
            line_ends: Arc::new(line_ends),
            tree: None,
            in_sync: true,
            last_used: opening,
        });
        let document = OpenDocument { snapshot, old_tree: None, edits_during_parse: None, replaced: false, opening };
        self.open.insert(uri, document);
    }

    /// Closes a document and drops its state.
    pub(crate) fn close(&self, uri: &str) {
        self.open.remove(uri);
    }

    /// Resolves all documents again among `folders`, after something changed that [`DocumentMeta`] depends on.
    pub(crate) fn refresh_meta(&self, folders: &[Arc<Workspace>]) {
        let resolve = |uri: &str| Arc::new(DocumentMeta::resolve(uri.to_owned(), folders));
        for mut document in self.open.iter_mut() {
            let meta = resolve(document.snapshot.uri());
            document.snapshot = Arc::new(Snapshot { meta, ..Snapshot::clone(&document.snapshot) });
        }
        for edit in self.recent_edits.lock().iter_mut() {
            edit.meta = resolve(&edit.meta.uri);
        }
    }

    /// Current snapshot of a document; `None` if it is not open.
    pub(crate) fn snapshot(&self, uri: &str) -> Option<Arc<Snapshot>> {
        self.open.get(uri).map(|open| open.snapshot.clone())
    }

    /// Snapshots of all documents, the most recently used first.
    pub(crate) fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        let mut all: Vec<_> = self.open.iter().map(|open| open.snapshot.clone()).collect();
        all.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.last_used));
        all
    }

    /// Applies all changes of a notification, in order. Returns `None` if the document is not open.
    pub(crate) fn change(
        &self,
        uri: &str,
        version: i32,
        changes: &[TextDocumentContentChangeEvent],
        client: &ClientText,
    ) -> Option<Arc<Snapshot>> {
        let mut open = self.open.get_mut(uri)?;
        let old = open.snapshot.clone();
        if version <= old.version {
            tracing::warn!("{uri}: version {version} follows version {}", old.version);
        }
        let applied = edits::apply(&old, changes, client);
        open.record_edits(&applied);
        let snapshot = Arc::new(Snapshot {
            version,
            lines: applied.lines,
            text: applied.text.into(),
            line_ends: Arc::new(applied.line_ends),
            tree: None,
            in_sync: applied.in_sync,
            last_used: self.tick(),
            ..(*old).clone()
        });
        open.snapshot = snapshot.clone();
        drop(open);
        if let Some(range) = applied.range {
            self.record_edit(&snapshot, range);
        }
        Some(snapshot)
    }

    /// Current snapshot of a document with its syntax tree, parsed now if there is none. A large text takes long: call
    /// it where blocking is allowed. While another call parses the same document, the snapshot has no tree.
    pub(crate) fn parsed(&self, uri: &str) -> Option<Arc<Snapshot>> {
        let (snapshot, old, opening) = {
            let mut open = self.open.get_mut(uri)?;
            if open.snapshot.tree.is_some() || open.edits_during_parse.is_some() {
                return Some(open.snapshot.clone());
            }
            open.edits_during_parse = Some(Vec::new());
            open.replaced = false;
            (open.snapshot.clone(), open.old_tree.take(), open.opening)
        };
        let tree = syntax::parse(snapshot.language, &snapshot.text, old.as_ref());
        let mut open = self.open.get_mut(uri)?;
        if open.opening == opening {
            open.finish_parse(tree.clone(), &snapshot.text);
        }
        drop(open);
        Some(Arc::new(Snapshot { tree, ..Snapshot::clone(&snapshot) }))
    }

    /// Lines that were edited recently, the oldest first.
    pub(crate) fn recent_edits(&self) -> Vec<EditedLines> {
        self.recent_edits.lock().iter().cloned().collect()
    }

    fn record_edit(&self, snapshot: &Snapshot, range: std::ops::Range<usize>) {
        let new = edits::edited_lines(snapshot, range);
        let overlaps =
            |old: &EditedLines| old.meta.uri == new.meta.uri && old.first <= new.last && new.first <= old.last;
        let mut recent = self.recent_edits.lock();
        recent.retain(|old| !overlaps(old));
        recent.push_back(new);
        if recent.len() > MAX_RECENT_EDITS {
            recent.pop_front();
        }
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

impl OpenDocument {
    /// Keeps the trees in step with the text.
    fn record_edits(&mut self, applied: &edits::AppliedChanges) {
        if let Some(pending) = &mut self.edits_during_parse {
            pending.extend_from_slice(&applied.edits);
        }
        if let Some(tree) = &mut self.old_tree {
            for edit in &applied.edits {
                tree.edit(edit);
            }
        }
        if applied.replaced_all {
            // No part of the old text is known to remain.
            self.old_tree = None;
            self.replaced = true;
        }
    }

    /// Takes the tree of `text`, which may have been edited since.
    fn finish_parse(&mut self, tree: Option<Tree>, text: &Arc<str>) {
        let pending = self.edits_during_parse.take().unwrap_or_default();
        if Arc::ptr_eq(&self.snapshot.text, text) {
            self.snapshot = Arc::new(Snapshot { tree: tree.clone(), ..Snapshot::clone(&self.snapshot) });
        }
        self.old_tree = None;
        if let Some(mut tree) = tree
            && !self.replaced
        {
            for edit in &pending {
                tree.edit(edit);
            }
            self.old_tree = Some(tree);
        }
    }
}

/// Language of a document: by the client's identifier, or else by the file name.
fn language(id: &str, uri: &str) -> Language {
    match Language::from_lsp_id(id) {
        Language::PlainText => Language::from_path(uri),
        known => known,
    }
}

#[cfg(test)]
mod tests;
