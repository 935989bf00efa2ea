//! Reasons why an item cannot get a docstring.

use super::style::DocStyle;
use crate::Language;

/// Reason why an item cannot get a docstring. The message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocstringError {
    /// No docstring style is known for the language.
    #[error(
        "there is no docstring style for {0}: docstrings are supported in {names}",
        names = DocStyle::supported_languages()
    )]
    UnsupportedLanguage(&'static str),
    /// The line with this number, from 1, lies in nothing that can be documented.
    #[error(
        "there is no function, method, class or module at line {0}: \
         name a line of its signature or its body (line 1 for a module)"
    )]
    NoItem(usize),
    /// The item with this name has no docstring to update.
    #[error("there is no docstring{of} to update: write one first", of = of_item(.0))]
    NoDocstring(String),
    /// The item has a syntax error.
    #[error("the syntax{of} is broken at line {line}: fix it and try again", of = of_item(name))]
    SyntaxError {
        /// Name of the item; empty for a file.
        name: String,
        /// Line of the first error, from 1.
        line: usize,
    },
    /// Parsing the text took too long.
    #[error("the file could not be parsed in time: it may be too large")]
    ParseTimeout,
    /// Other code precedes the item with this name on its line.
    #[error("`{0}` does not begin its line: put it on a line of its own and try again")]
    SharedLine(String),
    /// The style does not exist for the language of the item.
    #[error(
        "{style} is not a docstring style for {language}: use {styles}",
        styles = DocStyle::joined_names(DocStyle::for_language(*language)),
        language = language.lsp_id()
    )]
    UnsupportedStyle {
        /// Requested style.
        style: DocStyle,
        /// Language of the item.
        language: Language,
    },
}

fn of_item(name: &str) -> String {
    if name.is_empty() { " of the file".to_owned() } else { format!(" of `{name}`") }
}
