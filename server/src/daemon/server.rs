//! Server side of the daemon: accepts connections, serves their LSP sessions and answers requests of the command line.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::folder::{current_uid, runtime_folder, socket_path};
use super::handshake::{ClientHello, DaemonRequest, ServerHello};
use crate::backend::SharedState;
use crate::config::Config;
use crate::{log, lsp};

/// Time limit for the first line of a client.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Length limit of the first line of a client.
const MAX_HELLO_BYTES: u64 = 1 << 20;
/// Interval at which statistics are written.
const STATS_SAVE_INTERVAL: Duration = Duration::from_secs(60);
/// Time limit for an outcome: a client that sees its session end may request the outcome before it is recorded.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(2);
/// Number of outcomes that are kept.
const MAX_OUTCOMES: usize = 64;

struct DaemonServer {
    shared: Arc<SharedState>,
    own_hello: ClientHello,
    uid: u32,
    clients: watch::Sender<usize>,
    stop: watch::Sender<bool>,
    next_session: AtomicU64,
    /// Outcomes of the last sessions, until their clients request them. Clients that vanished never do.
    outcomes: watch::Sender<BTreeMap<u64, bool>>,
}

/// Serves until the daemon is stopped or has had no client for the configured time. Returns at once if a daemon is
/// already running.
///
/// # Errors
/// If the lock, the socket or the statistics cannot be written.
pub(crate) fn serve() -> Result<()> {
    let config = Config::load(None).unwrap_or_default();
    log::start(&config);
    let lock = File::create(runtime_folder()?.join("daemon.lock")).context("cannot write the daemon's lock")?;
    if lock.try_lock().is_err() {
        tracing::info!("a daemon is already running");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(listen(&config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn listen(config: &Config) -> Result<()> {
    let path = socket_path()?;
    // The holder of the lock may remove a stale socket.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let daemon = Arc::new(DaemonServer {
        shared: Arc::default(),
        own_hello: ClientHello::new(DaemonRequest::Status),
        uid: current_uid()?,
        clients: watch::Sender::new(0),
        stop: watch::Sender::new(false),
        next_session: AtomicU64::new(0),
        outcomes: watch::Sender::default(),
    });
    let mut stop = daemon.stop.subscribe();
    let idle = Duration::from_secs(config.daemon.idle_minutes * 60).max(Duration::from_secs(1));
    tokio::spawn(save_stats_periodically(daemon.clone()));
    tokio::select! {
        () = accept_connections(&daemon, &listener) => {}
        () = wait_until_idle(idle, daemon.clients.subscribe()) => tracing::info!("no client for {idle:?}"),
        _ = stop.wait_for(|stop| *stop) => {}
    }
    let _ = std::fs::remove_file(&path);
    daemon.shared.stats.save()
}

async fn accept_connections(daemon: &Arc<DaemonServer>, listener: &UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let daemon = daemon.clone();
                // A panic in a session ends only that session.
                tokio::spawn(async move { daemon.serve_connection(stream).await });
            }
            Err(error) => {
                tracing::warn!("a client could not connect: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Waits until there has been no client for `idle`.
async fn wait_until_idle(idle: Duration, mut clients: watch::Receiver<usize>) {
    loop {
        // Both waits fail only when the daemon is gone.
        let _ = clients.wait_for(|clients| *clients == 0).await;
        if tokio::time::timeout(idle, clients.wait_for(|clients| *clients > 0)).await.is_err() {
            return;
        }
    }
}

async fn save_stats_periodically(daemon: Arc<DaemonServer>) {
    loop {
        tokio::time::sleep(STATS_SAVE_INTERVAL).await;
        let shared = daemon.shared.clone();
        let saved = tokio::task::spawn_blocking(move || shared.stats.save()).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!("cannot save statistics: {error:#}");
        }
    }
}

/// Guard that counts a client for as long as it lives.
struct ClientGuard(Arc<DaemonServer>);

impl ClientGuard {
    fn new(daemon: &Arc<DaemonServer>) -> Self {
        daemon.clients.send_modify(|clients| *clients += 1);
        Self(daemon.clone())
    }
}

impl Drop for ClientGuard {
    fn drop(&mut self) {
        self.0.clients.send_modify(|clients| *clients -= 1);
    }
}

impl DaemonServer {
    async fn serve_connection(self: Arc<Self>, stream: UnixStream) {
        let peer = stream.peer_cred().map(|peer| peer.uid());
        if !peer.is_ok_and(|uid| uid == self.uid) {
            tracing::warn!("a process of another user tried to connect");
            return;
        }
        let mut connection = BufReader::new(stream);
        let mut line = String::new();
        let mut limited = (&mut connection).take(MAX_HELLO_BYTES);
        let read = tokio::time::timeout(HELLO_TIMEOUT, limited.read_line(&mut line)).await;
        let Ok(hello) = serde_json::from_str::<ClientHello>(&line) else {
            tracing::debug!("a client sent an invalid hello ({read:?})");
            return;
        };
        let refused = self.refusal(&hello);
        let session = self.next_session.fetch_add(1, Ordering::Relaxed);
        let answer = if refused.is_some() { Value::Null } else { self.answer(&hello, session).await };
        let serves = refused.is_none() && hello.request == DaemonRequest::Lsp;
        let welcome =
            serde_json::to_string(&ServerHello { refusal: refused, response: answer }).unwrap_or_default() + "\n";
        if connection.write_all(welcome.as_bytes()).await.is_err() {
            return;
        }
        if serves {
            let counted = ClientGuard::new(&self);
            let (input, output) = tokio::io::split(connection);
            let orderly = lsp::serve(input, output, self.shared.clone(), hello.option_variables).await;
            drop(counted);
            self.record_outcome(session, orderly);
        }
        if hello.request == DaemonRequest::Stop {
            self.stop.send_replace(true);
        }
    }

    /// Returns the reason not to serve a client, if there is one.
    fn refusal(&self, hello: &ClientHello) -> Option<String> {
        if hello.request != DaemonRequest::Lsp {
            return None;
        }
        if hello.build != self.own_hello.build {
            return Some("it is of another build; `foretype daemon stop` stops it".to_owned());
        }
        if hello.folder_variables != self.own_hello.folder_variables {
            return Some("it was started with other folders".to_owned());
        }
        None
    }

    async fn answer(&self, hello: &ClientHello, session: u64) -> Value {
        match hello.request {
            DaemonRequest::Lsp => json!(session),
            DaemonRequest::Outcome(session) => json!(self.take_outcome(session).await),
            DaemonRequest::Stop => json!(true),
            DaemonRequest::Plugins => {
                json!(hello.workspace.as_deref().and_then(|root| self.shared.plugins.reports(root)))
            }
            DaemonRequest::Status => json!({
                "pid": std::process::id(),
                "build": self.own_hello.build,
                "clients": *self.clients.borrow(),
                "models": self.shared.model_reports(),
                "statistics": self.shared.stats.counts(),
            }),
        }
    }

    fn record_outcome(&self, session: u64, orderly: bool) {
        self.outcomes.send_modify(|outcomes| {
            outcomes.insert(session, orderly);
            while outcomes.len() > MAX_OUTCOMES {
                outcomes.pop_first();
            }
        });
    }

    /// Returns the outcome of a session and forgets it; `None` if it is unknown.
    async fn take_outcome(&self, session: u64) -> Option<bool> {
        let mut outcomes = self.outcomes.subscribe();
        let known = outcomes.wait_for(|outcomes| outcomes.contains_key(&session));
        // At the time limit, the lookup below finds nothing.
        let _ = tokio::time::timeout(OUTCOME_TIMEOUT, known).await.map(drop);
        let mut outcome = None;
        self.outcomes.send_modify(|outcomes| outcome = outcomes.remove(&session));
        outcome
    }
}
