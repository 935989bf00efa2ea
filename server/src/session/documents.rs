//! Documents of a session: edits in wire order, and the order of edits and requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use tokio::sync::watch;
use tower_lsp::lsp_types::TextDocumentContentChangeEvent;

use super::Session;
use super::document_state::{DocumentState, RequestSnapshot};
use crate::documents::{ClientText, DocumentMeta, Encoding, Snapshot};

/// Prompts that are prefetched in a row without an edit: a user who only reads needs no model.
const MAX_IDLE_PREFETCHES: u32 = 3;
const OUT_OF_SYNC: &str = "the editor and Foretype disagree about the text: close and reopen the file";
const EXCLUDED: &str = "the file is ignored, excluded or usually contains secrets";

impl Session {
    /// Resolves a document, which need not be open, among the workspace folders.
    pub(crate) fn resolve_document(&self, uri: &str) -> DocumentMeta {
        DocumentMeta::resolve(uri.to_owned(), &self.folders.read())
    }

    /// Resolves the open documents again: workspace folders, the configuration or ignore rules have changed.
    pub(crate) fn refresh_document_meta(&self) {
        self.documents.refresh_meta(&self.folders.read());
    }

    /// Explains why a document gets no suggestions; `None` if it gets some.
    pub(crate) fn disabled_reason(&self, snapshot: &Snapshot) -> Option<String> {
        if !snapshot.in_sync {
            return Some(OUT_OF_SYNC.to_owned());
        }
        if !self.config().enables(&snapshot.language_id) {
            return Some(format!("suggestions are off for {} (option enable)", snapshot.language_id));
        }
        if snapshot.meta.is_excluded() {
            return Some(EXCLUDED.to_owned());
        }
        None
    }

    /// Snapshot of an open document that may be shown to a model.
    ///
    /// # Errors
    /// If the document is not open, out of sync, or excluded from prompts.
    pub(crate) fn snapshot_for_model(&self, uri: &str) -> Result<Arc<Snapshot>> {
        let snapshot = self.documents.snapshot(uri).with_context(|| format!("{uri} is not open"))?;
        ensure!(snapshot.in_sync, "{OUT_OF_SYNC}");
        ensure!(!snapshot.meta.is_excluded(), "{EXCLUDED}, so it is not shown to a model");
        Ok(snapshot)
    }

    /// True if a snapshot is still the current version of its document.
    pub(crate) fn is_current(&self, snapshot: &Snapshot) -> bool {
        let now = self.documents.snapshot(snapshot.uri());
        now.is_some_and(|now| now.version == snapshot.version && Arc::ptr_eq(&now.text, &snapshot.text))
    }

    /// Checks that a result for a snapshot still fits its document.
    ///
    /// # Errors
    /// If the document has changed.
    pub(crate) fn ensure_current(&self, snapshot: &Snapshot) -> Result<()> {
        ensure!(self.is_current(snapshot), "the document was changed in the meantime and is left as it is: ask again");
        Ok(())
    }

    /// Encoding in which the client's positions count.
    pub(crate) fn encoding(&self) -> Encoding {
        self.client_capabilities().map(|capabilities| capabilities.encoding).unwrap_or_default()
    }

    fn client_text(&self) -> ClientText {
        let capabilities = self.client_capabilities();
        let lone_cr = capabilities.map(|capabilities| capabilities.lone_cr).unwrap_or_default();
        ClientText { encoding: self.encoding(), lone_cr }
    }

    /// Handles `didOpen`.
    pub(crate) fn open_document(self: &Arc<Self>, uri: String, language: &str, version: i32, text: &str) {
        self.close_document(&uri);
        self.document_states.insert(uri.clone(), Arc::default());
        {
            // Locked until the document is open, so that a change of folders either comes before or refreshes it.
            let folders = self.folders.read();
            self.documents.open(
                DocumentMeta::resolve(uri.clone(), &folders),
                language,
                version,
                text,
                self.client_text().lone_cr,
            );
        }
        let session = self.clone();
        tokio::task::spawn_blocking(move || session.documents.parsed(&uri));
    }

    /// Handles `didChange`.
    pub(crate) fn change_document(&self, uri: &str, version: i32, changes: &[TextDocumentContentChangeEvent]) {
        let Some(snapshot) = self.documents.change(uri, version, changes, &self.client_text()) else {
            tracing::warn!("{uri} was changed but never opened");
            return;
        };
        if let Some(state) = self.document_state(uri) {
            state.suggestions().apply_edit(&snapshot.text);
            state.supersede_requests();
        }
        self.idle_prefetches.store(0, Ordering::Relaxed);
        self.invalidate_suggestions(Some(uri));
    }

