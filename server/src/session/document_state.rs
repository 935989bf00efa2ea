//! State of an open document other than its text, and the snapshots that requests keep of both.
//!
//! Each edit and each request increments the document's epoch. A superseded request is one that has seen it change; it
//! gets an empty answer.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::documents::Snapshot;
use crate::suggestion_cache::SuggestionCache;

/// State of one open document other than its text.
#[derive(Debug)]
pub(crate) struct DocumentState {
    /// Incremented by each edit and each request. A request that sees it change is superseded.
    pub(super) epoch: watch::Sender<u64>,
    /// Number of the latest inline completion request, and the snapshot that it was read with.
    pub(super) latest_request: Mutex<Option<(u64, Arc<Snapshot>)>>,
    suggestions: Mutex<SuggestionCache>,
}

impl Default for DocumentState {
    fn default() -> Self {
        Self { epoch: watch::Sender::new(0), latest_request: Mutex::default(), suggestions: Mutex::default() }
    }
}

impl DocumentState {
    /// Suggestions for the document.
    pub(crate) fn suggestions(&self) -> MutexGuard<'_, SuggestionCache> {
        self.suggestions.lock()
    }

    /// Marks all requests for the document as superseded.
    pub(super) fn supersede_requests(&self) {
        self.epoch.send_modify(|epoch| *epoch += 1);
    }
}

/// Document as it was when a request was read, in wire order.
#[derive(Debug, Clone)]
pub(crate) struct RequestSnapshot {
    /// Text and facts of the document.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Remaining state of the document.
    pub(crate) state: Arc<DocumentState>,
    /// Changes when the document is edited, closed, or asked about again.
    pub(crate) superseded: watch::Receiver<u64>,
    pub(super) epoch: u64,
}

impl RequestSnapshot {
    /// True while no edit or later request has superseded this one.
    pub(crate) fn is_current(&self) -> bool {
        *self.superseded.borrow() == self.epoch
    }
}
