//! Server of one client, as its handlers see it.

use std::sync::Arc;
use std::time::Duration;

use tower_lsp::Client;
use tower_lsp::jsonrpc::{Error, Result};

use super::ext;
use crate::session::Session;

/// Time limit for answers of the client, which need not answer at all.
pub(super) const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Server of one client.
#[derive(Debug, Clone)]
pub(super) struct LspServer {
    pub(super) session: Arc<Session>,
    pub(super) client: Client,
}

/// Answer of the client to a request, unless it takes longer than [`CLIENT_TIMEOUT`]. The answer is awaited even then,
/// because tower-lsp ends the session over an answer that nothing awaits.
pub(super) async fn within_timeout<T: Send + 'static>(answer: impl Future<Output = T> + Send + 'static) -> Option<T> {
    tokio::time::timeout(CLIENT_TIMEOUT, tokio::spawn(answer)).await.ok()?.ok()
}

/// Runs work that reads or deletes files on a blocking thread.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(anyhow::Error::from).and_then(|result| result).map_err(request_failed)
}

/// Error of the protocol for a request that failed, with the causes.
pub(super) fn request_failed(error: anyhow::Error) -> Error {
    ext::failed(&format!("{error:#}"))
}
