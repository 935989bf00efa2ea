//! Prompts and what becomes of a model's answer: text in, prompt out; text in, text out.
//!
//! Entry points: a [`Request`] describes a document, a cursor and the workspace around them; a [`PromptStrategy`] (the
//! built-in one is [`tasks::fill::Fill`]) turns it into a [`Prompt`] and later the model's [`Answer`] into the text of
//! a suggestion. [`window`] explains why typing costs one or two tokens, [`fim_format`] the markers of each model
//! family, [`finish`] the rules that trim an answer.
//!
//! The crate knows text, syntax trees and prompts. It knows no tensor, token id, URI, socket or async runtime, and does
//! no I/O: all input arrives in the request. Live prompts and training samples are built by the same code, so a model
//! is served exactly what it was trained on.

mod builtins;
pub mod chat;
pub mod chunks;
pub mod comments;
pub mod context;
pub mod docstring;
pub mod fim_format;
pub mod finish;
pub mod holes;
mod language;
mod line_ends;
pub mod luau;
pub mod plugin_strategy;
pub mod prompt;
pub mod random;
pub mod request;
pub mod sample;
mod strategy;
pub mod symbol_index;
pub mod syntax;
pub mod tasks;
mod text;
pub mod window;
mod wrap;

pub use builtins::Builtins;
pub use fim_format::FimFormat;
pub use language::Language;
pub use line_ends::{LineEnd, LineEnds, LoneCr};
pub use prompt::{Content, Part, PartSource, Prompt, Snippet, Window};
pub use request::{Answer, Budget, Document, PromptOrder, Request, TokenizerInfo, Trigger};
pub use strategy::{Error, PromptStrategy, Result};
