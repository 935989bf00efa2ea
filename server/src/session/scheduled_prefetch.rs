//! Count of the prefetches that a session has scheduled, so that `foretype/status` can tell when all of them have
//! ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Prefetches that have been scheduled and have not ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScheduledPrefetches(Arc<AtomicUsize>);

impl ScheduledPrefetches {
    /// Runs a prefetch on a task of its own, which counts until it ends.
    pub(crate) fn spawn(&self, prefetch: impl Future<Output = ()> + Send + 'static) {
        self.0.fetch_add(1, Ordering::Relaxed);
        let counted = CountedPrefetch(self.clone());
        tokio::spawn(async move {
            prefetch.await;
            drop(counted);
        });
    }

    /// Returns true if a prefetch is scheduled or runs.
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Prefetch that counts until this is dropped, also if its task panics.
struct CountedPrefetch(ScheduledPrefetches);

impl Drop for CountedPrefetch {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
