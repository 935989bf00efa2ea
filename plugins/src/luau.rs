//! The Luau host: a plugin is one `.luau` file that returns a table of functions.
//!
//! Each plugin runs in a sandboxed virtual machine of its own, without io, os, network, processes, foreign functions,
//! other modules or bytecode. Only its own variables outlive a call. Everything that it may know comes from the
//! [`Request`](crate::Request) and from a [`WorkspaceAccess`] that the caller provides, so this crate reads no file.
//!
//! Each call has limits of time, memory and output ([`Limits`]). The deadline is checked at every call, every loop
//! iteration and every step of a pattern match, in coroutines too. Library functions that do not check it are bounded
//! by the memory limit or by `prelude.luau`, to about 50 ms on a slow machine. A plugin that fails or exceeds a limit
//! is stopped, reported once ([`PluginFault`]), and not called again until it is reloaded.

mod api;
mod builtin_api;
mod call_times;
mod deadline;
mod declarations;
mod fault;
mod host;
mod limits;
mod manifest;
mod option_value;
mod plugin;
mod query_api;
mod results;
mod sandbox;
mod tables;
mod workspace_access;
mod workspace_api;

pub use declarations::declarations;
pub use fault::PluginFault;
pub use limits::Limits;
pub use option_value::OptionValue;
pub use plugin::{Plugin, Tally};
pub use results::{PluginSnippet, Verdict};
pub use workspace_access::{GitStatus, WorkspaceAccess};

#[cfg(test)]
mod examples;
#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) mod tests;
