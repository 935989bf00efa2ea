//! The frozen part of a fill prompt, which makes a keystroke cost one or two tokens.
//!
//! Prefix and suffix are frozen at an *anchor* a few lines above the cursor; what was typed since stands after the middle
//! marker. As long as nothing outside anchor..cursor changes, the next prompt is the last one plus what was typed.

/// What must stay as it is for the next prompt to begin with the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Everything before the prefix marker's text: repository, snippets, path. Only ever appended to while typing.
    pub header: Vec<crate::Part>,
    /// Text before the anchor, as it stands in the prompt.
    pub before: String,
    /// Byte offset of the anchor in the document.
    pub anchor: usize,
    /// Text after the cursor, as it stands in the prompt.
    pub after: String,
}
