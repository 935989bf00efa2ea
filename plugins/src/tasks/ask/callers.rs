//! Excerpts of the callers of a name: the line of each use, and the signature of the item around it.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Tree;

use super::excerpt::{Excerpt, QuestionContext, overlaps_any, signature_range};
use crate::context::secrets;
use crate::symbol_index::{path_distance, share_symbols};
use crate::syntax::{self, Region, SyntaxItem};
use crate::{Document, Language};

/// Maximum number of uses that are shown.
const MAX_CALLERS: usize = 4;
/// Maximum number of files that are read for one name.
const MAX_FILES_PER_NAME: usize = 12;
/// Number of occurrences of a name that are examined in one file.
const MAX_MENTIONS_PER_FILE: usize = 50;
/// Distance below the start of its item up to which a use is shown in one excerpt with it.
const MAX_LINES_BELOW_SIGNATURE: usize = 6;

/// Maximum length of one excerpt.
const MAX_EXCERPT_BYTES: usize = 600;

/// A use of a name.
struct NameUse {
    /// Byte offset of the name.
    offset: usize,
    /// True for a call or macro invocation.
    is_call: bool,
    /// The innermost item around it.
    item: Option<SyntaxItem>,
}

/// Excerpts of the uses of these names, calls first, of at most `max_bytes` together. Uses in `found` are left out.
pub(super) fn callers(
    context: &QuestionContext<'_>,
    names: &[String],
    found: &[Excerpt],
    max_bytes: usize,
) -> Vec<Excerpt> {
    let mut all: Vec<Excerpt> = Vec::new();
    let mut bytes = 0;
    let mut use_count = 0;
    for name in names {
        for (path, text, tree) in files_using(context, name) {
            for name_use in find_uses(Language::from_path(&path), &tree, &text, name) {
                let excerpts = use_excerpts(&path, &text, name, &name_use);
                let size: usize = excerpts.iter().map(|it| it.text.len()).sum();
                let has_secret = excerpts.iter().any(|it| secrets::contains_secret(&it.text));
                let is_known = excerpts.iter().any(|it| overlaps_any(found, it) || overlaps_any(&all, it));
                let fits = use_count < MAX_CALLERS && bytes + size <= max_bytes;
                if !excerpts.is_empty() && fits && !has_secret && !is_known {
                    bytes += size;
                    use_count += 1;
                    all.extend(excerpts);
                }
            }
            if use_count == MAX_CALLERS {
                return all;
            }
        }
    }
    all
}

/// Path, text and tree of the files that mention a name: the document first, then the nearest ones.
fn files_using<'a>(
    context: &'a QuestionContext<'_>,
    name: &'a str,
) -> impl Iterator<Item = (String, Arc<str>, Tree)> + 'a {
    let own = context.document.map_or("", |document| &document.path);
    let language = context.document.map(|document| document.language);
    let mut others = context.symbols.files_mentioning(name);
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
        let text = (context.read_file)(&path)?;
        let tree = syntax::parse(Language::from_path(&path), &text, None)?;
        Some((path.to_string(), text, tree))
    };
    context.document.and_then(document).into_iter().chain(others.into_iter().take(MAX_FILES_PER_NAME).filter_map(other))
}

/// Uses of a name in the code of a text, one for each item around it, calls first. Imports and the definition of the
/// name do not count.
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

/// Returns true for an import below the top level.
fn is_nested_import(language: Language, text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let begins = text[line..].trim_start();
    match language {
        Language::Python => begins.starts_with("from ") || begins.starts_with("import "),
        Language::Rust => begins.starts_with("use ") || begins.starts_with("pub use "),
        _ => begins.starts_with("import ") || begins.starts_with("export {"),
    }
}

/// Byte offsets of a name as a whole word.
fn whole_word_matches<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let whole =
        move |at: &usize| !word(text[..*at].chars().next_back()) && !word(text[at + name.len()..].chars().next());
    text.match_indices(name).map(|(at, _)| at).filter(whole)
}

/// Excerpts of the item's signature and of the line of the use; one excerpt if they are near each other. Empty if they
/// do not fit.
fn use_excerpts(path: &str, text: &str, name: &str, name_use: &NameUse) -> Vec<Excerpt> {
    let verb = if name_use.is_call { "calls" } else { "uses" };
    let reason = format!("{verb} {name}");
    let excerpt = |range: Range<usize>, reason: &str| {
        Excerpt::new(path, Language::from_path(path), text, range, reason, MAX_EXCERPT_BYTES)
    };
    let line = excerpt(name_use.offset..name_use.offset + name.len(), &reason);
    let Some(item) = &name_use.item else { return only_if_whole(vec![line]) };
    let from_signature = excerpt(item.range.start..name_use.offset + name.len(), &reason);
    let distance = line.first_line - from_signature.first_line;
    if from_signature.omitted_lines == 0 && distance <= MAX_LINES_BELOW_SIGNATURE {
        return only_if_whole(vec![from_signature]);
    }
    let signature = excerpt(signature_range(text, item), &format!("{verb} {name} at line {}", line.first_line));
    // The use may be in the signature, as a type is.
    if signature.last_line >= line.first_line {
        only_if_whole(vec![signature])
    } else {
        only_if_whole(vec![signature, line])
    }
}

/// The excerpts if all of them are complete, otherwise none.
fn only_if_whole(excerpts: Vec<Excerpt>) -> Vec<Excerpt> {
    if excerpts.iter().all(|it| it.omitted_lines == 0 && !it.text.trim().is_empty()) { excerpts } else { Vec::new() }
}
