//! Where extra snippets come from: the rest of the workspace, as far as it bears on the cursor.

pub mod definitions;
pub mod open_files;
pub mod recent_edits;
pub mod secrets;

use crate::prompt::Snippet;
use crate::request::Request;

/// Snippets for a request within its budget, the most stable first: definitions, pieces of open files, recent edits. No
/// source takes the room of all others: definitions have half of it at the most, edits half of the rest.
pub fn gather(request: &Request) -> Vec<Snippet> {
    let room = request.budget.snippets;
    let (definitions, taken) = within(room / 2, definitions::snippets(request));
    // The latest edits matter most; in the prompt they stand last.
    let latest = recent_edits::snippets(request).into_iter().rev().collect();
    let (mut edits, taken_by_edits) = within((room - taken) / 2, latest);
    edits.reverse();
    let left = room - taken - taken_by_edits;
    let (open_files, _) = within(left, open_files::snippets(request, left));
    [definitions, open_files, edits].concat()
}

/// Those of `found` that may be shown and fit into `room` bytes together, and the bytes that they take.
fn within(room: usize, found: Vec<Snippet>) -> (Vec<Snippet>, usize) {
    let mut taken = 0;
    let mut kept = found;
    kept.retain(|snippet| {
        let size = snippet.text.len() + snippet.path.len();
        let shown = taken + size <= room && !secrets::in_path(&snippet.path) && !secrets::in_text(&snippet.text);
        taken += if shown { size } else { 0 };
        shown
    });
    (kept, taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::tests::request;
    use crate::request::RecentEdit;

    #[test]
    fn the_latest_edits_fit_first_and_stand_last() {
        let edit = |name: &str| RecentEdit { path: name.into(), text: name.repeat(50) };
        let mut request = request("app.py", "x = ▁\n");
        request.recent_edits = ["a", "b", "c"].map(edit).into();
        request.budget.snippets = 204;
        let paths: Vec<_> = gather(&request).into_iter().map(|snippet| snippet.path).collect();
        assert_eq!(paths, ["b", "c"]);
    }
}
