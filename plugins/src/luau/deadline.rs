//! Deadline of a plugin's current call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Message of the error that stops a call after its deadline. The error is recognized by this text.
pub(super) const OVERTIME_MESSAGE: &str = "it took longer than its time limit";

/// Deadline of the current call, shared with the interrupt of the virtual machine.
#[derive(Debug, Clone)]
pub(super) struct CallDeadline {
    origin: Instant,
    /// Deadline in nanoseconds after `origin`; 0 while no call runs.
    end_nanos: Arc<AtomicU64>,
}

impl CallDeadline {
    /// Returns a clock without a running call.
    pub(super) fn new() -> Self {
        Self { origin: Instant::now(), end_nanos: Arc::default() }
    }

    /// Starts a call that may take at most `limit`.
    pub(super) fn start(&self, limit: Duration) {
        self.end_nanos.store(self.now_nanos().saturating_add(limit.as_nanos() as u64).max(1), Ordering::Relaxed);
    }

    /// Ends the call.
    pub(super) fn stop(&self) {
        self.end_nanos.store(0, Ordering::Relaxed);
    }

    /// Fails if the deadline has passed.
    ///
    /// # Errors
    /// [`OVERTIME_MESSAGE`] after the deadline.
    pub(super) fn check(&self) -> mlua::Result<()> {
        let end_nanos = self.end_nanos.load(Ordering::Relaxed);
        if end_nanos != 0 && self.now_nanos() > end_nanos {
            Err(mlua::Error::runtime(OVERTIME_MESSAGE))
        } else {
            Ok(())
        }
    }

    /// Returns the time that the current call has left.
    pub(super) fn remaining(&self) -> Duration {
        Duration::from_nanos(self.end_nanos.load(Ordering::Relaxed).saturating_sub(self.now_nanos()))
    }

    fn now_nanos(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}
