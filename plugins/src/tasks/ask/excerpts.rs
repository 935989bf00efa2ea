//! Which code goes with a question: what it is about, what stands around that, the definitions and callers of the names
//! involved, and what a search finds for its words.

use std::collections::HashSet;
use std::ops::Range;

use crate::chunks::words;
use crate::context::secrets;
use crate::symbol_index::{Definition, share_symbols};
use crate::syntax::{self, SyntaxItem};
use crate::{Document, Language};

use super::callers::callers;
use super::excerpt::{Excerpt, QuestionContext, overlaps_any, signature_range};
use super::search_terms::{SearchTerm, search_terms, words_after_intent};

/// Definitions from elsewhere at the most.
const MAX_DEFINITIONS: usize = 6;
/// A name that more places define says nothing.
const MAX_DEFINITIONS_PER_NAME: usize = 4;
/// Pieces that a search finds, at the most.
const MAX_SEARCH_EXCERPTS: usize = 5;
/// A piece whose score is a smaller share of the best one's has little to do with the question.
const MIN_SCORE_SHARE: f32 = 0.45;

/// The pieces for a question, the most important first.
pub fn excerpts(about: &QuestionContext<'_>) -> Vec<Excerpt> {
    let mut found = about.document.map(|document| selection_excerpts(about, document)).unwrap_or_default();
    let code: String = found.iter().map(|excerpt| format!("{}\n", excerpt.text)).collect();
    let mut asked = selected_item_name(about);
    add_definitions(about, &code, &mut found, &mut asked);
    let room = remaining_bytes(about, &found) / 2;
    let calls = callers(about, &asked, &found, room);
    found.extend(calls);
    add_search_hits(about, &code, &mut found);
    found
}

/// Bytes that are left beside these pieces.
fn remaining_bytes(about: &QuestionContext<'_>, found: &[Excerpt]) -> usize {
    about.max_bytes.saturating_sub(found.iter().map(|it| it.text.len()).sum())
}

/// The name of the item that is asked about, if it is one.
fn selected_item_name(about: &QuestionContext<'_>) -> Vec<String> {
    let name = || {
        let (document, selection) = (about.document?, about.selection.as_ref()?);
        let around = syntax::enclosing_items(document.tree.as_ref()?, &document.text, selection.start + 1);
        around.last().map(|item| item.name.clone())
    };
    name().into_iter().collect()
}

/// Adds the definitions of the names in the question and in the code; the former go to `asked`, too.
fn add_definitions(about: &QuestionContext<'_>, code: &str, found: &mut Vec<Excerpt>, asked: &mut Vec<String>) {
    let mut seen: HashSet<String> = HashSet::new();
    let mut count = 0;
    let said = identifiers(words_after_intent(about.question)).map(|name| (name, true));
    for (name, whole) in said.chain(identifiers(code).map(|name| (name, false))) {
        if count == MAX_DEFINITIONS || !seen.insert(name.to_owned()) {
            continue;
        }
        let Some(excerpt) = definition_excerpt(about, name, whole, remaining_bytes(about, found)) else { continue };
        if whole && !asked.iter().any(|it| it == name) {
            asked.push(name.to_owned());
        }
        if !overlaps_any(found, &excerpt) {
            found.push(excerpt);
            count += 1;
        }
    }
}

/// Adds what a search finds, as far as there is room.
fn add_search_hits(about: &QuestionContext<'_>, code: &str, found: &mut Vec<Excerpt>) {
    let words = search_terms(about.question, code);
    if words.is_empty() {
        return;
    }
    let hits = (about.search)(&words);
    let best = hits.first().map(|hit| hit.score).unwrap_or_default();
    let fitting = hits.into_iter().filter(|hit| hit.score >= best * MIN_SCORE_SHARE);
    for hit in fitting.take(MAX_SEARCH_EXCERPTS) {
        let why = format!("found by {}", matched_terms(&words, &hit.text[hit.range.clone()]));
        let language = Language::from_path(&hit.path);
        let excerpt =
            Excerpt::new(&hit.path, language, &hit.text, hit.range.clone(), &why, remaining_bytes(about, found));
        // What does not fit was not asked for.
        let excerpt = Excerpt { omitted_lines: 0, ..excerpt };
        let secret = secrets::is_secret_path(&excerpt.path) || secrets::contains_secret(&excerpt.text);
        if !secret && !excerpt.text.trim().is_empty() && !overlaps_any(found, &excerpt) {
            found.push(excerpt);
        }
    }
}

