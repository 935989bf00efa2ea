//! The prose of comments and docstrings, to be put into another natural language: where it is, which question is asked about
//! it, and how the answer is put back.
//!
//! What is no prose stays as it is: marks, indentation, directives to tools, names in tags, code, rules. A paragraph is a piece
//! of text of its own, so one that cannot be translated leaves the others alone.

mod classify;
mod find;
mod natural_language;
mod paragraph;
mod wrap;

use std::ops::Range;

use tree_sitter::Tree;

use crate::Language;
use crate::docstring::Edit;
use crate::tasks::code::{self, CodePrompt};

pub use natural_language::{NaturalLanguage, UnknownNaturalLanguage};
pub use paragraph::TranslationError;

/// Prose in a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// Which comment of the file it is in: those in one are kept or left together.
    pub comment: usize,
    /// Its line, from 1.
    pub line: usize,
    /// From its first to its last letter. The marks of further lines are in it.
    pub range: Range<usize>,
    /// It in one line.
    pub text: String,
    /// What further lines begin with; `None` where there may be none.
    continuation_prefix: Option<String>,
    /// Columns left of the bullet or tag before it, if there is one.
    marker_column: Option<usize>,
    /// Columns left of its first letter.
    start_column: usize,
    /// Columns of its longest line.
    max_width: usize,
}

/// The prose of the comments that `range` touches, in the order of the text.
pub fn paragraphs(language: Language, tree: &Tree, text: &str, range: &Range<usize>) -> Vec<Paragraph> {
    let mut all = Vec::new();
    for (number, comment) in find::find_comments(language, tree, text).into_iter().enumerate() {
        all.extend(paragraph::paragraphs(language, text, number, &comment));
    }
    all.retain(|it: &Paragraph| it.range.start <= range.end && range.start <= it.range.end);
    all
}

impl Paragraph {
    /// Whether it is not in the language yet, as far as its letters and words tell.
    pub fn needs_translation(&self, to: &NaturalLanguage) -> bool {
        !to.is_language_of(&paragraph::without_verbatim(&self.text))
    }

    /// What a model is asked.
    pub fn question(&self, to: &NaturalLanguage) -> CodePrompt {
        let system = "You translate comments of programs. Keep names and what stands in backticks as they are. Give only \
                      the translation.";
        let block = code::fenced(Language::PlainText, &self.text);
        let question = format!("{block}\n\nTranslate this text into {}.", to.prompt_name());
        CodePrompt::new(Language::PlainText, system, question, &self.text, "")
    }

    /// The change that puts an answer in its place, in lines of at most `width` columns, or as many as it has now.
    ///
    /// # Errors
    /// If the answer is no translation of it.
    pub fn edit(
        &self,
        language: Language,
        text: &str,
        to: &NaturalLanguage,
        width: usize,
        answer: &str,
    ) -> Result<Edit, TranslationError> {
        let prose = paragraph::checked_answer(language, &self.text, to, answer)?;
        let lines = match &self.continuation_prefix {
            Some(next) => wrap::wrap(&prose, self.start_column, wrap::display_width(next), width.max(self.max_width)),
            None => vec![prose],
        };
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let next = self.continuation_prefix.as_deref().unwrap_or_default();
        Ok(Edit { range: self.range.clone(), text: lines.join(&format!("{end}{next}")) })
    }
}

#[cfg(test)]
mod tests;
