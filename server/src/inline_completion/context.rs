//! Context from other documents. Scanning for secrets and reading ignore files take time: call these where blocking is
//! allowed.

use std::sync::Arc;

use foretype_plugins::Document;
use foretype_plugins::context::secrets;
use foretype_plugins::request::RecentEdit;

use crate::config::ContextConfig;
use crate::documents::{Documents, Snapshot};

/// Open documents that a prompt may draw on.
const MAX_OPEN_FILES: usize = 8;

/// Recent edits of any document, the oldest first.
pub(super) fn recent_edits(documents: &Documents, config: &ContextConfig) -> Arc<[RecentEdit]> {
    if !config.recent_edits {
        return Arc::new([]);
    }
    let mut edits = documents.recent_edits();
    edits.retain(|edit| edit.meta.may_be_context() && !secrets::contains_secret(&edit.text));
    edits.into_iter().map(|edit| RecentEdit { path: edit.meta.relative_path.clone(), text: edit.text }).collect()
}

/// Open documents other than `own`, the most recently used first.
pub(super) fn open_files(documents: &Documents, config: &ContextConfig, own: &Snapshot) -> Arc<[Arc<Document>]> {
    if !config.open_files {
        return Arc::new([]);
    }
    let others = documents.snapshots().into_iter().filter(|other| other.uri() != own.uri() && may_be_context(other));
    others.map(|other| Arc::new(other.document())).take(MAX_OPEN_FILES).collect()
}

fn may_be_context(snapshot: &Snapshot) -> bool {
    snapshot.in_sync && snapshot.meta.may_be_context() && !secrets::contains_secret(&snapshot.text)
}
