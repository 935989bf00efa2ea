//! Choice of the excerpts for a question: the code that it is about, the signatures around that, definitions and
//! callers of the names involved, and search hits for its words.

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

/// Maximum number of definitions from elsewhere.
const MAX_DEFINITIONS: usize = 6;
/// Number of definitions above which a name is too common to be shown.
const MAX_DEFINITIONS_PER_NAME: usize = 4;
/// Number of words of a text that are looked up as names.
const MAX_IDENTIFIERS: usize = 400;
/// Number of items of a file that are searched for a definition.
const MAX_ITEMS: usize = 500;
/// Maximum number of search hits.
const MAX_SEARCH_EXCERPTS: usize = 5;
/// Share of the best score below which a hit has little to do with the question.
const MIN_SCORE_SHARE: f32 = 0.45;

/// Excerpts for a question, the most important first.
pub fn excerpts(context: &QuestionContext<'_>) -> Vec<Excerpt> {
    let mut found = context.document.map(|document| selection_excerpts(context, document)).unwrap_or_default();
    let code: String = found.iter().map(|excerpt| format!("{}\n", excerpt.text)).collect();
    let mut names: Vec<String> = selected_item_name(context).into_iter().collect();
    add_definitions(context, &code, &mut found, &mut names);
    // The other half is left for search hits.
    let max_bytes = remaining_bytes(context, &found) / 2;
    let callers = callers(context, &names, &found, max_bytes);
    found.extend(callers);
    add_search_hits(context, &code, &mut found);
    found
}

/// Bytes that these excerpts leave of the budget.
fn remaining_bytes(context: &QuestionContext<'_>, found: &[Excerpt]) -> usize {
    context.max_bytes.saturating_sub(found.iter().map(|it| it.text.len()).sum())
}

/// Name of the innermost item at the selection.
fn selected_item_name(context: &QuestionContext<'_>) -> Option<String> {
    let (document, selection) = (context.document?, context.selection.as_ref()?);
    let items = syntax::enclosing_items(document.tree.as_ref()?, &document.text, selection.start + 1);
    items.last().map(|item| item.name.clone())
}

/// Adds definitions of the names in the question, which also go to `names`, and of the names in the code.
fn add_definitions(context: &QuestionContext<'_>, code: &str, found: &mut Vec<Excerpt>, names: &mut Vec<String>) {
    let mut seen: HashSet<String> = HashSet::new();
    let mut count = 0;
    let in_question = identifiers(words_after_intent(context.question)).map(|name| (name, true));
    let in_code = identifiers(code).map(|name| (name, false));
    for (name, is_in_question) in in_question.chain(in_code) {
        if count == MAX_DEFINITIONS || !seen.insert(name.to_owned()) {
            continue;
        }
        let max_bytes = remaining_bytes(context, found);
        let Some(excerpt) = definition_excerpt(context, name, is_in_question, max_bytes) else { continue };
        if is_in_question && !names.iter().any(|it| it == name) {
            names.push(name.to_owned());
        }
        if !overlaps_any(found, &excerpt) {
            found.push(excerpt);
            count += 1;
        }
    }
}

/// Adds search hits for the words of the question, as far as they fit.
fn add_search_hits(context: &QuestionContext<'_>, code: &str, found: &mut Vec<Excerpt>) {
    let terms = search_terms(context.question, code);
    if terms.is_empty() {
        return;
    }
    let hits = (context.search)(&terms);
    let best_score = hits.first().map(|hit| hit.score).unwrap_or_default();
    let relevant = hits.into_iter().filter(|hit| hit.score >= best_score * MIN_SCORE_SHARE);
    for hit in relevant.take(MAX_SEARCH_EXCERPTS) {
        let reason = format!("found by {}", matched_terms(&terms, &hit.text[hit.range.clone()]));
        let language = Language::from_path(&hit.path);
        let excerpt =
            Excerpt::new(&hit.path, language, &hit.text, hit.range.clone(), &reason, remaining_bytes(context, found));
        // The rest of a hit was not asked for.
        let excerpt = Excerpt { omitted_lines: 0, ..excerpt };
        let secret = secrets::is_secret_path(&excerpt.path) || secrets::contains_secret(&excerpt.text);
        if !secret && !excerpt.text.trim().is_empty() && !overlaps_any(found, &excerpt) {
            found.push(excerpt);
        }
    }
}

