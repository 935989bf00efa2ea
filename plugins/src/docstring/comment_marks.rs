//! Marks of comments that docstrings are written in.

use super::item::{DocItem, ItemKind};
use super::style::DocStyle;
use crate::Language;

/// Marks around or before the lines of a docstring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommentMarks {
    /// `"""` … `"""`
    Quotes,
    /// `/**`, ` * `, ` */`
    Block,
    /// This mark before each line.
    Lines(&'static str),
}

impl CommentMarks {
    /// Returns the marks that the docstring `existing` begins with, or else `default`.
    pub(super) fn detect(existing: &str, default: Self) -> Self {
        const LINES: &[&str] = &["///", "//!", "//", "---", "#"];
        match existing.trim_start() {
            block if block.starts_with("/*") => Self::Block,
            lines => LINES.iter().find(|mark| lines.starts_with(**mark)).map_or(default, |mark| Self::Lines(mark)),
        }
    }
}

/// Returns the marks of new docstrings in `style`. In C and C++ they follow the comments of the file.
pub(super) fn comment_marks(language: Language, style: DocStyle, item: &DocItem, text: &str) -> CommentMarks {
    match style {
        DocStyle::Google | DocStyle::Numpy | DocStyle::Rest => CommentMarks::Quotes,
        DocStyle::Rustdoc if item.kind == ItemKind::Module && item.name.is_empty() => CommentMarks::Lines("//!"),
        DocStyle::Rustdoc | DocStyle::Xmldoc => CommentMarks::Lines("///"),
        DocStyle::Godoc => CommentMarks::Lines("//"),
        DocStyle::Yard => CommentMarks::Lines("#"),
        DocStyle::Luacats => CommentMarks::Lines("---"),
        DocStyle::Doxygen if matches!(language, Language::C | Language::Cpp) && prefers_slashes(text) => {
            CommentMarks::Lines("///")
        }
        DocStyle::Doxygen | DocStyle::Jsdoc | DocStyle::Tsdoc | DocStyle::Javadoc | DocStyle::Phpdoc => {
            CommentMarks::Block
        }
    }
}

fn prefers_slashes(text: &str) -> bool {
    let count = |mark: &str| text.lines().filter(|line| line.trim_start().starts_with(mark)).count();
    count("///") > count("/**")
}
