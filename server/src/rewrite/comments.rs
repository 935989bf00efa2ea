//! Translation of comments and docstrings into another natural language. Each paragraph is translated by itself and
//! checked; translations that would change code are left out.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use foretype_model::Model;
use foretype_plugins::comments::{NaturalLanguage, Paragraph, paragraphs};
use foretype_plugins::docstring::{Edit, same_code};
use foretype_plugins::{Document, syntax};

use super::{CodeWriter, apply_edits, ensure_follows_instructions, ensure_size};

/// Result of translating the comments of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TranslatedComments {
    /// Edits, which do not overlap, in the order of the text.
    pub(crate) edits: Vec<Edit>,
    /// Paragraphs that were not translated.
    pub(crate) unchanged: Vec<UnchangedComment>,
}

/// Paragraph that was not translated.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct UnchangedComment {
    /// First line, counted from 1.
    pub(crate) line: usize,
    /// Reason.
    pub(crate) why: String,
}

impl std::fmt::Display for UnchangedComment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the comment at line {} is unchanged: {}", self.line, self.why)
    }
}

/// Translates the comments of a part of a document, wrapped at `width` columns. `piece` is called with the index of the
/// next paragraph and the number of paragraphs.
///
/// # Errors
/// If there is nothing to translate, or the model fails.
pub(crate) fn translate_comments(
    writer: &mut CodeWriter<'_>,
    document: &Document,
    selection: Option<Range<usize>>,
    to: &NaturalLanguage,
    width: usize,
    piece: &dyn Fn(usize, usize),
) -> Result<TranslatedComments> {
    ensure_follows_instructions(writer.engine.model())?;
    let all = paragraphs_to_translate(document, selection, to)?;
    let mut answer = |paragraph: &Paragraph| writer.answer(&paragraph.question(to));
    translate_paragraphs(document, &all, to, width, piece, &mut answer)
}

/// Returns a warning about the model, if it is small for translation.
pub(crate) fn language_warning(model: &Model) -> Option<String> {
    let millions = model.decoder.config().parameter_count() / 1_000_000;
    // Below 300 million parameters, the general warning suffices.
    if !(300..3000).contains(&millions) {
        return None;
    }
    let name = &model.name;
    Some(format!("{name} is small for translation ({millions} million parameters): check its text before you keep it"))
}

/// Returns the paragraphs that are not in the target language yet.
fn paragraphs_to_translate(
    document: &Document,
    selection: Option<Range<usize>>,
    to: &NaturalLanguage,
) -> Result<Vec<Paragraph>> {
    let text = &*document.text;
    let range = selection.unwrap_or(0..text.len());
    ensure_size(range.len())?;
    let tree = document.tree.as_ref();
    let tree =
        tree.with_context(|| format!("cannot find comments in {} ({})", document.path, document.language.name()))?;
    let mut all = paragraphs(document.language, tree, text, &range);
    ensure!(!all.is_empty(), "there is no comment to translate");
    all.retain(|paragraph| paragraph.needs_translation(to));
    ensure!(!all.is_empty(), "all comments are already in {}", to.name);
    Ok(all)
}

fn translate_paragraphs(
    document: &Document,
    all: &[Paragraph],
    to: &NaturalLanguage,
    width: usize,
    piece: &dyn Fn(usize, usize),
    answer: &mut dyn FnMut(&Paragraph) -> Result<String>,
) -> Result<TranslatedComments> {
    let language = document.language;
    let mut left = Vec::new();
    let mut edits: Vec<(&Paragraph, Edit)> = Vec::new();
    for (number, paragraph) in all.iter().enumerate() {
        piece(number, all.len());
        let written = answer(paragraph)?;
        match paragraph.edit(language, to, width, paragraph.question(to).extract_code(&written).trim()) {
            Ok(edit) => edits.push((paragraph, edit)),
            Err(why) => left.push(UnchangedComment { line: paragraph.line, why: why.to_string() }),
        }
    }
    for paragraph in remove_code_changes(document, &mut edits) {
        left.push(UnchangedComment { line: paragraph.line, why: "the translation would change code".to_owned() });
    }
    left.sort_by_key(|it| it.line);
    Ok(TranslatedComments { edits: edits.into_iter().map(|(_, edit)| edit).collect(), unchanged: left })
}

