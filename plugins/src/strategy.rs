//! The interface between requests and the engine: a strategy builds the prompt and finishes the answer.

use crate::{Answer, Prompt, Request, Snippet};

/// Reason why a prompt could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cursor lies outside the text or inside a character.
    #[error(
        "byte {cursor} is not a character boundary of the document ({length} bytes): send a cursor inside the text"
    )]
    Cursor {
        /// Requested byte offset.
        cursor: usize,
        /// Length of the document in bytes.
        length: usize,
    },
}

/// Result of building a prompt.
pub type Result<T> = std::result::Result<T, Error>;

/// Turns a request into a prompt and a model's answer into a suggestion.
///
/// Every method is pure: its result depends on its arguments alone.
pub trait PromptStrategy: Send + Sync {
    /// Name of the strategy in the configuration and in `--explain`.
    fn name(&self) -> &str;

    /// Snippets from elsewhere in the workspace, the most stable first.
    ///
    /// # Errors
    /// If the strategy cannot gather them; the built-in one never fails.
    fn context(&self, request: &Request) -> Result<Vec<Snippet>>;

    /// Prompt for this request with these snippets.
    ///
    /// # Errors
    /// If the cursor is not a character boundary of the document.
    fn prompt(&self, request: &Request, snippets: &[Snippet]) -> Result<Prompt>;

    /// Returns true if [`finish`](Self::finish) would drop everything generated after `text`. Decoding stops then.
    fn is_done(&self, request: &Request, text: &str) -> bool;

    /// Text to show for an answer, trimmed and repaired; `None` to show nothing.
    fn finish(&self, request: &Request, answer: &Answer) -> Option<String>;
}
