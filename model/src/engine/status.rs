//! State that the engine's worker shares with its callers.

use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::job::Usage;

/// The load of an engine and its counters since the start.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct EngineStatus {
    /// Admitted jobs that are not done.
    pub running: usize,
    /// Idle sequences in the prefix cache.
    pub sequences: usize,
    /// Size of the prefix cache, in bytes.
    pub kv_bytes: usize,
    /// Size limit of the prefix cache, in bytes.
    pub kv_limit: usize,
    /// Prompt tokens evaluated.
    pub evaluated: u64,
    /// Prompt tokens found in the prefix cache.
    pub reused: u64,
    /// Tokens generated.
    pub generated: u64,
    /// Draft tokens evaluated.
    pub drafted: u64,
    /// Draft tokens accepted.
    pub accepted: u64,
    /// Prefill speed as a moving average over recent steps; `None` before the first.
    #[serde(rename = "reading_speed")]
    pub prefill_tokens_per_second: Option<f32>,
}

/// Flags and status that the worker and its callers both access.
pub(super) struct EngineState {
    pub(super) status: Mutex<EngineStatus>,
    /// Set when an interactive job is submitted; preempts the current step.
    pub(super) interactive_waiting: AtomicBool,
    /// Set when the last handle to the engine is dropped; aborts the current step.
    pub(super) stopping: AtomicBool,
}

impl EngineState {
    /// The state of an idle engine whose prefix cache is limited to `kv_limit` bytes.
    pub(super) fn new(kv_limit: usize) -> Self {
        Self {
            status: Mutex::new(EngineStatus { kv_limit, ..EngineStatus::default() }),
            interactive_waiting: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        }
    }

    /// Adds to the counters what a job has used since its usage was `counted`.
    pub(super) fn count_usage(&self, counted: &Usage, usage: &Usage) {
        if counted == usage {
            return;
        }
        let mut status = self.status.lock();
        status.evaluated += (usage.evaluated - counted.evaluated) as u64;
        status.reused += (usage.reused - counted.reused) as u64;
        status.generated += (usage.generated - counted.generated) as u64;
        status.drafted += (usage.drafted - counted.drafted) as u64;
        status.accepted += (usage.accepted - counted.accepted) as u64;
    }
}
