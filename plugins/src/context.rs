//! Where extra snippets come from: the rest of the workspace, as far as it bears on the cursor.

pub mod definitions;
pub mod open_files;
pub mod recent_edits;
pub mod secrets;

use crate::prompt::{Snippet, Stability};
use crate::request::Request;

/// A built-in source of snippets.
#[derive(Debug)]
pub struct Source {
    /// By which the configuration knows it.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// What its snippets say of themselves.
    pub why: &'static str,
    /// How long its snippets stay as they are.
    pub stability: Stability,
    /// It has at most one part in so many of the room that is left, unless the user says otherwise.
    pub divisor: usize,
    /// Its snippets within so many bytes, in the order of the prompt.
    find: fn(&Request, usize) -> Vec<Snippet>,
}

/// All sources in the order in which they take room; no source takes the room of all others.
pub static SOURCES: &[Source] = &[
    Source {
        name: "definitions",
        about: "definitions, from anywhere in the workspace, of the names around the cursor",
        why: "definition",
        stability: Stability::File,
        divisor: 2,
        find: |request, room| within(room, definitions::snippets(request)),
    },
    Source {
        name: "recent-edits",
        about: "what was changed lately in other files",
        why: "recent edit",
        stability: Stability::Edit,
        divisor: 2,
        find: |request, room| {
            // The latest edits matter most; in the prompt they stand last.
            let latest = recent_edits::snippets(request).into_iter().rev().collect();
            within(room, latest).into_iter().rev().collect()
        },
    },
    Source {
        name: "open-files",
        about: "pieces of the other open files that share names with the text around the cursor",
        why: "open file",
        stability: Stability::File,
        divisor: 1,
        find: |request, room| within(room, open_files::snippets(request, room)),
    },
];

/// The source of that name.
pub fn source(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.name == name)
}

impl Source {
    /// Its snippets where nothing else takes room.
    pub fn alone(&self, request: &Request) -> Vec<Snippet> {
        (self.find)(request, self.room(request, request.budget.snippets))
    }

    /// Bytes that it may take of those that are left.
    fn room(&self, request: &Request, left: usize) -> usize {
        request.builtins.room.get(self.name).map_or(left / self.divisor, |most| left.min(*most))
    }

    /// The place of its snippets in a prompt.
    fn place(&self, request: &Request) -> (Stability, usize) {
        (self.stability, request.builtins.place(self.name))
    }
}

/// Snippets for a request within its budget, those that stay longest first; among those, in the order that the user says.
pub fn gather(request: &Request) -> Vec<Snippet> {
    let mut left = request.budget.snippets;
    let mut all = Vec::new();
    for source in SOURCES.iter().filter(|source| request.builtins.runs(source.name)) {
        let found = (source.find)(request, source.room(request, left));
        left -= found.iter().map(size).sum::<usize>();
        all.push((source.place(request), found));
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().flat_map(|(_, found)| found).collect()
}

/// The place of a snippet that a source found.
pub(crate) fn place(request: &Request, snippet: &Snippet) -> (Stability, usize) {
    let source = SOURCES.iter().find(|source| source.why == snippet.why);
    source.map_or((Stability::File, usize::MAX), |source| source.place(request))
}

fn size(snippet: &Snippet) -> usize {
    snippet.text.len() + snippet.path.len()
}

/// Those of `found` that may be shown and fit into `room` bytes together.
fn within(room: usize, found: Vec<Snippet>) -> Vec<Snippet> {
    let mut left = room;
    let mut kept = found;
    kept.retain(|snippet| {
        let size = size(snippet);
        let shown = size <= left && !secrets::in_path(&snippet.path) && !secrets::in_text(&snippet.text);
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
        assert_eq!(shown(Builtins { off: names(&["definitions"]), ..Builtins::default() }), ["c.py", "d.py"]);
        // What changes with each edit stays behind what does not, whatever the order says.
        let order = names(&["recent-edits", "open-files"]);
        assert_eq!(shown(Builtins { order, ..Builtins::default() }), ["c.py", "b.py", "d.py"]);
        let room = [("open-files".to_owned(), 20), ("recent-edits".to_owned(), 1000)].into();
        assert_eq!(shown(Builtins { room, ..Builtins::default() }), ["b.py", "d.py"]);
    }
}
