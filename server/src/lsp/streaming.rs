//! Blocking work that streams partial results to the client and is cancelled when its request is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tower_lsp::Client;
use tower_lsp::lsp_types::ProgressToken;

use super::ext::{PartialResult, PartialResultParams, PartialText};

/// Flag that is set when this is dropped, so that blocking work learns that its request was cancelled.
#[derive(Default)]
pub(super) struct CancelOnDrop(Arc<AtomicBool>);

impl CancelOnDrop {
    /// Function that returns true until this is dropped.
    pub(super) fn is_wanted(&self) -> impl Fn() -> bool + Send + 'static {
        let cancelled = self.0.clone();
        move || !cancelled.load(Ordering::Relaxed)
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` where it may block. Text that it emits is sent to `token`, all of it before the result. Dropping the
/// future cancels the work: its first argument then returns false.
pub(super) async fn stream<T: Send + 'static>(
    client: &Client,
    token: Option<ProgressToken>,
    work: impl FnOnce(&dyn Fn() -> bool, &dyn Fn(&str)) -> Result<T> + Send + 'static,
) -> Result<T> {
    let guard = CancelOnDrop::default();
    let is_wanted = guard.is_wanted();
    let (send, mut texts) = tokio::sync::mpsc::unbounded_channel();
    let mut work = tokio::task::spawn_blocking(move || {
        // The receiver is gone once the request is cancelled.
        let on_text = |text: &str| drop(send.send(text.to_owned()));
        work(&is_wanted, &on_text)
    });
    loop {
        tokio::select! {
            biased; // All text is sent before the result.
            Some(text) = texts.recv() => send_partial(client, token.as_ref(), text).await,
            done = &mut work => return done?,
        }
    }
}

/// Sends a part of a result, if the client gave a token for it.
pub(super) async fn send_partial(client: &Client, token: Option<&ProgressToken>, text: String) {
    if let Some(token) = token {
        let params = PartialResultParams { token: token.clone(), value: PartialText { text } };
        client.send_notification::<PartialResult>(params).await;
    }
}