/// Removes the edits of comments that would change code, and returns their paragraphs.
fn remove_code_changes<'a>(document: &Document, edits: &mut Vec<(&'a Paragraph, Edit)>) -> Vec<&'a Paragraph> {
    let plain = |edits: &[(&Paragraph, Edit)]| edits.iter().map(|(_, edit)| edit.clone()).collect::<Vec<_>>();
    if preserves_code(document, &plain(&*edits)) {
        return Vec::new();
    }
    let comments: BTreeSet<usize> = edits.iter().map(|(paragraph, _)| paragraph.comment).collect();
    let own = |comment: usize| {
        let own = edits.iter().filter(|(paragraph, _)| paragraph.comment == comment);
        own.map(|(_, edit)| edit.clone()).collect::<Vec<_>>()
    };
    let mut bad: BTreeSet<usize> =
        comments.iter().copied().filter(|comment| !preserves_code(document, &own(*comment))).collect();
    let good: Vec<Edit> =
        edits.iter().filter(|(it, _)| !bad.contains(&it.comment)).map(|(_, edit)| edit.clone()).collect();
    if !preserves_code(document, &good) {
        // Each edit is harmless by itself, but all of them together are not, so none is made.
        bad = comments;
    }
    let (taken, kept): (Vec<_>, Vec<_>) =
        std::mem::take(edits).into_iter().partition(|(it, _)| bad.contains(&it.comment));
    *edits = kept;
    taken.into_iter().map(|(paragraph, _)| paragraph).collect()
}

/// Returns true if the edits do not change the program.
fn preserves_code(document: &Document, edits: &[Edit]) -> bool {
    let (language, text) = (document.language, &*document.text);
    let after = apply_edits(text, edits);
    let Some(new) = syntax::parse(language, &after, None) else { return false };
    document.tree.as_ref().is_some_and(|old| same_code(language, (old, text), (&new, &after)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_builder;

    const SHOP: &str = "# The sum of all prices.\ndef total(items):\n    \"\"\"Adds the prices.\n\n    Args:\n        items: What is sold.\n    \"\"\"\n    return sum(items)  # fast enough\n";

    fn german() -> &'static NaturalLanguage {
        NaturalLanguage::from_name("German").expect("known")
    }

    fn document(text: &str) -> Document {
        request_builder::parse_document("shop.py".to_owned(), text.to_owned())
    }

    /// Returns the text after the edits and the lines that are unchanged, for a model that gives these answers.
    fn after(text: &str, answer: impl Fn(&str) -> String) -> (String, Vec<usize>) {
        let document = document(text);
        let all = paragraphs_to_translate(&document, None, german()).expect("comments");
        let mut answer = |it: &Paragraph| Ok(answer(&it.text));
        let done = translate_paragraphs(&document, &all, german(), 88, &|_, _| {}, &mut answer).expect("no error");
        (apply_edits(text, &done.edits), done.unchanged.iter().map(|it| it.line).collect())
    }

    #[test]
    fn comments_are_translated_and_code_stays() {
        let (after, left) = after(SHOP, |_| "Die Summe der Preise.\n```\nIch hoffe, das hilft.".to_owned());
        let expected = "# Die Summe der Preise.\ndef total(items):\n    \"\"\"Die Summe der Preise.\n\n    Args:\n        items: Die Summe der Preise.\n    \"\"\"\n    return sum(items)  # Die Summe der Preise.\n";
        assert_eq!((after.as_str(), left), (expected, vec![]));
    }

    #[test]
    fn invalid_translations_are_dropped_and_reported() {
        let answer = |text: &str| match text {
            "Adds the prices." => "Die \"\"\"Summe\"\"\" der Preise.".to_owned(),
            "fast enough" => String::new(),
            _ => "Die Summe.".to_owned(),
        };
        let (after, left) = after(SHOP, answer);
        assert_eq!(left, [3, 8]);
        assert!(after.starts_with("# Die Summe.\n") && after.contains("items: Die Summe.\n"), "{after}");
        assert!(after.contains("\"\"\"Adds the prices.\n") && after.ends_with("# fast enough\n"), "{after}");
    }

    #[test]
    fn only_translations_that_would_change_code_are_dropped() {
        let text = "# One of them.\nx = 1\n# The other one.\ny = 2\n";
        let document = document(text);
        let all = paragraphs_to_translate(&document, None, german()).expect("comments");
        let edit =
            |number: usize, text: &str| (&all[number], Edit { range: all[number].range.clone(), text: text.into() });
        let mut edits = vec![edit(0, "Eins\nz = 3"), edit(1, "Das andere")];
        let left: Vec<usize> = remove_code_changes(&document, &mut edits).iter().map(|it| it.line).collect();
        assert_eq!((left, edits.len()), (vec![1], 1));
        assert_eq!(edits[0].1.text, "Das andere");
    }

    #[test]
    fn a_document_without_comments_to_translate_is_an_error() {
        let refused =
            |text: &str| paragraphs_to_translate(&document(text), None, german()).expect_err("nothing").to_string();
        assert!(refused("x = 1\n").contains("no comment"));
        assert!(refused("# Die Summe der Preise ist hier.\n").contains("already in German"));
        let plain = request_builder::parse_document("a.txt".to_owned(), "x".to_owned());
        assert!(paragraphs_to_translate(&plain, None, german()).expect_err("nothing").to_string().contains("a.txt"));
    }
}
