//! Kinds and ranges of holes.

use std::ops::Range;

/// Kind of a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoleKind {
    /// A line of code without its indentation.
    Line,
    /// The rest of a line from a position inside it.
    Rest,
    /// The body of a block.
    Block,
    /// The arguments of a call, without parentheses.
    Arguments,
    /// The name and arguments of a call through a dot or path.
    Call,
}

impl HoleKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Line, Self::Rest, Self::Block, Self::Arguments, Self::Call];

    /// Name of the kind in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Rest => "rest",
            Self::Block => "block",
            Self::Arguments => "arguments",
            Self::Call => "call",
        }
    }
}

/// A part of a text to remove. The cursor is then at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// Kind of the hole.
    pub kind: HoleKind,
    /// Byte range of the removed text.
    pub range: Range<usize>,
}
