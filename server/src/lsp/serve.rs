//! A session's life: from its first byte to its exit code.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_lsp::LspService;

use super::ingress::Ingress;
use super::server::Server;
use super::{Session, ext, framing};
use crate::backend::Shared;
use crate::config::Config;

/// Handlers that run side by side: enough that requests which wait never keep edits from being read.
const CONCURRENCY: usize = 64;
/// After `exit`, answers that are under way have this long to be written.
const FAREWELL: Duration = Duration::from_millis(500);
/// How often the editor's process is looked for.
const LOOK: Duration = Duration::from_secs(2);

/// `foretype lsp`: serves the editor on standard input and output. The exit code is 0 if the editor said `shutdown` before
/// it said `exit` or went.
pub fn run(standalone: bool) -> Result<ExitCode> {
    let config = Config::load(None).unwrap_or_default();
    start_log(&config);
    if !standalone
        && config.daemon.enabled
        && let Some(orderly) = crate::daemon::connect()?
    {
        return Ok(if orderly { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let orderly = runtime.block_on(async {
        let shared = Arc::new(Shared::default());
        let orderly = serve(tokio::io::stdin(), tokio::io::stdout(), shared.clone(), std::env::vars().collect()).await;
        save(&shared);
        orderly
    });
    // The thread that reads standard input may never return.
    runtime.shutdown_background();
    Ok(if orderly { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn save(shared: &Shared) {
    if let Err(error) = shared.stats.save() {
        tracing::warn!("statistics are not saved: {error:#}");
    }
}

/// Logs go to standard error, where editors collect them.
pub(crate) fn start_log(config: &Config) {
    let filter = format!("{0},tower_lsp=error,ignore=error", config.log.name());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A second call in one process, as in tests, keeps the first log.
    let _ = log.try_init();
}

/// Shows what plugins log, for commands that are about plugins.
pub(crate) fn show_plugins_log() {
    let log = tracing_subscriber::fmt().with_env_filter("foretype::plugins::files=info").with_writer(std::io::stderr);
    // As above.
    let _ = log.with_ansi(false).without_time().with_target(false).with_level(false).try_init();
}

/// Serves one client, of whose environment `options` are read, until it says `exit`, closes its end or vanishes. True if it
/// had said `shutdown`.
pub async fn serve<R, W>(input: R, output: W, shared: Arc<Shared>, options: BTreeMap<String, String>) -> bool
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let session = Session::new(shared, options);
    let mut ended = session.ended();
    let output = Unbroken { output, session: session.clone() };
    let input = UntilEnd { input: framing::checked(input), session: session.clone() };
    let (service, socket) = LspService::build(|client| Server { session: session.clone(), client })
        .custom_method(ext::INLINE_COMPLETION, Server::inline_completion)
        .custom_method("textDocument/didShowCompletion", Server::did_show)
        .custom_method("textDocument/didPartiallyAcceptCompletion", Server::did_partially_accept)
        .custom_method("textDocument/didFocus", Server::did_focus)
        .custom_method("foretype/plugins", Server::plugins)
        .custom_method("foretype/ask", Server::ask)
        .custom_method("foretype/conversations", Server::conversations)
        .custom_method("foretype/conversation", Server::conversation)
        .custom_method("foretype/translate", Server::translate)
        .custom_method("foretype/edit", Server::edit)
        .custom_method("foretype/generate", Server::generate)
        .custom_method("foretype/docstring", Server::docstring)
        .custom_method("foretype/status", Server::status)
        .finish();
    let service = Ingress::new(service, session.clone());
    let server = tower_lsp::Server::new(input, output, socket).concurrency_level(CONCURRENCY);
    // A task of its own: should the transport panic, only this session ends.
    let mut task = tokio::spawn(server.serve(service));
    tokio::select! {
        _ = &mut task => {}
        () = until(&mut ended) => {
            // The transport ends by itself once everything is written; at the time limit it is cut.
            let _ = tokio::time::timeout(FAREWELL, &mut task).await;
            task.abort();
        }
    }
    session.end();
    session.close_all();
    session.shut_down.load(Ordering::Relaxed)
}

/// Returns when the session has ended.
pub(super) async fn until(ended: &mut tokio::sync::watch::Receiver<bool>) {
    // An error means that the session is gone, which is an end, too.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// Output whose errors end the session and are no errors: the transport would panic when it has something to say to a client
/// that is gone.
struct Unbroken<W> {
    output: W,
    session: Arc<Session>,
}

impl<W> Unbroken<W> {
    fn endure<T>(&self, polled: Poll<std::io::Result<T>>, otherwise: T) -> Poll<std::io::Result<T>> {
        match polled {
            Poll::Ready(Err(_)) => {
                self.session.end();
                Poll::Ready(Ok(otherwise))
            }
            polled => polled,
        }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Unbroken<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.output).poll_write(context, bytes);
        self.endure(polled, bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.output).poll_flush(context);
        self.endure(polled, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.output).poll_shutdown(context);
        self.endure(polled, ())
    }
}

/// Input that ends when the session does, so that the transport writes what it has and stops.
struct UntilEnd<R> {
    input: R,
    session: Arc<Session>,
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilEnd<R> {
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

/// Watches the process of a session's editor, and ends the session when that is gone. A process that cannot be seen now is not
/// watched: it may live in another container.
pub(super) fn end_with(session: Arc<Session>, pid: u32) {
    if !process_lives(pid) {
        return;
    }
    tokio::spawn(async move {
        let mut ended = session.ended();
        while tokio::time::timeout(LOOK, until(&mut ended)).await.is_err() {
            if !process_lives(pid) {
                tracing::info!("the editor (process {pid}) is gone");
                return session.end();
            }
        }
    });
}

#[cfg(target_os = "linux")]
fn process_lives(pid: u32) -> bool {
    // The state follows the name, which may hold anything but ends with the last parenthesis. Z: dead, not yet buried.
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn process_lives(pid: u32) -> bool {
    let probe = std::process::Command::new("kill").args(["-0", &pid.to_string()]).stderr(std::process::Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

#[cfg(not(unix))]
fn process_lives(_: u32) -> bool {
    // Standard input is closed when the editor ends.
    true
}
