//! Translation of comments and docstrings into another natural language: the prose is found, a model is asked for each
//! paragraph, and its answer is checked and put back.
//!
//! Everything else stays as it is: comment marks, indentation, directives to tools, names in tags, code, rulers.
//! Paragraphs are independent, so one that cannot be translated does not affect the others.

mod answer;
mod classify;
mod find;
mod natural_language;
mod paragraph;
mod verbatim;

pub use answer::TranslationError;
pub use natural_language::{NaturalLanguage, UnknownNaturalLanguage};
pub use paragraph::{Paragraph, paragraphs};

#[cfg(test)]
mod tests;
