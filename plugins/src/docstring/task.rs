//! Docstring tasks: which items get a docstring, and the edit that inserts or updates it.

use super::doc_template::DocTemplate;
use super::edit::Edit;
use super::error::DocstringError;
use super::field::Field;
use super::item::{DocItem, DocstringPosition, ItemKind};
use super::prose;
use super::style::DocStyle;
use crate::Language;

/// Choice between new docstrings and updates of existing ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DocstringMode {
    /// Write new docstrings, in place of existing ones.
    #[default]
    Write,
    /// Update existing docstrings: entries that match the signature stay as they are, entries of removed fields are
    /// deleted, and new ones are inserted.
    Update,
}

impl DocstringMode {
    /// Returns [`Update`](Self::Update) if `update` is set.
    pub fn from_update_flag(update: bool) -> Self {
        if update { Self::Update } else { Self::Write }
    }

    /// Returns true if `item` is among the items that a request for a whole text documents.
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

/// Docstring that is to be written for one item.
#[derive(Debug, Clone)]
pub struct DocTask {
    /// Documented item.
    pub item: DocItem,
    /// Docstring with a field for each piece of prose.
    pub template: DocTemplate,
}

impl DocTask {
    /// Returns the task of writing a new docstring in `style`, in lines of at most `width` characters.
    ///
    /// # Errors
    /// If the item has a syntax error or shares its line with other code, or the language does not have the style.
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
        let template = DocTemplate::new(&item, language, style, text, width);
        Ok(Self { item, template })
    }

    /// Returns the task for an item in this mode; `None` if there is nothing to update. With `only_documented_fields`,
    /// an update skips docstrings without any entry for a field.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if there is no docstring to update.
    pub fn for_mode(
        (mode, only_documented_fields): (DocstringMode, bool),
        item: DocItem,
        language: Language,
        style: DocStyle,
        text: &str,
        width: usize,
    ) -> Result<Option<Self>, DocstringError> {
        match mode {
            DocstringMode::Write => Self::new(item, language, style, text, width).map(Some),
            DocstringMode::Update if item.existing.is_none() => Err(DocstringError::NoDocstring(item.name)),
            DocstringMode::Update => Self::update(item, language, style, text, width, only_documented_fields),
        }
    }

    /// Returns the task of updating the docstring of a function, in the docstring's own style if that can be
    /// recognized. `None` if it is up to date or missing, and for classes and modules, whose docstrings describe more
    /// than their heads.
    ///
    /// A docstring without any entry for a field may be meant so. With `only_documented_fields` it is left alone.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn update(
        item: DocItem,
        language: Language,
        style: DocStyle,
        text: &str,
        width: usize,
        only_documented_fields: bool,
    ) -> Result<Option<Self>, DocstringError> {
        if item.kind != ItemKind::Function {
            return Ok(None);
        }
        let Some(existing) = item.existing.clone().and_then(|range| text.get(range)) else { return Ok(None) };
        let style = DocStyle::dominant(language, existing).unwrap_or(style);
        let Self { item, template } = Self::new(item, language, style, text, width)?;
        Ok(template.updated(&item, existing, only_documented_fields).map(|template| Self { item, template }))
    }

    /// Returns the edit that puts the docstring into `text`, with `prose` in its first fields and
    /// [`fallback_prose`](Self::fallback_prose) in the others.
    pub fn edit(&self, text: &str, prose: &[String]) -> Edit {
        let mut all = prose.to_vec();
        all.extend(self.template.fields().skip(prose.len()).map(|field| prose::fallback_prose(field, &self.item)));
        let docstring = self.template.render(&all);
        self.item.position.edit(text, &docstring, self.item.existing.as_ref())
    }

    /// Returns prose made of names alone, for a field that no model has filled.
    pub fn fallback_prose(&self, field: &Field) -> String {
        prose::fallback_prose(field, &self.item)
    }

    /// Returns the part of a model's answer that goes into field number `index`; empty if none of it is usable.
    pub fn clean(&self, index: usize, answer: &str) -> String {
        let field = self.template.fields().nth(index);
        field.map(|field| prose::clean(field, &self.item, &self.template, answer)).unwrap_or_default()
    }
}
