//! Background process that serves all editor windows of a user, so that they share one model.
//!
//! `foretype lsp` connects its standard input and output to the daemon over a Unix socket that only the user can reach,
//! and starts the daemon if none is running. A connection begins with one line of JSON from each side ([`handshake`])
//! and then carries LSP. If the daemon is of another build, uses other folders or cannot be started, the window serves
//! itself.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod folder;
#[cfg(unix)]
mod handshake;
#[cfg(unix)]
mod server;
#[cfg(not(unix))]
mod unsupported;

#[cfg(unix)]
pub(crate) use client::{connect, plugins, status, stop};
#[cfg(unix)]
pub(crate) use server::serve;
#[cfg(not(unix))]
pub(crate) use unsupported::{connect, plugins, serve, status, stop};
