//! The daemon itself.

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

use super::{Hello, Want, Welcome, folder, own_uid, socket};
use crate::backend::Shared;
use crate::config::Config;
use crate::lsp;

/// A client says its first line within this time, or goes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Statistics are written this often.
const SAVE: Duration = Duration::from_secs(60);
const HELLO_BYTES: u64 = 1 << 20;
/// A client that sees its session end may ask for the outcome before it is known, and has this long to get it.
const ENDING: Duration = Duration::from_secs(2);
/// Outcomes that are kept.
const OUTCOMES: usize = 64;

struct Daemon {
    shared: Arc<Shared>,
    own: Hello,
    uid: u32,
    clients: watch::Sender<usize>,
    stop: watch::Sender<bool>,
    sessions: AtomicU64,
    /// How the last sessions ended, until their clients have asked. Those that vanished never do.
    outcomes: watch::Sender<BTreeMap<u64, bool>>,
}

/// Serves until it is stopped or has had no client for the configured time. Returns at once if there is a daemon already.
pub fn serve() -> Result<()> {
    let config = Config::load(None).unwrap_or_default();
    lsp::start_log(&config);
    let lock = File::create(folder()?.join("daemon.lock")).context("cannot write the daemon's lock")?;
    if lock.try_lock().is_err() {
        tracing::info!("there is a daemon already");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(listen(&config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn listen(config: &Config) -> Result<()> {
    let path = socket()?;
    // Whoever holds the lock may remove a socket that nobody listens on any more.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let daemon = Arc::new(Daemon {
        shared: Arc::default(),
        own: Hello::new(Want::Status),
        uid: own_uid()?,
        clients: watch::Sender::new(0),
        stop: watch::Sender::new(false),
        sessions: AtomicU64::new(0),
        outcomes: watch::Sender::default(),
    });
    let mut stop = daemon.stop.subscribe();
    let idle = Duration::from_secs(config.daemon.idle_minutes * 60).max(Duration::from_secs(1));
    tokio::spawn(save_often(daemon.clone()));
    tokio::select! {
        () = accept(&daemon, &listener) => {}
        () = idle_for(idle, daemon.clients.subscribe()) => tracing::info!("no client for {idle:?}"),
        _ = stop.wait_for(|stop| *stop) => {}
    }
    let _ = std::fs::remove_file(&path);
    daemon.shared.stats.save()
}

async fn accept(daemon: &Arc<Daemon>, listener: &UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let daemon = daemon.clone();
                // A panic in a session ends that session only.
                tokio::spawn(async move { daemon.welcome(stream).await });
            }
            Err(error) => {
                tracing::warn!("a client could not connect: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Returns when there has been no client for `idle`.
async fn idle_for(idle: Duration, mut clients: watch::Receiver<usize>) {
    loop {
        // Both fail only when the daemon is gone.
        let _ = clients.wait_for(|clients| *clients == 0).await;
        if tokio::time::timeout(idle, clients.wait_for(|clients| *clients > 0)).await.is_err() {
            return;
        }
    }
}

async fn save_often(daemon: Arc<Daemon>) {
    loop {
        tokio::time::sleep(SAVE).await;
        let shared = daemon.shared.clone();
        let saved = tokio::task::spawn_blocking(move || shared.stats.save()).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!("statistics are not saved: {error:#}");
        }
    }
}

/// Counts a client for as long as it lives.
struct Counted(Arc<Daemon>);

impl Counted {
    fn new(daemon: &Arc<Daemon>) -> Self {
        daemon.clients.send_modify(|clients| *clients += 1);
        Self(daemon.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.clients.send_modify(|clients| *clients -= 1);
    }
}

impl Daemon {
    async fn welcome(self: Arc<Self>, stream: UnixStream) {
        let peer = stream.peer_cred().map(|peer| peer.uid());
        if !peer.is_ok_and(|uid| uid == self.uid) {
            return tracing::warn!("a process of another user tried to connect");
        }
        let mut connection = BufReader::new(stream);
        let mut line = String::new();
        let mut limited = (&mut connection).take(HELLO_BYTES);
        let read = tokio::time::timeout(PATIENCE, limited.read_line(&mut line)).await;
        let Ok(hello) = serde_json::from_str::<Hello>(&line) else {
            return tracing::debug!("a client said nothing that makes sense ({read:?})");
        };
        let refused = self.refusal(&hello);
        let session = self.sessions.fetch_add(1, Ordering::Relaxed);
        let answer = if refused.is_some() { Value::Null } else { self.answer(&hello, session).await };
        let serves = refused.is_none() && hello.want == Want::Lsp;
        let welcome = serde_json::to_string(&Welcome { refused, answer }).unwrap_or_default() + "\n";
        if connection.write_all(welcome.as_bytes()).await.is_err() {
            return;
        }
        if serves {
            let counted = Counted::new(&self);
            let (input, output) = tokio::io::split(connection);
            let orderly = lsp::serve(input, output, self.shared.clone(), hello.options).await;
            drop(counted);
            self.ended(session, orderly);
        }
        if hello.want == Want::Stop {
            self.stop.send_replace(true);
        }
    }

    /// Why a client is not served.
    fn refusal(&self, hello: &Hello) -> Option<String> {
        if hello.want != Want::Lsp {
            return None;
        }
        if hello.build != self.own.build {
            return Some("it is of another build; `foretype daemon stop` ends it".to_owned());
        }
        (hello.folders != self.own.folders).then(|| "it was started with other folders".to_owned())
    }

    async fn answer(&self, hello: &Hello, session: u64) -> Value {
        match hello.want {
            Want::Lsp => json!(session),
            Want::Outcome(session) => json!(self.outcome(session).await),
            Want::Stop => json!(true),
            Want::Plugins => json!(hello.workspace.as_deref().and_then(|root| self.shared.plugins.reports(root))),
            Want::Status => json!({
                "pid": std::process::id(),
                "build": self.own.build,
                "clients": *self.clients.borrow(),
                "models": self.shared.models(),
                "statistics": self.shared.stats.counts(),
            }),
        }
    }

    fn ended(&self, session: u64, orderly: bool) {
        self.outcomes.send_modify(|outcomes| {
            outcomes.insert(session, orderly);
            while outcomes.len() > OUTCOMES {
                outcomes.pop_first();
            }
        });
    }

    /// How a session ended; `None` if nobody knows.
    async fn outcome(&self, session: u64) -> Option<bool> {
        let mut outcomes = self.outcomes.subscribe();
        let known = outcomes.wait_for(|outcomes| outcomes.contains_key(&session));
        // At the time limit it is looked up all the same, and is not there.
        let _ = tokio::time::timeout(ENDING, known).await.map(drop);
        let mut outcome = None;
        self.outcomes.send_modify(|outcomes| outcome = outcomes.remove(&session));
        outcome
    }
}
