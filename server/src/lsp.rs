//! Language server: one session for each client, over any byte stream.
//!
//! [`ingress`] sees each message first and applies edits in wire order. Every other method has a file named after it,
//! with a handler that converts the parameters, calls the feature and converts its result; features live outside this
//! module. Slow work runs elsewhere: models are loaded, files read and prompts built on blocking threads, and the
//! engine has a thread of its own.

mod ask;
mod capabilities;
mod code_action;
mod conversations;
mod convert;
mod did_change_configuration;
mod did_change_watched_files;
mod did_change_workspace_folders;
mod did_focus;
mod did_save;
mod dispatch;
mod docstring;
mod editor_process;
mod execute_command;
mod ext;
mod framing;
mod index_progress;
mod ingress;
mod initialize;
mod inline_completion;
mod plugin_notices;
mod plugins;
mod progress;
mod rewrite;
mod serve;
mod server;
mod status;
mod streaming;

pub(crate) use serve::serve;