    /// Handles `didClose`.
    pub(crate) fn close_document(&self, uri: &str) {
        self.documents.close(uri);
        if let Some((_, state)) = self.document_states.remove(uri) {
            state.suggestions().invalidate();
            state.supersede_requests();
        }
    }

    /// Closes all documents, which cancels the work for them: the client is gone.
    pub(crate) fn close_all_documents(&self) {
        let open: Vec<String> = self.document_states.iter().map(|entry| entry.key().clone()).collect();
        for uri in open {
            self.close_document(&uri);
        }
    }

    /// Invalidates the suggestions for all documents but one: the model might write something else now.
    pub(super) fn invalidate_suggestions(&self, except: Option<&str>) {
        for entry in self.document_states.iter().filter(|entry| except != Some(entry.key().as_str())) {
            entry.suggestions().invalidate();
        }
    }

    fn document_state(&self, uri: &str) -> Option<Arc<DocumentState>> {
        self.document_states.get(uri).map(|state| state.clone())
    }

    /// Assigns a number to an inline completion request as it is read, and supersedes the requests before it. Returns
    /// `None` if the document is not open.
    pub(crate) fn stamp_request(&self, uri: &str) -> Option<u64> {
        let state = self.document_state(uri)?;
        let snapshot = self.documents.snapshot(uri)?;
        let id = self.request_ids.fetch_add(1, Ordering::Relaxed) + 1;
        *state.latest_request.lock() = Some((id, snapshot));
        state.supersede_requests();
        Some(id)
    }

    /// Current snapshot of a document, which supersedes no request. `None` if the document is not open.
    pub(crate) fn current_snapshot(&self, uri: &str) -> Option<RequestSnapshot> {
        let state = self.document_state(uri)?;
        let superseded = state.epoch.subscribe();
        let epoch = *superseded.borrow();
        Some(RequestSnapshot { snapshot: self.documents.snapshot(uri)?, state, superseded, epoch })
    }

    /// Snapshot that a [stamped](Self::stamp_request) request was read with; `None` if the request is superseded or the
    /// document is not open.
    pub(crate) fn request_snapshot(&self, uri: &str, id: Option<u64>) -> Option<RequestSnapshot> {
        let current = self.current_snapshot(uri)?;
        let (latest, snapshot) = current.state.latest_request.lock().clone()?;
        if Some(latest) != id || !Arc::ptr_eq(&current.snapshot.text, &snapshot.text) {
            return None;
        }
        Some(RequestSnapshot { snapshot, ..current })
    }

    /// Records that the cursor moved to another place. The receiver changes when it moves again.
    pub(crate) fn move_focus(&self) -> watch::Receiver<u64> {
        self.focus_epoch.send_modify(|focus| *focus += 1);
        self.focus_epoch.subscribe()
    }

    /// Counts a prefetch at a resting cursor. Returns false if there have been enough since the last edit.
    pub(crate) fn claim_prefetch(&self) -> bool {
        self.idle_prefetches.fetch_add(1, Ordering::Relaxed) < MAX_IDLE_PREFETCHES
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    #[tokio::test]
    async fn requests_are_superseded_when_the_client_is_gone() {
        let session = Session::new(Arc::default(), BTreeMap::new());
        session.open_document("untitled:1".to_owned(), "python", 1, "x =");
        let mut request = session.current_snapshot("untitled:1").expect("it is open");
        session.close_all_documents();
        assert!(request.superseded.has_changed().expect("the sender is alive") && !request.is_current());
        request.superseded.changed().await.expect("it has changed");
        assert!(session.current_snapshot("untitled:1").is_none());
    }

    #[tokio::test]
    async fn an_open_document_follows_its_workspace_folders_and_ignore_rules() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).expect("writable");
        let uri = format!("file://{}", inner.join("a.py").display());
        let session = Session::new(Arc::default(), BTreeMap::new());
        session.open_document(uri.clone(), "python", 1, "x =");
        let meta = || session.documents.snapshot(&uri).expect("it is open").meta.clone();
        assert_eq!((meta().relative_path.as_str(), meta().may_be_context()), ("a.py", false));
        let open_folders = |roots: &[&PathBuf]| session.set_folders(roots.iter().map(|root| (*root).clone()).collect());
        open_folders(&[&folder.path().to_owned()]);
        assert_eq!((meta().relative_path.as_str(), meta().may_be_context()), ("inner/a.py", true));
        open_folders(&[&folder.path().to_owned(), &inner]);
        assert_eq!(meta().relative_path, "a.py", "the innermost folder");
        let before = meta();
        assert!(!before.is_excluded());
        std::fs::write(inner.join(".gitignore"), "a.py\n").expect("writable");
        session.refresh_document_meta();
        assert!(meta().is_excluded() && !before.is_excluded(), "a request keeps the facts that it was read with");
    }
}
