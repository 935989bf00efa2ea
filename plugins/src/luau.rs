//! The Luau host: a user's plugin is one `.luau` file that returns a table of functions.
//!
//! A plugin runs in a virtual machine of its own, sandboxed: it has no io, os, network, process, foreign functions, other
//! modules or bytecode, and nothing that it does outlives its call but its own variables. What it may know comes from the
//! [`Request`](crate::Request) and from a [`World`] that the caller hands in, so this crate still reads no file.
//!
//! Each call has limits ([`Limits`]): time, memory, output. The clock is read at every call, every turn of a loop and every
//! step of a pattern match, in coroutines too. What runs inside one library function without a look at the clock is bounded
//! by the memory limit or by `prelude.luau`: about 50 ms on a slow machine. A plugin that fails or breaks a limit
//! is stopped, says so once ([`Fault`]) and rests until it is loaded anew.

mod api;
mod builtin_api;
mod call_times;
mod deadline;
mod declarations;
mod fault;
mod manifest;
mod plugin;
mod query_api;
mod results;
mod sandbox;
mod tables;
mod workspace_api;

use std::sync::Arc;
use std::time::Duration;

pub use declarations::declarations;
pub use fault::PluginFault;
pub use plugin::{Plugin, Tally};
pub use results::{PluginSnippet, Verdict};

use crate::request::TaskKind;
use crate::tasks::ask::SearchHit;

/// The version of the interface that a plugin names in `api`.
pub const API_VERSION: u32 = 1;

/// What one call of a plugin may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time for one call while somebody types.
    pub call_time: Duration,
    /// Time for one call for a docstring, a question or another task that is asked for by name.
    pub task_time: Duration,
    /// Time to load the file: compiling it and running its outermost lines.
    pub load_time: Duration,
    /// Bytes of memory that the plugin may hold, all together.
    pub memory_bytes: usize,
    /// Bytes of text that one call may give back.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let [time, task_time, load] = [20, 100, 200].map(Duration::from_millis);
        Self { call_time: time, task_time, load_time: load, memory_bytes: 32 << 20, output_bytes: 256 << 10 }
    }
}

impl Limits {
    /// The time for one call, and the option that sets it.
    fn call_limit(&self, task: TaskKind) -> (Duration, &'static str) {
        match task {
            TaskKind::Fill => (self.call_time, "plugins.time_ms"),
            _ => (self.task_time, "plugins.task_time_ms"),
        }
    }
}

/// What a plugin may see of the workspace. The host decides what is refused: files that git ignores, files with secrets,
/// everything outside.
pub trait WorkspaceAccess: Send + Sync {
    /// The text of a file by its path relative to the workspace; `None` if there is none or it may not be read.
    fn read(&self, path: &str) -> Option<String>;

    /// Paths of the files that may be read and match a glob, in order, at most `most`.
    fn files(&self, glob: &str, most: usize) -> Vec<String>;

    /// The pieces of files that fit words best and may be read, the best first, at most `most`; none before the workspace
    /// has been indexed.
    fn search(&self, words: &str, most: usize) -> Vec<SearchHit>;

    /// What git says of the workspace, if that is known or comes to be known within `patience`.
    fn git(&self, patience: Duration) -> Option<Arc<GitStatus>>;

    /// Takes a line for the log.
    fn log(&self, plugin: &str, message: &str);
}

/// What git says of a workspace, without files that may not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitStatus {
    /// The branch; `None` where no branch is checked out.
    pub branch: Option<String>,
    /// Files that are staged, with their diffs.
    pub staged: Vec<(String, String)>,
    /// Files of the last commits, the latest first.
    pub recent_files: Vec<String>,
}

/// A value of a plugin's own options.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<OptionValue>),
}

#[cfg(test)]
mod examples;
#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) mod tests;
