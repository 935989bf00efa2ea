//! Where the names that a question is about are used: for each place the line, and the head of the item that it is in.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Tree;

use super::excerpt::{Excerpt, QuestionContext, overlaps_any, signature_range};
use crate::context::secrets;
use crate::symbol_index::{path_distance, share_symbols};
use crate::syntax::{self, Region, SyntaxItem};
use crate::{Document, Language};

/// Places at the most.
const MAX_CALLERS: usize = 4;
/// Files that are read for one name.
const MAX_FILES_PER_NAME: usize = 12;
/// Mentions of a name in one file that are looked at.
const MAX_MENTIONS_PER_FILE: usize = 50;
/// A call so few lines below the head of its item is shown with the lines between.
const MAX_LINES_BELOW_SIGNATURE: usize = 6;

/// A place that uses a name.
struct NameUse {
    /// Where the name stands.
    offset: usize,
    is_call: bool,
    /// The innermost item around it.
    item: Option<SyntaxItem>,
}

/// The places that use these names, calls first, with at most `room` bytes and beside what was `found` already.
pub(super) fn callers(about: &QuestionContext<'_>, names: &[String], found: &[Excerpt], room: usize) -> Vec<Excerpt> {
    let mut all: Vec<Excerpt> = Vec::new();
    let mut taken = 0;
    let mut places = 0;
    for name in names {
        for (path, text, tree) in files_using(about, name) {
            for place in find_uses(Language::from_path(&path), &tree, &text, name) {
                let own = use_excerpts(&path, &text, name, &place);
                let size: usize = own.iter().map(|it| it.text.len()).sum();
                let secret = own.iter().any(|it| secrets::contains_secret(&it.text));
                let known = own.iter().any(|it| overlaps_any(found, it) || overlaps_any(&all, it));
                if !own.is_empty() && places < MAX_CALLERS && taken + size <= room && !secret && !known {
                    taken += size;
                    places += 1;
                    all.extend(own);
                }
            }
            if places == MAX_CALLERS {
                return all;
            }
        }
    }
    all
}

/// The files that mention a name, parsed: the document, then the nearest.
fn files_using<'a>(
    about: &'a QuestionContext<'_>,
    name: &'a str,
) -> impl Iterator<Item = (String, Arc<str>, Tree)> + 'a {
    let own = about.document.map_or("", |document| &document.path);
    let language = about.document.map(|document| document.language);
    let mut others = about.symbols.files_mentioning(name);
    others.retain(|path| {
        let fits = language.is_none_or(|language| share_symbols(Language::from_path(path), language));
        fits && **path != *own && !secrets::is_secret_path(path)
    });
    others.sort_by_cached_key(|path| (path_distance(path, own), path.clone()));
    let document = |it: &Document| {
        let tree = it.tree.clone().or_else(|| syntax::parse(it.language, &it.text, None))?;
        Some((it.path.clone(), it.text.clone(), tree))
    };
    let other = move |path: Arc<str>| {
        let text = (about.read_file)(&path)?;
        let tree = syntax::parse(Language::from_path(&path), &text, None)?;
        Some((path.to_string(), text, tree))
    };
    about.document.and_then(document).into_iter().chain(others.into_iter().take(MAX_FILES_PER_NAME).filter_map(other))
}

/// Where a text uses a name in its code, once for each item around: calls first. Imports and what the name itself defines are
/// no use of it.
fn find_uses(language: Language, tree: &Tree, text: &str, name: &str) -> Vec<NameUse> {
    let imports = syntax::import_ranges(tree);
    let mut all: Vec<NameUse> = Vec::new();
    for at in whole_word_matches(text, name).take(MAX_MENTIONS_PER_FILE) {
        let range = at..at + name.len();
        if syntax::region_at(Some(tree), range.end) != Region::Code || imports.iter().any(|it| it.contains(&at)) {
            continue;
        }
        let around = syntax::enclosing_items(tree, text, range.end);
        if around.iter().any(|item| item.name == name) || is_nested_import(language, text, at) {
            continue;
        }
        let call = text[range.end..].trim_start().starts_with(['(', '!', '<']);
        let item = around.into_iter().next_back();
        match all.iter_mut().find(|it| it.item == item && item.is_some()) {
            Some(known) if call && !known.is_call => *known = NameUse { offset: at, is_call: call, item },
            Some(_) => {}
            None => all.push(NameUse { offset: at, is_call: call, item }),
        }
    }
    all.sort_by_key(|it| !it.is_call);
    all
}

/// Imports that do not stand at the top level.
fn is_nested_import(language: Language, text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let begins = text[line..].trim_start();
    match language {
        Language::Python => begins.starts_with("from ") || begins.starts_with("import "),
        Language::Rust => begins.starts_with("use ") || begins.starts_with("pub use "),
        _ => begins.starts_with("import ") || begins.starts_with("export {"),
    }
}

/// Where a name stands as a whole word.
fn whole_word_matches<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let whole =
        move |at: &usize| !word(text[..*at].chars().next_back()) && !word(text[at + name.len()..].chars().next());
    text.match_indices(name).map(|(at, _)| at).filter(whole)
}

/// The head of the item and the line of the use, in one piece where they are near.
fn use_excerpts(path: &str, text: &str, name: &str, place: &NameUse) -> Vec<Excerpt> {
    const ROOM: usize = 600;
    let verb = if place.is_call { "calls" } else { "uses" };
    let why = format!("{verb} {name}");
    let piece = |range: Range<usize>, why: &str| Excerpt::new(path, Language::from_path(path), text, range, why, ROOM);
    let line = piece(place.offset..place.offset + name.len(), &why);
    let Some(item) = &place.item else { return only_if_whole(vec![line]) };
    let top = signature_range(text, item);
    let near = piece(item.range.start..place.offset + name.len(), &why);
    if near.omitted_lines == 0 && line.first_line - near.first_line <= MAX_LINES_BELOW_SIGNATURE {
        return only_if_whole(vec![near]);
    }
    let above = piece(top, &format!("{verb} {name} at line {}", line.first_line));
    // The use may stand in the head: a type in a signature.
    if above.last_line >= line.first_line { only_if_whole(vec![above]) } else { only_if_whole(vec![above, line]) }
}

/// Pieces, if all of them are whole.
fn only_if_whole(pieces: Vec<Excerpt>) -> Vec<Excerpt> {
    if pieces.iter().all(|it| it.omitted_lines == 0 && !it.text.trim().is_empty()) { pieces } else { Vec::new() }
}
