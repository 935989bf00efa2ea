//! Limits of time, memory and output for plugins.

use std::time::Duration;

use crate::request::TaskKind;

/// Limits of a plugin and of each of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time of a call while the user types.
    pub call_time: Duration,
    /// Time of a call for a task that the user requests: a docstring, a question and the like.
    pub task_time: Duration,
    /// Time to compile the file and run its top level.
    pub load_time: Duration,
    /// Bytes of memory that the plugin may hold in total.
    pub memory_bytes: usize,
    /// Bytes of text that one call may return.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let [call_time, task_time, load_time] = [20, 100, 200].map(Duration::from_millis);
        Self { call_time, task_time, load_time, memory_bytes: 32 << 20, output_bytes: 256 << 10 }
    }
}

impl Limits {
    /// Returns the time limit of one call, and the option that sets it.
    pub(super) fn call_limit(&self, task: TaskKind) -> (Duration, &'static str) {
        match task {
            TaskKind::Fill => (self.call_time, "plugins.time_ms"),
            _ => (self.task_time, "plugins.task_time_ms"),
        }
    }
}
