//! Docstrings: what the syntax says about an item, the frame of its docstring, and the prose that a model writes into it.
//!
//! The frame (sections, names, indentation, marks of comments) is generated from the syntax tree, so it is right and complete
//! whatever the model is. A model only writes prose into the holes of the frame, one after the other, and what it writes is
//! cleaned. `check` then says whether nothing but comments has changed.

mod body;
mod body_docstring;
mod doc_template;
mod find;
mod item;
mod leading_comment;
mod parameters;
mod prompt;
mod prose;
mod same_code;
mod sections;
mod style;
mod update;

use std::ops::Range;

use tree_sitter::Tree;

use crate::Language;

pub use doc_template::{DocTemplate, Field};
pub use find::{item_at, items};
pub use item::{DocItem, DocstringPosition, ItemKind, Parameter, Returns};
pub use prompt::{DocPromptContext, FIELD_STOPS, SUMMARY_STOPS, prompt, summary_prompt};
pub use prose::is_summary_complete;
pub use same_code::same_code;
pub use style::DocStyle;

/// A replacement of a piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced, in bytes.
    pub range: Range<usize>,
    /// What stands there afterwards.
    pub text: String,
}

impl Edit {
    /// The text with the replacement made. The range must lie on character borders of `text`.
    pub fn apply(&self, text: &str) -> String {
        [&text[..self.range.start], &self.text, &text[self.range.end..]].concat()
    }
}

/// Why an item gets no docstring; the message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocstringError {
    /// No docstring style is known for the language.
    #[error("there is no docstring style for {0}: docstrings are written in {names}", names = DocStyle::supported_languages())]
    UnsupportedLanguage(&'static str),
    /// Nothing that can be documented lies there.
    #[error(
        "there is no function, method, class or module at line {0}: name a line of its signature or its body (line 1 for a module)"
    )]
    NoItem(usize),
    /// The item has no docstring that could be brought up to date.
    #[error("there is no docstring{of} to update: have one written first", of = of(.0))]
    NoDocstring(String),
    /// The item has syntax errors.
    #[error("the syntax{of} is broken at line {line}: mend it, then ask again", of = of(name))]
    SyntaxError {
        /// The name of the item; empty for a module that is a file.
        name: String,
        /// The line of the first error, from 1.
        line: usize,
    },
    /// The text could not be parsed at all.
    #[error("the file could not be parsed in time: it may be too large")]
    ParseTimeout,
    /// Code stands before the item on its line.
    #[error("`{0}` does not begin its line: put it on a line of its own, then ask again")]
    SharedLine(String),
    /// The language of the item does not have the style.
    #[error("{style} is no docstring style for {language}: use {styles}", styles = DocStyle::joined_names(DocStyle::for_language(*language)), language = language.lsp_id())]
    UnsupportedStyle {
        /// The style that was asked for.
        style: DocStyle,
        /// The language that it was asked for.
        language: Language,
    },
}

fn of(name: &str) -> String {
    if name.is_empty() { " of the file".to_owned() } else { format!(" of `{name}`") }
}

/// What is wanted of docstrings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DocstringMode {
    /// New ones, in place of those that are there.
    #[default]
    Write,
    /// Those that are there, up to date: what the signature still says stays as it is written, what it no longer says goes, and what is
    /// new is written.
    Update,
}

impl DocstringMode {
    /// Of a question whether what is there is to be brought up to date.
    pub fn from_update_flag(update: bool) -> Self {
        if update { Self::Update } else { Self::Write }
    }

    /// Whether an item gets one where all of a text do: one that has none, or one that has some.
    pub fn selects(self, item: &DocItem) -> bool {
        match self {
            Self::Write => item.needs_docstring(),
            Self::Update => {
                item.kind == ItemKind::Function
                    && item.existing.is_some()
                    && item.error_line.is_none()
                    && item.position != DocstringPosition::SharedLine
            }
        }
    }
}

/// What is to be written for one item.
#[derive(Debug, Clone)]
pub struct DocTask {
    /// What is documented.
    pub item: DocItem,
    /// The docstring with holes.
    pub template: DocTemplate,
}

