//! Replacement of a range of a text.

use std::ops::Range;

/// Replacement of a byte range of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Bytes that are replaced.
    pub range: Range<usize>,
    /// Text that replaces them.
    pub text: String,
}

impl Edit {
    /// Returns `text` with the replacement made.
    ///
    /// # Panics
    /// If the range does not lie on character boundaries of `text`.
    pub fn apply(&self, text: &str) -> String {
        [&text[..self.range.start], &self.text, &text[self.range.end..]].concat()
    }
}
