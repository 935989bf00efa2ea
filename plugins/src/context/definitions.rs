//! Definitions of the names around the cursor, found in a symbol index of the workspace.

use crate::prompt::Snippet;
use crate::request::Request;
use crate::symbol_index::{Definition, path_distance, share_symbols};
use crate::syntax;

/// Signatures of the names near the cursor that other files define, in an order that does not change while the user types
/// inside a word.
pub(super) fn snippets(request: &Request) -> Vec<Snippet> {
    const NAMES: usize = 40;
    const SNIPPETS: usize = 8;
    let names = syntax::identifiers_near(&request.document.text, request.cursor, 1500);
    let mut found: Vec<Definition> = Vec::new();
    for name in names.into_iter().take(NAMES) {
        let mut all = request.symbols.definitions(name);
        let foreign = |it: &Definition| {
            *it.path != *request.document.path && share_symbols(it.language, request.document.language)
        };
        all.retain(foreign);
        all.sort_by_key(|it| path_distance(&it.path, &request.document.path));
        // A name that many files define says nothing.
        if all.len() <= 4 {
            let nearest = all.into_iter().next().filter(|it| !found.contains(it));
            found.extend(nearest);
        }
        if found.len() >= SNIPPETS {
            break;
        }
    }
    found.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
    let mut snippets: Vec<Snippet> = Vec::new();
    for definition in found {
        match snippets.last_mut().filter(|last| *last.path == *definition.path) {
            Some(last) => last.text.push_str(&format!("\n{}", definition.signature)),
            None => snippets.push(Snippet {
                path: definition.path.to_string(),
                text: definition.signature,
                origin: "definition".into(),
            }),
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
