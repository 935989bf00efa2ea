//! Checks on a model's translation of a paragraph.

use super::natural_language::NaturalLanguage;
use super::verbatim::{verbatim_ranges, without_verbatim};
use crate::Language;

/// Characters that a translation may have for each one of its source.
const MAX_GROWTH_FACTOR: usize = 4;
/// Characters that a translation may have beyond that, for very short sources.
const EXTRA_CHARACTERS: usize = 60;

/// Reason why a model's answer is not accepted as the translation of a paragraph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslationError {
    /// The answer has no letters.
    #[error("the model wrote nothing")]
    Empty,
    /// The answer is the source text.
    #[error("the model repeated the text")]
    Unchanged,
    /// The answer is not in the script of the language with this name.
    #[error("the model did not write {0}")]
    WrongLanguage(&'static str),
    /// The answer lacks a piece of text that must be kept.
    #[error("the model left out {0}")]
    MissingName(String),
    /// The answer has a mark that would end the comment or begin another.
    #[error("the model wrote {0}, which has a meaning in the programming language")]
    UnsafeMark(String),
    /// The answer is much longer than the source text.
    #[error("the model wrote much more than it was given")]
    TooLong,
}

/// Returns a model's answer on one line if it can replace `source`.
///
/// # Errors
/// If the answer is empty, unchanged, too long or in another script, lacks a piece that must be kept, or has a mark
/// with a meaning in the programming language.
pub(super) fn checked_answer(
    language: Language,
    source: &str,
    to: &NaturalLanguage,
    answer: &str,
) -> Result<String, TranslationError> {
    let joined = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    let translation = without_quotes(source, &joined);
    if !translation.chars().any(char::is_alphabetic) {
        return Err(TranslationError::Empty);
    }
    if translation == source {
        return Err(TranslationError::Unchanged);
    }
    if translation.chars().count() > MAX_GROWTH_FACTOR * source.chars().count() + EXTRA_CHARACTERS {
        return Err(TranslationError::TooLong);
    }
    if let Some(missing) =
        verbatim_ranges(source).into_iter().map(|range| &source[range]).find(|piece| !translation.contains(piece))
    {
        return Err(TranslationError::MissingName(missing.to_owned()));
    }
    let marks = ["*/", "/*", "\"\"\"", "'''", "-->", "]]", "=end", "?>", "</script"];
    let escapes = if language == Language::Python { &["\\"][..] } else { &[] };
    let is_new = |mark: &&&str| translation.contains(**mark) && !source.contains(**mark);
    if let Some(mark) = marks.iter().chain(escapes).find(is_new) {
        return Err(TranslationError::UnsafeMark((*mark).to_owned()));
    }
    // A quote at the end would join the closing quotes of a docstring.
    if language == Language::Python && translation.ends_with('"') {
        return Err(TranslationError::UnsafeMark("\"".to_owned()));
    }
    if !to.is_script_of(&without_verbatim(translation)) {
        return Err(TranslationError::WrongLanguage(to.name));
    }
    Ok(translation.to_owned())
}

/// Removes quotes that the model has put around its answer.
fn without_quotes<'a>(source: &str, answer: &'a str) -> &'a str {
    const QUOTES: &[(char, char)] = &[('"', '"'), ('\'', '\''), ('“', '”'), ('„', '“'), ('«', '»'), ('「', '」')];
    for (open, close) in QUOTES {
        let inner = answer.strip_prefix(*open).and_then(|rest| rest.strip_suffix(*close));
        if let Some(inner) = inner
            && !source.starts_with(*open)
            && !inner.contains(*open)
        {
            return inner;
        }
    }
    answer
}
