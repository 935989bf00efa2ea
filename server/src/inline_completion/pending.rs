//! Rest of a suggestion that was shown before the model had finished it.

use tokio::sync::watch;

use super::guard::GenerationGuard;
use crate::session::RequestSnapshot;

/// Rest of a suggestion that was shown before the model had finished it.
pub(crate) struct PendingCompletion {
    guard: GenerationGuard,
    superseded: watch::Receiver<u64>,
}

impl PendingCompletion {
    /// The rest of `guard`'s generation, for the request that was answered from it.
    pub(super) fn new(guard: GenerationGuard, document: &RequestSnapshot) -> Self {
        Self { guard, superseded: document.superseded.clone() }
    }

    /// Waits until the suggestion is complete. Returns false if the request is superseded before.
    pub(crate) async fn ready(mut self) -> bool {
        let GenerationGuard { generation, changed, .. } = &mut self.guard;
        if generation.is_cancelled() {
            return false;
        }
        tokio::select! {
            () = async { while generation.is_running() && changed.changed().await.is_ok() {} } => true,
            _ = self.superseded.changed() => false,
        }
    }
}
