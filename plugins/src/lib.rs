//! Text in, prompt out; text in, text out.
//!
//! This crate knows text, syntax trees and prompts. It knows no tensor, token id, URI, socket or async runtime, and it
//! does no I/O: what it reads was handed to it in a [`Request`]. Live prompts and training samples are built here by the
//! same code, so that a model sees while it serves what it saw while it learned.

pub mod builtins;
pub mod chat;
pub mod chunks;
pub mod comments;
pub mod context;
pub mod docstring;
pub mod finish;
pub mod holes;
pub mod language;
pub mod luau;
pub mod plugged;
pub mod prompt;
pub mod random;
pub mod registry;
pub mod request;
pub mod sample;
pub mod strategies;
pub mod syntax;
pub mod window;

pub use builtins::Builtins;
pub use language::Language;
pub use prompt::{Content, FimFormat, Part, Prompt, Snippet, Source};
pub use request::{Answer, Budget, Document, Order, Request, Tokens, Trigger};
pub use window::Window;

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
    /// A strategy failed; the message says what to do.
    #[error("strategy {strategy}: {message}")]
    Strategy {
        /// Name of the strategy.
        strategy: String,
        /// What went wrong.
        message: String,
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
    fn done(&self, request: &Request, text: &str) -> bool;

    /// What of the model's answer to show: trimmed, mended, or `None` for nothing.
    fn finish(&self, request: &Request, answer: &Answer) -> Option<String>;
}
