//! Claims of requests on generations: a generation that no request waits for is cancelled.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::suggestion_cache::{Generation, RegionCursor};

/// Time that a generation outlives the cancelling of its last request, in case the next key continues it.
const CANCEL_DELAY: Duration = Duration::from_millis(50);

/// Claim of one request on a generation. If it is dropped before the request was answered and no other request has a
/// claim, the generation is cancelled after [`CANCEL_DELAY`].
pub(super) struct GenerationGuard {
    pub(super) generation: Arc<Generation>,
    /// Cursor of the request in the generation's region.
    pub(super) cursor: RegionCursor,
    /// Notified when the generation has written more or is done.
    pub(super) changed: watch::Receiver<()>,
    /// True once the request has been answered.
    pub(super) is_answered: bool,
}

impl GenerationGuard {
    /// Claims a generation; `None` if it has been cancelled.
    pub(super) fn new(generation: Arc<Generation>, cursor: RegionCursor) -> Option<Self> {
        let changed = generation.subscribe()?;
        Some(Self { generation, cursor, changed, is_answered: false })
    }
}

impl Drop for GenerationGuard {
    fn drop(&mut self) {
        let is_last = self.generation.unsubscribe();
        if !self.is_answered && is_last {
            let generation = self.generation.clone();
            tokio::spawn(async move {
                tokio::time::sleep(CANCEL_DELAY).await;
                generation.cancel_if_unsubscribed();
            });
        }
    }
}
