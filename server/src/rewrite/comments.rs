//! Comments and docstrings in another natural language: each paragraph is asked for by itself, what comes back is looked at, and
//! what would change code is left out.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use foretype_model::Model;
use foretype_plugins::comments::{Paragraph, Tongue, paragraphs};
use foretype_plugins::docstring::{Edit, same_code};
use foretype_plugins::{Document, syntax};

use super::{Writer, applied, not_too_long, ready};

/// What came of the comments of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comments {
    /// The changes, which do not touch each other, in the order of the text.
    pub edits: Vec<Edit>,
    /// Paragraphs that stay as they are.
    pub left: Vec<Left>,
}

/// A paragraph that was asked for and stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Left {
    /// Its line, from 1.
    pub line: usize,
    /// Why it stays.
    pub why: String,
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the comment at line {} stays: {}", self.line, self.why)
    }
}

/// Translates the comments of a part of a document, in lines of `width` columns. `piece` is told how many paragraphs there are and
/// which one is next.
///
/// # Errors
/// If there is nothing to translate, or the model cannot write.
pub fn comments(
    writer: &mut Writer<'_>,
    document: &Document,
    selection: Option<Range<usize>>,
    to: &Tongue,
    width: usize,
    piece: &dyn Fn(usize, usize),
) -> Result<Comments> {
    ready(writer.engine.model())?;
    let all = wanted(document, selection, to)?;
    let mut answer = |paragraph: &Paragraph| writer.answer(&paragraph.question(to));
    translated(document, &all, to, width, piece, &mut answer)
}

/// What the user ought to know of the model before.
pub fn doubt(model: &Model) -> Option<String> {
    let millions = model.decoder.config().parameters() / 1_000_000;
    let small = (300..3000).contains(&millions);
    small.then(|| {
        let name = &model.name;
        format!("{name} is small for languages ({millions} million parameters): read what it wrote before you keep it")
    })
}

/// The paragraphs that are not in the language yet.
fn wanted(document: &Document, selection: Option<Range<usize>>, to: &Tongue) -> Result<Vec<Paragraph>> {
    let text = &*document.text;
    let range = selection.unwrap_or(0..text.len());
    not_too_long(range.len())?;
    let tree = document.tree.as_ref();
    let tree =
        tree.with_context(|| format!("no comments are known in {} ({})", document.path, document.language.name()))?;
    let mut all = paragraphs(document.language, tree, text, &range);
    ensure!(!all.is_empty(), "there is no comment with words to translate");
    all.retain(|paragraph| paragraph.is_wanted(to));
    ensure!(!all.is_empty(), "all comments are in {} already", to.name);
    Ok(all)
}

fn translated(
    document: &Document,
    all: &[Paragraph],
    to: &Tongue,
    width: usize,
    piece: &dyn Fn(usize, usize),
    answer: &mut dyn FnMut(&Paragraph) -> Result<String>,
) -> Result<Comments> {
    let (language, text) = (document.language, &*document.text);
    let mut left = Vec::new();
    let mut edits: Vec<(&Paragraph, Edit)> = Vec::new();
    for (number, paragraph) in all.iter().enumerate() {
        piece(number, all.len());
        let written = answer(paragraph)?;
        match paragraph.edit(language, text, to, width, paragraph.question(to).code(&written).trim()) {
            Ok(edit) => edits.push((paragraph, edit)),
            Err(why) => left.push(Left { line: paragraph.line, why: why.to_string() }),
        }
    }
    for paragraph in without_changes_of_code(document, &mut edits) {
        left.push(Left { line: paragraph.line, why: "the translation would change code".to_owned() });
    }
    left.sort_by_key(|it| it.line);
    Ok(Comments { edits: edits.into_iter().map(|(_, edit)| edit).collect(), left })
}

