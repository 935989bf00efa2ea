//! What comes after a suggestion was shown in part.

use tokio::sync::watch::Receiver;

use super::watch::Watch;
use crate::lsp::Moment;

/// The rest of a suggestion that was shown in part.
pub struct Later {
    watch: Watch,
    overtaken: Receiver<u64>,
}

impl Later {
    /// Of a run that was answered from, for who asked at this moment.
    pub(super) fn of(watch: Watch, moment: &Moment) -> Self {
        Self { watch, overtaken: moment.overtaken.clone() }
    }

    /// Waits until all of it is there; false if it is of no interest any more.
    pub async fn comes(mut self) -> bool {
        let Watch { generation, changed, .. } = &mut self.watch;
        if generation.is_cancelled() {
            return false;
        }
        tokio::select! {
            () = async { while generation.runs() && changed.changed().await.is_ok() {} } => true,
            _ = self.overtaken.changed() => false,
        }
    }
}
