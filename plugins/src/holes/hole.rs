//! Holes.

use std::ops::Range;

/// What is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoleKind {
    /// A line of code; its indentation stays.
    Line,
    /// A line from some place inside it on.
    Rest,
    /// What stands between the header of a block and its end.
    Block,
    /// What stands between the brackets of a call.
    Arguments,
    /// The name behind a dot or a path, and the arguments of its call.
    Call,
}

impl HoleKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Line, Self::Rest, Self::Block, Self::Arguments, Self::Call];

    /// Its name in reports.
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

/// A piece that can be taken out. The cursor then stands where it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// What it is.
    pub kind: HoleKind,
    /// Where it is, in bytes.
    pub range: Range<usize>,
}
