//! The interface between a request and a model: a strategy writes the prompt and finishes the answer.

use crate::{Answer, Prompt, Request, Snippet};

/// Why a prompt could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cursor lies outside the text or inside a character.
    #[error("the cursor at byte {cursor} is not a position in a text of {length} bytes")]
    Cursor {
        /// Byte offset asked for.
        cursor: usize,
        /// Length of the document in bytes.
        length: usize,
    },
}

/// The result of building a prompt.
pub type Result<T> = std::result::Result<T, Error>;

/// How a request becomes a prompt and an answer becomes a suggestion.
///
/// Every method is pure: the same request gives the same answer, and nothing is read but the request.
pub trait PromptStrategy: Send + Sync {
    /// The name by which configuration and `--explain` know this strategy.
    fn name(&self) -> &str;

    /// Extra snippets from elsewhere, the most stable first.
    fn context(&self, request: &Request) -> Result<Vec<Snippet>>;

    /// The prompt for this request, with the given snippets.
    fn prompt(&self, request: &Request, snippets: &[Snippet]) -> Result<Prompt>;

    /// Whether `text`, generated so far, is already as much as [`finish`](Self::finish) would keep. Decoding stops then.
    fn is_done(&self, request: &Request, text: &str) -> bool;

    /// What of the model's answer to show: trimmed, mended, or `None` for nothing.
    fn finish(&self, request: &Request, answer: &Answer) -> Option<String>;
}
