//! Transport of a session, from its first byte to its end.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ingress::Ingress;
use super::{dispatch, framing};
use crate::backend::SharedState;
use crate::session::Session;

/// Handlers that run concurrently: enough that requests which wait never delay the reading of edits.
const MAX_CONCURRENT_HANDLERS: usize = 64;
/// Time after `exit` in which pending answers are written.
const EXIT_TIMEOUT: Duration = Duration::from_millis(500);

/// Serves one client until it sends `exit`, closes its end or disappears. `environment` holds its environment
/// variables, for options. Returns true if it had sent `shutdown`.
pub(crate) async fn serve<R, W>(
    input: R,
    output: W,
    shared: Arc<SharedState>,
    environment: BTreeMap<String, String>,
) -> bool
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let session = Session::new(shared, environment);
    let output = SessionOutput { output, session: session.clone() };
    let input = SessionInput { input: framing::validated(input), session: session.clone() };
    let (service, socket) = dispatch::service(session.clone());
    let service = Ingress::new(service, session.clone());
    let server = tower_lsp::Server::new(input, output, socket).concurrency_level(MAX_CONCURRENT_HANDLERS);
    // A task of its own: if the transport panics, only this session ends.
    let mut task = tokio::spawn(server.serve(service));
    tokio::select! {
        _ = &mut task => {}
        () = session.wait_until_ended() => {
            // The transport ends on its own once everything is written; at the timeout it is aborted.
            let _ = tokio::time::timeout(EXIT_TIMEOUT, &mut task).await;
            task.abort();
        }
    }
    session.end();
    session.close_all_documents();
    session.shut_down.load(Ordering::Relaxed)
}

/// Output whose errors end the session instead of being reported: the transport would panic on a message to a client
/// that is gone.
struct SessionOutput<W> {
    output: W,
    session: Arc<Session>,
}

impl<W> SessionOutput<W> {
    fn end_on_error<T>(&self, polled: Poll<std::io::Result<T>>, otherwise: T) -> Poll<std::io::Result<T>> {
        match polled {
            Poll::Ready(Err(_)) => {
                self.session.end();
                Poll::Ready(Ok(otherwise))
            }
            polled => polled,
        }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for SessionOutput<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.output).poll_write(context, bytes);
        self.end_on_error(polled, bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.output).poll_flush(context);
        self.end_on_error(polled, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.output).poll_shutdown(context);
        self.end_on_error(polled, ())
    }
}

/// Input that ends when the session does, so that the transport writes its pending answers and stops.
struct SessionInput<R> {
    input: R,
    session: Arc<Session>,
}

impl<R: AsyncRead + Unpin> AsyncRead for SessionInput<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if *self.session.ended().borrow() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.input).poll_read(context, buffer)
    }
}