/// Takes out the comments whose edits would change code, and gives their paragraphs back.
fn without_changes_of_code<'a>(document: &Document, edits: &mut Vec<(&'a Paragraph, Edit)>) -> Vec<&'a Paragraph> {
    let plain = |edits: &[(&Paragraph, Edit)]| edits.iter().map(|(_, edit)| edit.clone()).collect::<Vec<_>>();
    if leaves_code(document, &plain(&*edits)) {
        return Vec::new();
    }
    let comments: BTreeSet<usize> = edits.iter().map(|(paragraph, _)| paragraph.comment).collect();
    let own = |comment: usize| {
        let own = edits.iter().filter(|(paragraph, _)| paragraph.comment == comment);
        own.map(|(_, edit)| edit.clone()).collect::<Vec<_>>()
    };
    let mut bad: BTreeSet<usize> =
        comments.iter().copied().filter(|comment| !leaves_code(document, &own(*comment))).collect();
    let good: Vec<Edit> =
        edits.iter().filter(|(it, _)| !bad.contains(&it.comment)).map(|(_, edit)| edit.clone()).collect();
    if !leaves_code(document, &good) {
        // Each is harmless alone and all together are not: none is made.
        bad = comments;
    }
    let (taken, kept): (Vec<_>, Vec<_>) =
        std::mem::take(edits).into_iter().partition(|(it, _)| bad.contains(&it.comment));
    *edits = kept;
    taken.into_iter().map(|(paragraph, _)| paragraph).collect()
}

/// Whether a document with these edits is the same program.
fn leaves_code(document: &Document, edits: &[Edit]) -> bool {
    let (language, text) = (document.language, &*document.text);
    let after = applied(text, edits);
    let Some(new) = syntax::parse(language, &after, None) else { return false };
    document.tree.as_ref().is_some_and(|old| same_code(language, (old, text), (&new, &after)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::completion;

    const SHOP: &str = "# The sum of all prices.\ndef total(items):\n    \"\"\"Adds the prices.\n\n    Args:\n        items: What is sold.\n    \"\"\"\n    return sum(items)  # fast enough\n";

    fn german() -> &'static Tongue {
        Tongue::named("German").expect("known")
    }

    fn document(text: &str) -> Document {
        completion::document("shop.py".to_owned(), text.to_owned())
    }

    /// The text afterwards and the lines that stay, where a model answers as told.
    fn after(text: &str, answer: impl Fn(&str) -> String) -> (String, Vec<usize>) {
        let document = document(text);
        let all = wanted(&document, None, german()).expect("comments");
        let mut answer = |it: &Paragraph| Ok(answer(&it.text));
        let done = translated(&document, &all, german(), 88, &|_, _| {}, &mut answer).expect("no error");
        (applied(text, &done.edits), done.left.iter().map(|it| it.line).collect())
    }

    #[test]
    fn comments_are_translated_and_code_stays() {
        let (after, left) = after(SHOP, |_| "Die Summe der Preise.\n```\nIch hoffe, das hilft.".to_owned());
        let expected = "# Die Summe der Preise.\ndef total(items):\n    \"\"\"Die Summe der Preise.\n\n    Args:\n        items: Die Summe der Preise.\n    \"\"\"\n    return sum(items)  # Die Summe der Preise.\n";
        assert_eq!((after.as_str(), left), (expected, vec![]));
    }

    #[test]
    fn what_is_no_translation_stays_and_is_named() {
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
    fn a_comment_that_would_change_code_stays_and_the_others_do_not() {
        let text = "# One of them.\nx = 1\n# The other one.\ny = 2\n";
        let document = document(text);
        let all = wanted(&document, None, german()).expect("comments");
        let edit =
            |number: usize, text: &str| (&all[number], Edit { range: all[number].range.clone(), text: text.into() });
        let mut edits = vec![edit(0, "Eins\nz = 3"), edit(1, "Das andere")];
        let left: Vec<usize> = without_changes_of_code(&document, &mut edits).iter().map(|it| it.line).collect();
        assert_eq!((left, edits.len()), (vec![1], 1));
        assert_eq!(edits[0].1.text, "Das andere");
    }

    #[test]
    fn where_nothing_is_to_be_done_it_is_said() {
        let refused = |text: &str| wanted(&document(text), None, german()).expect_err("nothing").to_string();
        assert!(refused("x = 1\n").contains("no comment"));
        assert!(refused("# Die Summe der Preise ist hier.\n").contains("in German already"));
        let plain = completion::document("a.txt".to_owned(), "x".to_owned());
        assert!(wanted(&plain, None, german()).expect_err("nothing").to_string().contains("a.txt"));
    }
}
