//! Signatures of the names around the cursor, from the symbol index of the workspace.

use crate::prompt::Snippet;
use crate::request::Request;
use crate::symbol_index::{Definition, path_distance, share_symbols};
use crate::syntax;

/// Names near the cursor that are looked up.
const MAX_NAMES: usize = 40;
/// Definitions that are shown.
const MAX_DEFINITIONS: usize = 8;
/// Definitions of one name above which the name says too little to be shown.
const MAX_DEFINITIONS_PER_NAME: usize = 4;
/// Reach around the cursor in which names are collected, in bytes.
const CURSOR_REACH_BYTES: usize = 1500;

/// Signatures of names near the cursor that other files define, one snippet per file, ordered by path and offset so
/// that they stay put while the user types inside a word.
pub(super) fn snippets(request: &Request) -> Vec<Snippet> {
    let document = &request.document;
    let names = syntax::identifiers_near(&document.text, request.cursor, CURSOR_REACH_BYTES);
    let mut found: Vec<Definition> = Vec::new();
    for name in names.into_iter().take(MAX_NAMES) {
        let mut all = request.symbols.definitions(name);
        all.retain(|it| *it.path != *document.path && share_symbols(it.language, document.language));
        all.sort_by_key(|it| path_distance(&it.path, &request.document.path));
        if all.len() <= MAX_DEFINITIONS_PER_NAME
            && let Some(nearest) = all.into_iter().next()
            && !found.contains(&nearest)
        {
            found.push(nearest);
        }
        if found.len() >= MAX_DEFINITIONS {
            break;
        }
    }
    found.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
    let mut snippets: Vec<Snippet> = Vec::new();
    for definition in found {
        if let Some(last) = snippets.last_mut()
            && *last.path == *definition.path
        {
            last.text.push('\n');
            last.text.push_str(&definition.signature);
        } else {
            let (path, text) = (definition.path.to_string(), definition.signature);
            snippets.push(Snippet { path, text, origin: "definition".into() });
        }
    }
    snippets
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Language;
    use crate::finish::tests::request;
    use crate::symbol_index::SymbolIndex;

    #[test]
    fn signatures_of_names_near_the_cursor_become_snippets() {
        let index = SymbolIndex::default();
        index.update("lib/tools.py", Language::Python, "def compute_total(items, tax):\n    return 0\n");
        index.update("web/tools.js", Language::JavaScript, "function compute_total() {}\n");
        let mut request = request("app/main.py", "from lib.tools import compute_total\n\nx = compute_total(▁)\n");
        request.symbols = Arc::new(index);
        let found = snippets(&request);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].path.as_str(), found[0].text.as_str()),
            ("lib/tools.py", "def compute_total(items, tax):")
        );
    }
}
