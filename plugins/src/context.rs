//! Where extra snippets come from: the rest of the workspace, as far as it bears on the cursor.

pub mod definitions;
pub mod open_files;
pub mod recent_edits;
pub mod secrets;

use crate::prompt::{Snippet, Stability};
use crate::request::Request;

/// A built-in source of snippets.
#[derive(Debug)]
pub struct ContextSource {
    /// By which the configuration knows it.
    pub name: &'static str,
    /// What it shows.
    pub description: &'static str,
    /// What its snippets say of themselves.
    pub origin: &'static str,
    /// How long its snippets stay as they are.
    pub stability: Stability,
    /// It has at most one part in so many of the room that is left, unless the user says otherwise.
    pub share_divisor: usize,
    /// Its snippets within so many bytes, in the order of the prompt.
    collect: fn(&Request, usize) -> Vec<Snippet>,
}

/// All sources in the order in which they take room; no source takes the room of all others.
pub static CONTEXT_SOURCES: &[ContextSource] = &[
    ContextSource {
        name: "definitions",
        description: "definitions, from anywhere in the workspace, of the names around the cursor",
        origin: "definition",
        stability: Stability::File,
        share_divisor: 2,
        collect: |request, room| fitting_snippets(room, definitions::snippets(request)),
    },
    ContextSource {
        name: "recent-edits",
        description: "what was changed lately in other files",
        origin: "recent edit",
        stability: Stability::Edit,
        share_divisor: 2,
        collect: |request, room| {
            // The latest edits matter most; in the prompt they stand last.
            let latest = recent_edits::snippets(request).into_iter().rev().collect();
            fitting_snippets(room, latest).into_iter().rev().collect()
        },
    },
    ContextSource {
        name: "open-files",
        description: "pieces of the other open files that share names with the text around the cursor",
        origin: "open file",
        stability: Stability::File,
        share_divisor: 1,
        collect: |request, room| fitting_snippets(room, open_files::snippets(request, room)),
    },
];

/// The source of that name.
pub fn find_source(name: &str) -> Option<&'static ContextSource> {
    CONTEXT_SOURCES.iter().find(|source| source.name == name)
}

impl ContextSource {
    /// Its snippets where nothing else takes room.
    pub fn collect_alone(&self, request: &Request) -> Vec<Snippet> {
        (self.collect)(request, self.byte_limit(request, request.budget.snippets))
    }

    /// Bytes that it may take of those that are left.
    fn byte_limit(&self, request: &Request, left: usize) -> usize {
        request.builtins.byte_limits.get(self.name).map_or(left / self.share_divisor, |most| left.min(*most))
    }

    /// The place of its snippets in a prompt.
    fn sort_key(&self, request: &Request) -> (Stability, usize) {
        (self.stability, request.builtins.rank(self.name))
    }
}

/// Snippets for a request within its budget, those that stay longest first; among those, in the order that the user says.
pub fn gather(request: &Request) -> Vec<Snippet> {
    let mut left = request.budget.snippets;
    let mut all = Vec::new();
    for source in CONTEXT_SOURCES.iter().filter(|source| request.builtins.is_enabled(source.name)) {
        let found = (source.collect)(request, source.byte_limit(request, left));
        left -= found.iter().map(snippet_bytes).sum::<usize>();
        all.push((source.sort_key(request), found));
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().flat_map(|(_, found)| found).collect()
}

/// The place of a snippet that a source found.
pub(crate) fn snippet_sort_key(request: &Request, snippet: &Snippet) -> (Stability, usize) {
    let source = CONTEXT_SOURCES.iter().find(|source| source.origin == snippet.origin);
    source.map_or((Stability::File, usize::MAX), |source| source.sort_key(request))
}

fn snippet_bytes(snippet: &Snippet) -> usize {
    snippet.text.len() + snippet.path.len()
}

/// Those of `found` that may be shown and fit into `room` bytes together.
fn fitting_snippets(room: usize, found: Vec<Snippet>) -> Vec<Snippet> {
    let mut left = room;
    let mut kept = found;
    kept.retain(|snippet| {
        let size = snippet_bytes(snippet);
        let shown = size <= left && !secrets::is_secret_path(&snippet.path) && !secrets::contains_secret(&snippet.text);
        left -= if shown { size } else { 0 };
        shown
    });
    kept
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::builtins::Builtins;
    use crate::finish::tests::request;
    use crate::request::RecentEdit;
    use crate::{Document, Language};

    #[test]
    fn the_latest_edits_fit_first_and_stand_last() {
        let edit = |name: &str| RecentEdit { path: name.into(), text: name.repeat(50) };
        let mut request = request("app.py", "x = ▁\n");
        request.recent_edits = ["a", "b", "c"].map(edit).into();
        request.budget.snippets = 204;
        let paths: Vec<_> = gather(&request).into_iter().map(|snippet| snippet.path).collect();
        assert_eq!(paths, ["b", "c"]);
    }

    /// Names of the sources that show something, in their order.
    fn shown(builtins: Builtins) -> Vec<String> {
        let mut request = request("app.py", "total = shipping_rate + discount_rate + delivery_fee + other(▁)\n");
        request.symbols.update("b.py", Language::Python, "def other(x):\n    return x\n");
        let text = "shipping_rate, discount_rate, delivery_fee\n";
        let open = Document { path: "c.py".into(), language: Language::Python, text: text.into(), tree: None };
        request.open_files = [Arc::new(open)].into();
        request.recent_edits = [RecentEdit { path: "d.py".into(), text: "changed()".into() }].into();
        request.builtins = Arc::new(builtins);
        gather(&request).into_iter().map(|snippet| snippet.path).collect()
    }

    #[test]
    fn a_source_is_switched_off_ordered_and_given_room_by_its_name() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(shown(Builtins::default()), ["b.py", "c.py", "d.py"]);
        assert_eq!(shown(Builtins { disabled: names(&["definitions"]), ..Builtins::default() }), ["c.py", "d.py"]);
        // What changes with each edit stays behind what does not, whatever the order says.
        let order = names(&["recent-edits", "open-files"]);
        assert_eq!(shown(Builtins { order, ..Builtins::default() }), ["c.py", "b.py", "d.py"]);
        let room = [("open-files".to_owned(), 20), ("recent-edits".to_owned(), 1000)].into();
        assert_eq!(shown(Builtins { byte_limits: room, ..Builtins::default() }), ["b.py", "d.py"]);
    }
}
