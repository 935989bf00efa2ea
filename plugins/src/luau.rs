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

mod answers;
mod api;
mod builtin;
mod clock;
mod fault;
mod manifest;
mod places;
mod plugin;
mod query;
mod sandbox;
mod tables;
mod times;
mod types;

use std::sync::Arc;
use std::time::Duration;

pub use answers::{Found, Verdict};
pub use fault::Fault;
pub use plugin::{Plugin, Tally};
pub use types::declarations;

use crate::request::TaskKind;
use crate::tasks::ask::SearchHit;

/// The version of the interface that a plugin names in `api`.
pub const API: u32 = 1;

/// What one call of a plugin may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time for one call while somebody types.
    pub time: Duration,
    /// Time for one call for a docstring, a question or another task that is asked for by name.
    pub task_time: Duration,
    /// Time to load the file: compiling it and running its outermost lines.
    pub load: Duration,
    /// Bytes of memory that the plugin may hold, all together.
    pub memory: usize,
    /// Bytes of text that one call may give back.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let [time, task_time, load] = [20, 100, 200].map(Duration::from_millis);
        Self { time, task_time, load, memory: 32 << 20, output: 256 << 10 }
    }
}

impl Limits {
    /// The time for one call, and the option that sets it.
    fn of(&self, task: TaskKind) -> (Duration, &'static str) {
        match task {
            TaskKind::Fill => (self.time, "plugins.time_ms"),
            _ => (self.task_time, "plugins.task_time_ms"),
        }
    }
}

/// What a plugin may see of the workspace. The host decides what is refused: files that git ignores, files with secrets,
/// everything outside.
pub trait World: Send + Sync {
    /// The text of a file by its path relative to the workspace; `None` if there is none or it may not be read.
    fn read(&self, path: &str) -> Option<String>;

    /// Paths of the files that may be read and match a glob, in order, at most `most`.
    fn files(&self, glob: &str, most: usize) -> Vec<String>;

    /// The pieces of files that fit words best and may be read, the best first, at most `most`; none before the workspace
    /// has been indexed.
    fn search(&self, words: &str, most: usize) -> Vec<SearchHit>;

    /// What git says of the workspace, if that is known or comes to be known within `patience`.
    fn git(&self, patience: Duration) -> Option<Arc<Git>>;

    /// Takes a line for the log.
    fn log(&self, plugin: &str, message: &str);
}

/// What git says of a workspace, without files that may not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Git {
    /// The branch; `None` where no branch is checked out.
    pub branch: Option<String>,
    /// Files that are staged, with their diffs.
    pub staged: Vec<(String, String)>,
    /// Files of the last commits, the latest first.
    pub recent: Vec<String>,
}

/// A value of a plugin's own options.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// `true` or `false`.
    Truth(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Setting>),
}

#[cfg(test)]
mod examples;
#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) mod tests;
