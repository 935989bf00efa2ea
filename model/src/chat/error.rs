//! Errors of formatting a conversation.

/// The reason why a conversation cannot be formatted for a model.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChatError {
    /// The chat template is broken or rejects the conversation.
    #[error("the chat template of this model cannot be used ({0}): use another model")]
    Template(String),
    /// The conversation contains every Unicode noncharacter that could serve as a mark.
    #[error("the conversation contains every Unicode noncharacter from U+FDD0 to U+FDEF: remove one of them")]
    NoUnusedMark,
    /// The prompt needs a special token that the vocabulary lacks.
    #[error("the model cannot read this conversation: {0}")]
    MissingToken(String),
}
