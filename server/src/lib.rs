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
pub mod inline;
pub mod lsp;
pub mod models;
pub mod plugins;
pub mod rewrite;
pub mod search;
pub mod shown;
pub mod stats;
pub mod workspace;
