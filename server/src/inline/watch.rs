//! Who waits for a run of the model: when nobody does any more, it is stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::shown::{Generation, Spot};

/// How long a run outlives the cancelling of the request that began it, in case the next key follows it.
const GRACE: Duration = Duration::from_millis(50);

/// A claim on a run by one request. If the request is cancelled and nobody follows, the run is stopped.
pub(super) struct Watch {
    pub(super) generation: Arc<Generation>,
    /// The place of the request, in the generation's terms.
    pub(super) spot: Spot,
    pub(super) changed: watch::Receiver<()>,
    pub(super) answered: bool,
}

impl Watch {
    /// `None` if the run was stopped.
    pub(super) fn new(generation: Arc<Generation>, spot: Spot) -> Option<Self> {
        let changed = generation.wait()?;
        Some(Self { changed, generation, spot, answered: false })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let last = self.generation.abandon();
        if !self.answered && last {
            let generation = self.generation.clone();
            tokio::spawn(async move {
                tokio::time::sleep(GRACE).await;
                generation.cancel_if_abandoned();
            });
        }
    }
}
