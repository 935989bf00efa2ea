//! Editor in, ghost text out: the language server, the daemon and the command line.
//!
//! This is the only crate with an async runtime, sockets and configuration files.

pub mod ask;
pub mod backend;
pub mod cli;
pub mod completion;
pub mod config;
pub mod daemon;
pub mod docstring;
pub mod documents;
pub mod evaluate;
pub mod git;
pub mod inline_completion;
pub mod lsp;
pub mod models;
pub(crate) mod paths;
pub mod plugins;
pub mod request_builder;
pub mod rewrite;
pub mod search;
pub(crate) mod session;
pub mod speed;
pub mod suggestion_cache;
pub mod stats;
pub mod trace;
pub mod workspace;
