//! Context from elsewhere in the workspace: the built-in sources of snippets, and how they share the budget.
//!
//! A source gets a share of the bytes that the sources before it left. Snippets are then ordered by
//! stability, the most stable first, so that the prefix cache keeps as much of the header as possible.

pub(crate) mod definitions;
pub(crate) mod open_files;
pub(crate) mod recent_edits;
pub mod secrets;

use crate::prompt::{Snippet, Stability};
use crate::request::Request;

/// A built-in source of snippets.
#[derive(Debug)]
pub struct ContextSource {
    /// Name in the configuration.
    pub name: &'static str,
    /// Snippets that it shows, for listings.
    pub description: &'static str,
    /// [`origin`](Snippet::origin) of its snippets.
    pub origin: &'static str,
    /// Stability of its snippets.
    pub stability: Stability,
    /// Default limit: the remaining bytes divided by this.
    pub share_divisor: usize,
    /// Finds snippets within a number of bytes, in prompt order.
    collect: fn(&Request, usize) -> Vec<Snippet>,
}

/// Built-in sources in the order in which they draw on the budget.
pub static CONTEXT_SOURCES: &[ContextSource] = &[
    ContextSource {
        name: "definitions",
        description: "definitions from anywhere in the workspace of the names around the cursor",
        origin: "definition",
        stability: Stability::File,
        share_divisor: 2,
        collect: |request, max_bytes| fitting_snippets(max_bytes, definitions::snippets(request)),
    },
    ContextSource {
        name: "recent-edits",
        description: "recent changes in other files",
        origin: "recent edit",
        stability: Stability::Edit,
        share_divisor: 2,
        collect: |request, max_bytes| {
            // The latest edits get their bytes first and come last in the prompt.
            let latest_first = recent_edits::snippets(request).into_iter().rev().collect();
            fitting_snippets(max_bytes, latest_first).into_iter().rev().collect()
        },
    },
    ContextSource {
        name: "open-files",
        description: "parts of other open files that share names with the text around the cursor",
        origin: "open file",
        stability: Stability::File,
        share_divisor: 1,
        collect: |request, max_bytes| fitting_snippets(max_bytes, open_files::snippets(request, max_bytes)),
    },
];

/// The source with this name.
pub(crate) fn find_source(name: &str) -> Option<&'static ContextSource> {
    CONTEXT_SOURCES.iter().find(|source| source.name == name)
}

impl ContextSource {
    /// Its snippets when it has the whole budget to itself.
    pub(crate) fn collect_alone(&self, request: &Request) -> Vec<Snippet> {
        (self.collect)(request, self.byte_limit(request, request.budget.snippets))
    }

    /// Limit of its snippets when `remaining` bytes of the budget are left.
    fn byte_limit(&self, request: &Request, remaining: usize) -> usize {
        match request.builtins.byte_limits.get(self.name) {
            Some(limit) => remaining.min(*limit),
            None => remaining / self.share_divisor,
        }
    }

    /// Sort key of its snippets in a prompt.
    fn sort_key(&self, request: &Request) -> (Stability, usize) {
        (self.stability, request.builtins.rank(self.name))
    }
}

/// Snippets for a request within its budget: the most stable first, and equally stable ones in the user's order.
pub(crate) fn gather(request: &Request) -> Vec<Snippet> {
    let mut remaining = request.budget.snippets;
    let mut groups = Vec::new();
    for source in CONTEXT_SOURCES.iter().filter(|source| request.builtins.is_enabled(source.name)) {
        let found = (source.collect)(request, source.byte_limit(request, remaining));
        remaining -= found.iter().map(snippet_bytes).sum::<usize>();
        groups.push((source.sort_key(request), found));
    }
    groups.sort_by_key(|(key, _)| *key);
    groups.into_iter().flat_map(|(_, found)| found).collect()
}

/// Sort key of a snippet that a built-in source found.
pub(crate) fn snippet_sort_key(request: &Request, snippet: &Snippet) -> (Stability, usize) {
    let source = CONTEXT_SOURCES.iter().find(|source| source.origin == snippet.origin);
    source.map_or((Stability::File, usize::MAX), |source| source.sort_key(request))
}

fn snippet_bytes(snippet: &Snippet) -> usize {
    snippet.text.len() + snippet.path.len()
}

/// The first snippets that fit into `max_bytes` together, without any that hold secrets.
fn fitting_snippets(max_bytes: usize, mut snippets: Vec<Snippet>) -> Vec<Snippet> {
    let mut remaining = max_bytes;
    snippets.retain(|snippet| {
        let size = snippet_bytes(snippet);
        let secret = secrets::is_secret_path(&snippet.path) || secrets::contains_secret(&snippet.text);
        let keep = size <= remaining && !secret;
        if keep {
            remaining -= size;
        }
        keep
    });
    snippets
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
    fn the_latest_edits_are_kept_and_stand_last() {
        let edit = |name: &str| RecentEdit { path: name.into(), text: name.repeat(50) };
        let mut request = request("app.py", "x = ▁\n");
        request.recent_edits = ["a", "b", "c"].map(edit).into();
        request.budget.snippets = 204;
        let paths: Vec<_> = gather(&request).into_iter().map(|snippet| snippet.path).collect();
        assert_eq!(paths, ["b", "c"]);
    }

    /// Paths of all snippets with these settings: `b.py` is a definition, `c.py` an open file, `d.py` a recent edit.
    fn gathered_paths(builtins: Builtins) -> Vec<String> {
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
    fn sources_are_disabled_ordered_and_limited_by_name() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(gathered_paths(Builtins::default()), ["b.py", "c.py", "d.py"]);
        assert_eq!(
            gathered_paths(Builtins { disabled: names(&["definitions"]), ..Builtins::default() }),
            ["c.py", "d.py"]
        );
        // Stability goes before the user's order: recent edits stay last.
        let order = names(&["recent-edits", "open-files"]);
        assert_eq!(gathered_paths(Builtins { order, ..Builtins::default() }), ["c.py", "b.py", "d.py"]);
        let byte_limits = [("open-files".to_owned(), 20), ("recent-edits".to_owned(), 1000)].into();
        assert_eq!(gathered_paths(Builtins { byte_limits, ..Builtins::default() }), ["b.py", "d.py"]);
    }
}
