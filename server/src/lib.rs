//! Editor in, ghost text out: the language server, the daemon and the command line.
//!
//! This is the only crate with an async runtime, sockets and configuration files.

pub mod ask;
pub(crate) mod backend;
pub mod cli;
pub mod completion;
pub mod config;
pub(crate) mod daemon;
pub mod docstring;
pub(crate) mod documents;
pub mod evaluate;
pub mod git;
pub(crate) mod inline_completion;
pub(crate) mod log;
pub(crate) mod lsp;
pub mod models;
pub(crate) mod paths;
pub mod plugins;
pub mod request_builder;
pub mod rewrite;
pub(crate) mod search;
pub(crate) mod session;
mod source_text;
pub mod speed;
pub(crate) mod stats;
pub(crate) mod suggestion_cache;
pub mod trace;
pub(crate) mod workspace;