impl DocTask {
    /// The task for an item in this style, lines at most `width` characters wide.
    ///
    /// # Errors
    /// If the item is not one that can be documented safely.
    pub fn new(
        item: DocItem,
        language: Language,
        style: DocStyle,
        text: &str,
        width: usize,
    ) -> Result<Self, DocstringError> {
        if !DocStyle::for_language(language).contains(&style) {
            return Err(DocstringError::UnsupportedStyle { style, language });
        }
        if let Some(line) = item.error_line {
            return Err(DocstringError::SyntaxError { name: item.name, line });
        }
        if item.position == DocstringPosition::SharedLine {
            return Err(DocstringError::SharedLine(item.name));
        }
        let frame = DocTemplate::new(&item, language, style, text, width);
        Ok(Self { item, template: frame })
    }

    /// The task for what is wanted of an item's docstring; nothing where there is nothing to update. Of many, one that names no part
    /// at all is left alone.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if there is no docstring to update.
    pub fn for_mode(
        (wanted, of_many): (DocstringMode, bool),
        item: DocItem,
        language: Language,
        style: DocStyle,
        text: &str,
        width: usize,
    ) -> Result<Option<Self>, DocstringError> {
        match wanted {
            DocstringMode::Write => Self::new(item, language, style, text, width).map(Some),
            DocstringMode::Update if item.existing.is_none() => Err(DocstringError::NoDocstring(item.name)),
            DocstringMode::Update => Self::update(item, language, style, text, width, of_many),
        }
    }

    /// The task that brings the docstring of a function up to date. Nothing where nothing is to be done, where there is no docstring, and
    /// for a class or a module: what its docstring tells of is written in other places than its head.
    /// The style is that of the docstring where it shows one.
    ///
    /// A docstring that names no part at all may be meant so: with `only_parts` it is left alone.
    ///
    /// # Errors
    /// If the item is not one that can be documented safely.
    pub fn update(
        item: DocItem,
        language: Language,
        style: DocStyle,
        text: &str,
        width: usize,
        only_parts: bool,
    ) -> Result<Option<Self>, DocstringError> {
        let existing = item.existing.clone().and_then(|range| text.get(range));
        let Some(existing) = existing.filter(|_| item.kind == ItemKind::Function) else { return Ok(None) };
        let style = DocStyle::dominant(language, existing).unwrap_or(style);
        let Self { item, template: frame } = Self::new(item, language, style, text, width)?;
        Ok(frame.updated(&item, existing, only_parts).map(|frame| Self { item, template: frame }))
    }

    /// The replacement that puts the docstring with this prose into `text`; holes without prose get plain words.
    pub fn edit(&self, text: &str, prose: &[String]) -> Edit {
        let mut all = prose.to_vec();
        all.extend(self.template.fields().skip(prose.len()).map(|about| prose::fallback_prose(about, &self.item)));
        let written = self.template.render(&all);
        self.item.position.edit(text, &written, self.item.existing.as_ref())
    }

    /// Words made of names alone, for a hole that no model has filled.
    pub fn fallback_prose(&self, about: &Field) -> String {
        prose::fallback_prose(about, &self.item)
    }

    /// What of a model's answer goes into hole number `hole`.
    pub fn clean(&self, hole: usize, answer: &str) -> String {
        let about = self.template.fields().nth(hole);
        about.map(|about| prose::clean(about, &self.item, &self.template, answer)).unwrap_or_default()
    }
}

/// The item at a line that counts from 0.
///
/// # Errors
/// Says why there is none.
pub fn find_item(language: Language, tree: Option<&Tree>, text: &str, line: usize) -> Result<DocItem, DocstringError> {
    if DocStyle::for_language(language).is_empty() {
        return Err(DocstringError::UnsupportedLanguage(language.lsp_id()));
    }
    item_at(language, tree.ok_or(DocstringError::ParseTimeout)?, text, line).ok_or(DocstringError::NoItem(line + 1))
}

#[cfg(test)]
mod tests;
