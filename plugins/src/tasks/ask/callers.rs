//! Where the names that a question is about are used: for each place the line, and the head of the item that it is in.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Tree;

use super::excerpt::{About, Excerpt, head, shown};
use crate::context::secrets;
use crate::symbol_index::{distance, related};
use crate::syntax::{self, Item, Region};
use crate::{Document, Language};

/// Places at the most.
const CALLERS: usize = 4;
/// Files that are read for one name.
const FILES: usize = 12;
/// Mentions of a name in one file that are looked at.
const MENTIONS: usize = 50;
/// A call so few lines below the head of its item is shown with the lines between.
const NEAR: usize = 6;

/// A place that uses a name.
struct Use {
    /// Where the name stands.
    at: usize,
    call: bool,
    /// The innermost item around it.
    item: Option<Item>,
}

/// The places that use these names, calls first, with at most `room` bytes and beside what was `found` already.
pub(super) fn callers(about: &About<'_>, names: &[String], found: &[Excerpt], room: usize) -> Vec<Excerpt> {
    let mut all: Vec<Excerpt> = Vec::new();
    let mut taken = 0;
    let mut places = 0;
    for name in names {
        for (path, text, tree) in files(about, name) {
            for place in uses(Language::from_path(&path), &tree, &text, name) {
                let own = excerpts(&path, &text, name, &place);
                let size: usize = own.iter().map(|it| it.text.len()).sum();
                let secret = own.iter().any(|it| secrets::in_text(&it.text));
                let known = own.iter().any(|it| shown(found, it) || shown(&all, it));
                if !own.is_empty() && places < CALLERS && taken + size <= room && !secret && !known {
                    taken += size;
                    places += 1;
                    all.extend(own);
                }
            }
            if places == CALLERS {
                return all;
            }
        }
    }
    all
}

/// The files that mention a name, parsed: the document, then the nearest.
fn files<'a>(about: &'a About<'_>, name: &'a str) -> impl Iterator<Item = (String, Arc<str>, Tree)> + 'a {
    let own = about.document.map_or("", |document| &document.path);
    let language = about.document.map(|document| document.language);
    let mut others = about.symbols.mentions(name);
    others.retain(|path| {
        let fits = language.is_none_or(|language| related(Language::from_path(path), language));
        fits && **path != *own && !secrets::in_path(path)
    });
    others.sort_by_cached_key(|path| (distance(path, own), path.clone()));
    let document = |it: &Document| {
        let tree = it.tree.clone().or_else(|| syntax::parse(it.language, &it.text, None))?;
        Some((it.path.clone(), it.text.clone(), tree))
    };
    let other = move |path: Arc<str>| {
        let text = (about.read)(&path)?;
        let tree = syntax::parse(Language::from_path(&path), &text, None)?;
        Some((path.to_string(), text, tree))
    };
    about.document.and_then(document).into_iter().chain(others.into_iter().take(FILES).filter_map(other))
}

/// Where a text uses a name in its code, once for each item around: calls first. Imports and what the name itself defines are
/// no use of it.
fn uses(language: Language, tree: &Tree, text: &str, name: &str) -> Vec<Use> {
    let imports = syntax::imports(tree);
    let mut all: Vec<Use> = Vec::new();
    for at in mentions(text, name).take(MENTIONS) {
        let range = at..at + name.len();
        if syntax::region(Some(tree), range.end) != Region::Code || imports.iter().any(|it| it.contains(&at)) {
            continue;
        }
        let around = syntax::enclosing(tree, text, range.end);
        if around.iter().any(|item| item.name == name) || is_import(language, text, at) {
            continue;
        }
        let call = text[range.end..].trim_start().starts_with(['(', '!', '<']);
        let item = around.into_iter().next_back();
        match all.iter_mut().find(|it| it.item == item && item.is_some()) {
            Some(known) if call && !known.call => *known = Use { at, call, item },
            Some(_) => {}
            None => all.push(Use { at, call, item }),
        }
    }
    all.sort_by_key(|it| !it.call);
    all
}

/// Imports that do not stand at the top level.
fn is_import(language: Language, text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let begins = text[line..].trim_start();
    match language {
        Language::Python => begins.starts_with("from ") || begins.starts_with("import "),
        Language::Rust => begins.starts_with("use ") || begins.starts_with("pub use "),
        _ => begins.starts_with("import ") || begins.starts_with("export {"),
    }
}

/// Where a name stands as a whole word.
fn mentions<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let whole =
        move |at: &usize| !word(text[..*at].chars().next_back()) && !word(text[at + name.len()..].chars().next());
    text.match_indices(name).map(|(at, _)| at).filter(whole)
}

/// The head of the item and the line of the use, in one piece where they are near.
fn excerpts(path: &str, text: &str, name: &str, place: &Use) -> Vec<Excerpt> {
    const ROOM: usize = 600;
    let verb = if place.call { "calls" } else { "uses" };
    let why = format!("{verb} {name}");
    let piece = |range: Range<usize>, why: &str| Excerpt::new(path, Language::from_path(path), text, range, why, ROOM);
    let line = piece(place.at..place.at + name.len(), &why);
    let Some(item) = &place.item else { return whole(vec![line]) };
    let top = head(text, item);
    let near = piece(item.range.start..place.at + name.len(), &why);
    if near.left_out == 0 && line.first - near.first <= NEAR {
        return whole(vec![near]);
    }
    let above = piece(top, &format!("{verb} {name} at line {}", line.first));
    // The use may stand in the head: a type in a signature.
    if above.last >= line.first { whole(vec![above]) } else { whole(vec![above, line]) }
}

/// Pieces, if all of them are whole.
fn whole(pieces: Vec<Excerpt>) -> Vec<Excerpt> {
    if pieces.iter().all(|it| it.left_out == 0 && !it.text.trim().is_empty()) { pieces } else { Vec::new() }
}