/// Names the terms that a text contains, the most important ones.
fn matched_terms(terms: &[SearchTerm], text: &str) -> String {
    const MAX_TERMS: usize = 4;
    let words: HashSet<String> = words(text).map(|word| word.text).collect();
    let shared = terms.iter().map(|term| &*term.text).filter(|term| words.contains(*term));
    let shared: Vec<_> = shared.take(MAX_TERMS).collect();
    if shared.is_empty() { "its name".to_owned() } else { shared.join(", ") }
}

/// The code that the question is about, and the signatures of the items around it.
fn selection_excerpts(context: &QuestionContext<'_>, document: &Document) -> Vec<Excerpt> {
    let text = &*document.text;
    let max_bytes = context.max_bytes * 2 / 3;
    let excerpt = |range, reason: &str, max_bytes| {
        Excerpt::new(&document.path, document.language, text, range, reason, max_bytes)
    };
    let Some(selection) = context.selection.clone() else {
        return vec![excerpt(0..text.len(), "the file", max_bytes)];
    };
    let items =
        document.tree.as_ref().map(|tree| syntax::enclosing_items(tree, text, selection.start + 1)).unwrap_or_default();
    let encloses = |item: &&SyntaxItem| item.range.start <= selection.start && selection.end <= item.range.end;
    let innermost = items.iter().rev().find(encloses).filter(|item| item.range.len() <= max_bytes);
    let range = innermost.map_or(selection.clone(), |item| item.range.clone());
    let mut main = excerpt(range, "what is asked about", max_bytes);
    main.reason = selection_reason(document, &selection, &main);
    let mut signatures = Vec::new();
    for item in &items {
        let encloses = item.range.start < selection.start && item.range.end >= selection.end;
        if !encloses || innermost.is_some_and(|innermost| innermost.range == item.range) {
            continue;
        }
        let signature = excerpt(signature_range(text, item), "around it", max_bytes / 8);
        if !signature.text.is_empty() && signature.first_line < main.first_line {
            signatures.push(signature);
        }
    }
    std::iter::once(main).chain(signatures).collect()
}

/// Reason of the main excerpt, which names the selected lines if they are only a part of it.
fn selection_reason(document: &Document, selection: &Range<usize>, main: &Excerpt) -> String {
    let exact = Excerpt::new(&document.path, document.language, &document.text, selection.clone(), "", usize::MAX);
    let shows_more = exact.first_line > main.first_line || exact.last_line < main.last_line;
    if selection.is_empty() || !shows_more || main.omitted_lines > 0 {
        main.reason.clone()
    } else if exact.first_line == exact.last_line {
        format!("the question is about line {}", exact.first_line)
    } else {
        format!("the question is about lines {} to {}", exact.first_line, exact.last_line)
    }
}

/// Definition of a name: all of it if `with_body` is set and it fits, otherwise its signature.
fn definition_excerpt(context: &QuestionContext<'_>, name: &str, with_body: bool, max_bytes: usize) -> Option<Excerpt> {
    let mut all = context.symbols.definitions(name);
    let language = context.document.map(|document| document.language);
    all.retain(|it| language.is_none_or(|language| share_symbols(it.language, language)));
    if all.len() > MAX_DEFINITIONS_PER_NAME {
        return None;
    }
    let found = all.first()?;
    let own = context.document.filter(|document| document.path == *found.path).map(|document| document.text.clone());
    let text = own.or_else(|| (context.read_file)(&found.path))?;
    let range = definition_range(found, name, &text, with_body, max_bytes)?;
    let excerpt = Excerpt::new(&found.path, found.language, &text, range, &format!("defines {name}"), max_bytes);
    let is_whole = excerpt.omitted_lines == 0 && !excerpt.text.is_empty();
    let is_secret = secrets::is_secret_path(&excerpt.path) || secrets::contains_secret(&excerpt.text);
    if is_whole && !is_secret { Some(excerpt) } else { None }
}

/// Byte range of a definition in the present text of its file, which may have changed since it was indexed.
fn definition_range(
    found: &Definition,
    name: &str,
    text: &str,
    with_body: bool,
    max_bytes: usize,
) -> Option<Range<usize>> {
    let tree = syntax::parse(found.language, text, None)?;
    let items = syntax::items(&tree, text, MAX_ITEMS);
    let item = items.iter().filter(|item| item.name == name).min_by_key(|it| it.range.start.abs_diff(found.offset))?;
    let fits = item.range.len() <= max_bytes * 3 / 4;
    Some(if with_body && fits { item.range.clone() } else { signature_range(text, item) })
}

/// Words that could be names, in the order of the text, at most [`MAX_IDENTIFIERS`].
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| word.len() > 2 && !word.starts_with(|c: char| c.is_ascii_digit())).take(MAX_IDENTIFIERS)
}
