//! Count of the prefetches that a session has scheduled, so that `foretype/status` can tell when all of them have
//! ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of prefetches that have been scheduled and have not ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrefetchCount(Arc<AtomicUsize>);

impl PrefetchCount {
    /// Counts a prefetch until the result is dropped.
    pub(crate) fn schedule(&self) -> ScheduledPrefetch {
        self.0.fetch_add(1, Ordering::Relaxed);
        ScheduledPrefetch { count: self.clone() }
    }

    /// Returns true if there are scheduled prefetches.
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Prefetch that has been scheduled and counts until this is dropped.
#[derive(Debug)]
pub(crate) struct ScheduledPrefetch {
    count: PrefetchCount,
}

impl Drop for ScheduledPrefetch {
    fn drop(&mut self) {
        self.count.0.fetch_sub(1, Ordering::Relaxed);
    }
}
