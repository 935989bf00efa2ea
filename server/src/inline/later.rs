//! What comes after a suggestion was shown in part.

use std::sync::Arc;

use tokio::sync::watch;

use crate::lsp::Moment;
use crate::shown::Generation;

/// The rest of a suggestion that was shown in part.
#[derive(Debug)]
pub struct Later {
    generation: Arc<Generation>,
    overtaken: watch::Receiver<u64>,
}

impl Later {
    /// Of a run, for who asked at this moment.
    pub(super) fn of(generation: &Arc<Generation>, moment: &Moment) -> Self {
        Self { generation: generation.clone(), overtaken: moment.overtaken.clone() }
    }

    /// Waits until all of it is there; false if it is of no interest any more.
    pub async fn comes(mut self) -> bool {
        let Some(mut changed) = self.generation.wait() else { return false };
        let all = async { while self.generation.runs() && changed.changed().await.is_ok() {} };
        let comes = tokio::select! {
            () = all => true,
            _ = self.overtaken.changed() => false,
        };
        self.generation.abandon();
        comes
    }
}
