//! Where extra snippets come from: the rest of the workspace, as far as it bears on the cursor.

pub mod definitions;
pub mod recent_edits;
pub mod secrets;

use crate::prompt::Snippet;
use crate::request::Request;

/// Snippets for a request within its budget, the most stable first.
pub fn gather(request: &Request) -> Vec<Snippet> {
    let mut left = request.budget.snippets;
    let found = definitions::snippets(request).into_iter().chain(recent_edits::snippets(request));
    let allowed = found.filter(|snippet| !secrets::in_path(&snippet.path) && !secrets::in_text(&snippet.text));
    allowed
        .take_while(|snippet| {
            let fits = snippet.text.len() + snippet.path.len() <= left;
            left = left.saturating_sub(snippet.text.len() + snippet.path.len());
            fits
        })
        .collect()
}
