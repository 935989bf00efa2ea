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
pub mod fim_format;
pub mod finish;
pub mod holes;
pub mod language;
pub mod luau;
pub mod plugged;
pub mod prompt;
pub mod random;
pub mod request;
pub mod sample;
pub mod strategy;
pub mod symbol_index;
pub mod syntax;
pub mod tasks;
pub mod text;
pub mod window;

pub use builtins::Builtins;
pub use fim_format::FimFormat;
pub use language::Language;
pub use prompt::{Content, Part, PartSource, Prompt, Snippet, Window};
pub use request::{Answer, Budget, Document, PromptOrder, Request, TokenizerInfo, Trigger};
pub use strategy::{Error, PromptStrategy, Result};
