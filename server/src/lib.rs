//! Editor in, ghost text out: the language server, the daemon and the command line.
//!
//! This is the only crate with an async runtime, sockets and configuration files.

pub mod cli;
pub mod completion;
pub mod config;
pub mod models;
