//! Client of the daemon: relays the LSP of an editor window, and sends requests of the command line.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::folder::{runtime_folder, socket_path};
use super::handshake::{ClientHello, DaemonRequest, ServerHello};
use crate::plugins::PluginReport;

/// Time limit for a daemon that was just started to listen, and for a listening one to answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

type DaemonConnection = BufReader<UnixStream>;

/// Connects the editor on standard input and output to the daemon until the session ends. Returns true if the editor
/// sent `shutdown` before it left, or `None` if the daemon does not serve this window, which must then serve itself.
///
/// # Errors
/// If the outcome of the session cannot be queried.
pub(crate) fn connect() -> Result<Option<bool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let (connection, welcome) = match connect_or_start().await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!("no daemon is available, so this window serves itself: {error:#}");
                return Ok(None);
            }
        };
        let Some(session) = welcome.response.as_u64() else { return Ok(None) };
        forward(connection).await;
        let (_, welcome) = handshake(ClientHello::new(DaemonRequest::Outcome(session))).await?;
        Ok(Some(welcome.response.as_bool().unwrap_or(false)))
    });
    // The thread that reads standard input may never return.
    runtime.shutdown_background();
    outcome
}

/// Forwards bytes in both directions until either side ends.
async fn forward(connection: DaemonConnection) {
    let (mut from, mut to) = tokio::io::split(connection);
    let up = async {
        let mut input = tokio::io::stdin();
        let ended = tokio::io::copy(&mut input, &mut to).await;
        // The daemon sees the end of the input and sends its last messages.
        let _ = to.shutdown().await;
        ended
    };
    let down = async {
        let mut output = tokio::io::stdout();
        let ended = tokio::io::copy(&mut from, &mut output).await;
        // An editor that has exited does not read.
        let _ = output.flush().await;
        ended
    };
    tokio::pin!(up, down);
    tokio::select! {
        _ = &mut up => {
            // At the time limit, the daemon has had time for its last messages.
            let _ = tokio::time::timeout(RESPONSE_TIMEOUT, &mut down).await;
        }
        _ = &mut down => {}
    }
}

/// Returns the status of the daemon, or `None` if none is running.
///
/// # Errors
/// If the daemon does not answer.
pub(crate) fn status() -> Result<Option<Value>> {
    request(ClientHello::new(DaemonRequest::Status))
}

/// Returns the status of the plugins of a workspace in the daemon. The outer option is `None` if no daemon is running,
/// the inner one if no editor has opened that workspace.
///
/// # Errors
/// If the daemon does not answer, or is of another build.
pub(crate) fn plugins(root: &Path) -> Result<Option<Option<Vec<PluginReport>>>> {
    let hello = ClientHello { workspace: Some(root.to_owned()), ..ClientHello::new(DaemonRequest::Plugins) };
    let answer = request(hello)?;
    answer.map(|answer| serde_json::from_value(answer).context("the daemon is of another build")).transpose()
}

/// Stops the daemon. Returns false if none was running.
///
/// # Errors
/// If the daemon does not answer.
pub(crate) fn stop() -> Result<bool> {
    Ok(request(ClientHello::new(DaemonRequest::Stop))?.is_some())
}

fn request(hello: ClientHello) -> Result<Option<Value>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if UnixStream::connect(socket_path()?).await.is_err() {
            return Ok(None);
        }
        Ok(Some(handshake(hello).await?.1.response))
    })
}

async fn connect_or_start() -> Result<(DaemonConnection, ServerHello)> {
    if UnixStream::connect(socket_path()?).await.is_err() {
        spawn_daemon()?;
        let started = Instant::now();
        while UnixStream::connect(socket_path()?).await.is_err() {
            if started.elapsed() > RESPONSE_TIMEOUT {
                let log = runtime_folder()?.join("daemon.log");
                bail!("the daemon does not listen after {RESPONSE_TIMEOUT:?}: see {}", log.display());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    handshake(ClientHello::new(DaemonRequest::Lsp)).await
}

async fn handshake(hello: ClientHello) -> Result<(DaemonConnection, ServerHello)> {
    let exchange = async {
        let mut connection = BufReader::new(UnixStream::connect(socket_path()?).await?);
        let hello = serde_json::to_string(&hello)? + "\n";
        connection.write_all(hello.as_bytes()).await?;
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let welcome: ServerHello = serde_json::from_str(&line).context("the daemon is of another build")?;
        anyhow::Ok((connection, welcome))
    };
    let answered = tokio::time::timeout(RESPONSE_TIMEOUT, exchange).await;
    let (connection, welcome) = answered.context("the daemon does not answer")??;
    match welcome.refusal {
        Some(reason) => bail!("the daemon refuses to serve this window: {reason}"),
        None => Ok((connection, welcome)),
    }
}

/// Starts a daemon that outlives this process. If two windows do so at the same time, the second daemon exits at once.
fn spawn_daemon() -> Result<()> {
    use std::os::unix::process::CommandExt;

    let log = std::fs::File::create(runtime_folder()?.join("daemon.log")).context("cannot write the daemon's log")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["daemon", "serve"]).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().context("cannot start the daemon")?;
    Ok(())
}
