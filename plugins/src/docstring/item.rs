//! What the syntax says about something that can be documented.

use std::ops::Range;

use super::Edit;

/// What is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A function or a method.
    Function,
    /// A class, a structure, an enumeration, an interface, a trait, an alias.
    Type,
    /// A module, a namespace, a package.
    Module,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameter {
    /// Its name, with the stars that Python puts before it.
    pub name: String,
    /// Its type as written.
    pub type_name: Option<String>,
    /// Its default as written.
    pub default: Option<String>,
}

/// What a function gives back, with its type where the signature says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Returns {
    /// Nothing.
    #[default]
    Nothing,
    /// A value.
    Value(Option<String>),
    /// One value after the other.
    Yields(Option<String>),
}

/// Where a docstring goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocstringPosition {
    /// On lines of its own that begin at this byte, where a line begins.
    OwnLines {
        /// Where the line begins that it is put before.
        at: usize,
        /// What its lines begin with.
        indentation: String,
    },
    /// Between a colon and a body that follows it on the same line (Python).
    AfterColon {
        /// From the colon to the body.
        gap: Range<usize>,
        /// What the body's lines begin with.
        indentation: String,
    },
    /// Nowhere: other code stands on the line.
    SharedLine,
}

/// Something that can be documented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocItem {
    /// What it is.
    pub kind: ItemKind,
    /// Its name; empty for a module that is a file.
    pub name: String,
    /// Its parameters in order, without the receiver.
    pub parameters: Vec<Parameter>,
    /// Its type parameters in order.
    pub type_parameters: Vec<String>,
    /// What it gives back.
    pub returns: Returns,
    /// Whether the signature says that it gives nothing back.
    pub declares_no_result: bool,
    /// The errors that its syntax shows, in order and once each. In Rust, `panic` where it panics by a macro.
    pub raises: Vec<String>,
    /// All of it, with attributes, without a comment above it.
    pub range: Range<usize>,
    /// Its docstring with the marks, if it has one.
    pub existing: Option<Range<usize>>,
    /// Where a docstring goes.
    pub position: DocstringPosition,
    /// Whether it lies inside a function.
    pub nested: bool,
    /// The line, from 1, of the first syntax error in it.
    pub error_line: Option<usize>,
}

impl DocItem {
    /// Whether it has no docstring and is one that readers look for: a function or a type, not broken, not inside a function, on
    /// lines of its own.
    pub fn needs_docstring(&self) -> bool {
        self.existing.is_none()
            && self.kind != ItemKind::Module
            && !self.nested
            && self.error_line.is_none()
            && self.position != DocstringPosition::SharedLine
    }
}

impl DocstringPosition {
    /// What the lines of a docstring there begin with.
    pub fn indentation(&self) -> &str {
        match self {
            Self::OwnLines { indentation, .. } | Self::AfterColon { indentation, .. } => indentation,
            Self::SharedLine => "",
        }
    }

    /// The replacement that puts `written` here, or in place of an `existing` docstring. Line ends are those of `text`.
    pub(super) fn edit(&self, text: &str, written: &str, existing: Option<&Range<usize>>) -> Edit {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let written = if end == "\n" { written.to_owned() } else { written.replace('\n', end) };
        if let Some(existing) = existing {
            return Edit { range: existing.clone(), text: written.trim_start().to_owned() };
        }
        match self {
            Self::OwnLines { at, .. } => {
                let before = text[..*at].trim_start_matches('\u{feff}');
                let unfinished = !before.is_empty() && !before.ends_with('\n');
                let before = if unfinished { end } else { "" };
                Edit { range: *at..*at, text: format!("{before}{written}{end}") }
            }
            Self::AfterColon { gap, indentation } => {
                Edit { range: gap.clone(), text: format!("{end}{written}{end}{indentation}") }
            }
            Self::SharedLine => Edit { range: 0..0, text: String::new() },
        }
    }
}
