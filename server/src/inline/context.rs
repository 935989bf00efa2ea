//! What a request may know beside its own document. Looking for secrets and ignore rules takes time: call these where
//! blocking is allowed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foretype_plugins::Document;
use foretype_plugins::context::secrets;
use foretype_plugins::request::RecentEdit;
use tower_lsp::lsp_types::Url;

use crate::config::Context;
use crate::documents::Snapshot;
use crate::lsp::Session;

const MOST_FILES: usize = 8;

/// What was edited lately, the oldest first.
pub(super) fn recent_edits(session: &Session, config: &Context) -> Arc<[RecentEdit]> {
    if !config.recent_edits {
        return Arc::new([]);
    }
    let edits = session.documents.edited().into_iter();
    let allowed = edits.filter(|edit| may_be_shown(session, &edit.uri) && !secrets::in_text(&edit.text));
    allowed.map(|edit| RecentEdit { path: session.path_in_prompt(&edit.uri), text: edit.text }).collect()
}

/// The other open documents, the most recently used first.
pub(super) fn open_files(session: &Session, config: &Context, own: &str) -> Arc<[Arc<Document>]> {
    if !config.open_files {
        return Arc::new([]);
    }
    let others = session.documents.snapshots().into_iter().filter(|snapshot| snapshot.uri != own);
    others.filter_map(|snapshot| as_context(session, &snapshot)).take(MOST_FILES).collect()
}

/// Whether a document may enter the prompt of another: it lies in the workspace and nothing excludes it.
fn may_be_shown(session: &Session, uri: &str) -> bool {
    session.workspace_of(uri).is_some() && !session.excludes(uri)
}

fn as_context(session: &Session, snapshot: &Snapshot) -> Option<Arc<Document>> {
    let allowed = snapshot.in_sync && may_be_shown(session, &snapshot.uri) && !secrets::in_text(&snapshot.text);
    allowed.then(|| {
        let (language, text, tree) = (snapshot.language, snapshot.text.clone(), snapshot.tree.clone());
        Arc::new(Document { path: session.path_in_prompt(&snapshot.uri), language, text, tree })
    })
}

/// The path of a `file:` URI.
pub fn file_path(uri: &str) -> Option<PathBuf> {
    Url::parse(uri).ok().filter(|uri| uri.scheme() == "file")?.to_file_path().ok()
}

/// The name of a file, for a document outside every workspace.
pub fn file_name(uri: &str) -> String {
    let path = file_path(uri).unwrap_or_else(|| Path::new(uri).to_owned());
    path.file_name().map_or_else(|| "untitled".to_owned(), |name| name.to_string_lossy().into_owned())
}
