//! When the current call has to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a call is stopped with when its time is over; it is recognised by this text.
pub(super) const OVERTIME_MESSAGE: &str = "it took longer than its time limit";

/// The end of the current call, shared with the virtual machine's interrupt.
#[derive(Debug, Clone)]
pub(super) struct CallDeadline {
    origin: Instant,
    /// Nanoseconds after the origin; 0 while no call runs.
    end_nanos: Arc<AtomicU64>,
}

impl CallDeadline {
    pub(super) fn new() -> Self {
        Self { origin: Instant::now(), end_nanos: Arc::default() }
    }

    /// A call begins that may take so long.
    pub(super) fn start(&self, limit: Duration) {
        self.end_nanos.store(self.now_nanos().saturating_add(limit.as_nanos() as u64).max(1), Ordering::Relaxed);
    }

    /// The call is over.
    pub(super) fn stop(&self) {
        self.end_nanos.store(0, Ordering::Relaxed);
    }

    /// An error once the time is over.
    pub(super) fn check(&self) -> mlua::Result<()> {
        let end = self.end_nanos.load(Ordering::Relaxed);
        if end != 0 && self.now_nanos() > end { Err(mlua::Error::runtime(OVERTIME_MESSAGE)) } else { Ok(()) }
    }

    /// Time that the current call has left.
    pub(super) fn remaining(&self) -> Duration {
        Duration::from_nanos(self.end_nanos.load(Ordering::Relaxed).saturating_sub(self.now_nanos()))
    }

    fn now_nanos(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}
