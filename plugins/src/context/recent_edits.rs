//! What the user changed in other files a short while ago: it often bears on what comes next.

use crate::prompt::Snippet;
use crate::request::Request;

/// Edits of other files, the oldest first, so that a new one only adds to the prompt.
pub(super) fn snippets(request: &Request) -> Vec<Snippet> {
    let others = request.recent_edits.iter().filter(|edit| edit.path != request.document.path);
    others
        .map(|edit| Snippet { path: edit.path.clone(), text: edit.text.clone(), origin: "recent edit".into() })
        .collect()
}
