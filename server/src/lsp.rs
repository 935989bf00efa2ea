//! The language server: one session for each client, over whatever carries bytes.
//!
//! Edits come through [`ingress`]; here is what the rest of the protocol does. Whatever takes time runs elsewhere: models
//! load, files are read and prompts are built on blocking threads, inference on the engine's.

pub mod capabilities;
pub mod convert;
mod docstring;
pub mod ext;
mod framing;
pub mod ingress;
mod plugins;
mod rewrite;
mod search;
mod serve;
mod server;
mod session;

pub use serve::{run, serve};
pub(crate) use serve::{show_plugins_log, start_log};
pub use session::{Moment, PerDocument, Session};