/// The weightiest of the words that are in a text.
fn matched_terms(wanted: &[SearchTerm], text: &str) -> String {
    const MOST: usize = 4;
    let there: HashSet<String> = words(text).map(|word| word.text).collect();
    let shared = wanted.iter().map(|word| &*word.text).filter(|word| there.contains(*word));
    let shared: Vec<_> = shared.take(MOST).collect();
    if shared.is_empty() { "its name".to_owned() } else { shared.join(", ") }
}

/// The code that is asked about, and the heads of what it lies in.
fn selection_excerpts(about: &QuestionContext<'_>, document: &Document) -> Vec<Excerpt> {
    let text = &*document.text;
    let room = about.max_bytes * 2 / 3;
    let cut = |range, why: &str, room| Excerpt::new(&document.path, document.language, text, range, why, room);
    let Some(selection) = about.selection.clone() else {
        return vec![cut(0..text.len(), "the file", room)];
    };
    let around =
        document.tree.as_ref().map(|tree| syntax::enclosing_items(tree, text, selection.start + 1)).unwrap_or_default();
    let holds = |item: &&SyntaxItem| item.range.start <= selection.start && selection.end <= item.range.end;
    let innermost = around.iter().rev().find(holds).filter(|item| item.range.len() <= room);
    let main = match innermost {
        Some(item) => cut(item.range.clone(), "what is asked about", room),
        None => cut(selection.clone(), "what is asked about", room),
    };
    let outside =
        |item: &&SyntaxItem| item.range.start < selection.start && innermost.is_none_or(|it| it.range != item.range);
    let heads = around.iter().filter(outside).filter(|item| item.range.end >= selection.end);
    let heads =
        heads.map(|item| cut(signature_range(text, item), "around it", room / 8)).filter(|it| !it.text.is_empty());
    let selected = selection_reason(document, &selection, &main);
    let heads: Vec<_> = heads.filter(|head| head.first_line < main.first_line).collect();
    std::iter::once(Excerpt { reason: selected, ..main }).chain(heads).collect()
}

/// Says which lines of a piece are selected, where it holds more than those.
fn selection_reason(document: &Document, selection: &Range<usize>, main: &Excerpt) -> String {
    let exact = Excerpt::new(&document.path, document.language, &document.text, selection.clone(), "", usize::MAX);
    let part = !selection.is_empty()
        && (exact.first_line > main.first_line || exact.last_line < main.last_line)
        && main.omitted_lines == 0;
    match part {
        true if exact.first_line == exact.last_line => format!("the question is about line {}", exact.first_line),
        true => format!("the question is about lines {} to {}", exact.first_line, exact.last_line),
        false => main.reason.clone(),
    }
}

/// The definition of a name, whole or its first lines.
fn definition_excerpt(about: &QuestionContext<'_>, name: &str, whole: bool, room: usize) -> Option<Excerpt> {
    let mut all = about.symbols.definitions(name);
    let language = about.document.map(|document| document.language);
    all.retain(|it| language.is_none_or(|language| share_symbols(it.language, language)));
    let found = all.first().filter(|_| all.len() <= MAX_DEFINITIONS_PER_NAME)?;
    let own = about.document.filter(|document| document.path == *found.path).map(|document| document.text.clone());
    let text = own.or_else(|| (about.read_file)(&found.path))?;
    let range = definition_range(found, name, &text, whole, room)?;
    let excerpt = Excerpt::new(&found.path, found.language, &text, range, &format!("defines {name}"), room);
    let fits = excerpt.omitted_lines == 0 && !excerpt.text.is_empty();
    (fits && !secrets::is_secret_path(&excerpt.path) && !secrets::contains_secret(&excerpt.text)).then_some(excerpt)
}

/// Where a definition stands in the text of its file, which may have changed since it was indexed.
fn definition_range(found: &Definition, name: &str, text: &str, whole: bool, room: usize) -> Option<Range<usize>> {
    let tree = syntax::parse(found.language, text, None)?;
    let items = syntax::items(&tree, text, 500);
    let item = items.iter().filter(|item| item.name == name).min_by_key(|it| it.range.start.abs_diff(found.offset))?;
    let fits = whole && item.range.len() <= room * 3 / 4;
    Some(if fits { item.range.clone() } else { signature_range(text, item) })
}

/// Words that could be names, in the order of the text.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| word.len() > 2 && !word.starts_with(|c: char| c.is_ascii_digit())).take(400)
}
