//! Recent edits in other files, which often bear on the next one.

use crate::prompt::Snippet;
use crate::request::Request;

/// Edits of other files, the oldest first, so that a new edit only appends to the prompt.
pub(super) fn snippets(request: &Request) -> Vec<Snippet> {
    let others = request.recent_edits.iter().filter(|edit| edit.path != request.document.path);
    others
        .map(|edit| Snippet { path: edit.path.clone(), text: edit.text.clone(), origin: "recent edit".into() })
        .collect()
}
