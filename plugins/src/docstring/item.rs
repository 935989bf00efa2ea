//! Items that can be documented, as the syntax tree describes them.

use std::ops::Range;

use super::edit::Edit;

/// Kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// Function or method.
    Function,
    /// Class, structure, enumeration, interface, trait or type alias.
    Type,
    /// Module, namespace, package or file.
    Module,
}

/// Parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameter {
    /// Its name, in Python with the stars before it.
    pub name: String,
    /// Its type as written.
    pub type_name: Option<String>,
    /// Its default as written.
    pub default: Option<String>,
}

/// Result of a function, with its type if the signature declares it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Returns {
    /// No result.
    #[default]
    Nothing,
    /// One value.
    Value(Option<String>),
    /// A sequence of values from a generator.
    Yields(Option<String>),
}

/// Position of an item's docstring in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocstringPosition {
    /// On lines of its own.
    OwnLines {
        /// Byte at which the line below it begins.
        at: usize,
        /// Indentation of its lines.
        indentation: String,
    },
    /// Between a colon and a body on the same line, in Python.
    AfterColon {
        /// Bytes from the colon to the body.
        gap: Range<usize>,
        /// Indentation of the body's lines.
        indentation: String,
    },
    /// Nowhere, because other code shares the item's first line.
    SharedLine,
}

/// Item that can be documented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocItem {
    /// Its kind.
    pub kind: ItemKind,
    /// Its name; empty for a file.
    pub name: String,
    /// Its parameters in order, without the receiver.
    pub parameters: Vec<Parameter>,
    /// Its type parameters in order.
    pub type_parameters: Vec<String>,
    /// Its result.
    pub returns: Returns,
    /// True if the signature declares that it has no result.
    pub declares_no_result: bool,
    /// Errors that it declares or raises, in order and each once. In Rust, `panic` if it calls a panicking macro.
    pub raises: Vec<String>,
    /// Bytes of the item with its attributes, without a comment above it.
    pub range: Range<usize>,
    /// Bytes of its docstring with the marks, if it has one.
    pub existing: Option<Range<usize>>,
    /// Position of a new docstring.
    pub position: DocstringPosition,
    /// True if it lies inside a function.
    pub nested: bool,
    /// Line, from 1, of the first syntax error in it.
    pub error_line: Option<usize>,
}

impl DocItem {
    /// Returns true if it should have a docstring and has none: a function or type without syntax errors, outside other
    /// functions, on lines of its own.
    pub(crate) fn needs_docstring(&self) -> bool {
        self.existing.is_none()
            && self.kind != ItemKind::Module
            && !self.nested
            && self.error_line.is_none()
            && self.position != DocstringPosition::SharedLine
    }
}

impl DocstringPosition {
    /// Returns the indentation of a docstring's lines at this position.
    pub(crate) fn indentation(&self) -> &str {
        match self {
            Self::OwnLines { indentation, .. } | Self::AfterColon { indentation, .. } => indentation,
            Self::SharedLine => "",
        }
    }

    /// Returns the edit that puts `docstring` here, or in place of the `existing` one.
    pub(super) fn edit(&self, text: &str, docstring: &str, existing: Option<&Range<usize>>) -> Edit {
        if let Some(existing) = existing {
            return Edit { range: existing.clone(), text: docstring.trim_start().to_owned() };
        }
        match self {
            Self::OwnLines { at, .. } => {
                let before = text[..*at].trim_start_matches('\u{feff}');
                let needs_line_end = !before.is_empty() && !before.ends_with('\n');
                let separator = if needs_line_end { "\n" } else { "" };
                Edit { range: *at..*at, text: format!("{separator}{docstring}\n") }
            }
            Self::AfterColon { gap, indentation } => {
                Edit { range: gap.clone(), text: format!("\n{docstring}\n{indentation}") }
            }
            Self::SharedLine => Edit { range: 0..0, text: String::new() },
        }
    }
}
