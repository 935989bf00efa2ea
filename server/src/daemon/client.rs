//! The side of the editor's window.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{Hello, Want, Welcome, folder, socket};
use crate::plugins::Report;

/// A daemon that was started has this long to listen, and one that listens to answer.
const PATIENCE: Duration = Duration::from_secs(5);

type Connection = BufReader<UnixStream>;

/// Serves the editor on standard input and output by the daemon. True if the editor said `shutdown` before it went; `None`
/// if the daemon does not serve this window, which then has to serve itself.
pub fn connect() -> Result<Option<bool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let (connection, welcome) = match open_or_start().await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!("no daemon, this window serves itself: {error:#}");
                return Ok(None);
            }
        };
        let Some(session) = welcome.answer.as_u64() else { return Ok(None) };
        carry(connection).await;
        let (_, welcome) = open(Hello::new(Want::Outcome(session))).await?;
        Ok(Some(welcome.answer.as_bool().unwrap_or(false)))
    });
    // The thread that reads standard input may never return.
    runtime.shutdown_background();
    outcome
}

/// Carries bytes both ways until either side ends.
async fn carry(connection: Connection) {
    let (mut from, mut to) = tokio::io::split(connection);
    let up = async {
        let mut input = tokio::io::stdin();
        let ended = tokio::io::copy(&mut input, &mut to).await;
        // The daemon sees the end of input and says its last words.
        let _ = to.shutdown().await;
        ended
    };
    let down = async {
        let mut output = tokio::io::stdout();
        let ended = tokio::io::copy(&mut from, &mut output).await;
        // An editor that is gone does not read.
        let _ = output.flush().await;
        ended
    };
    tokio::pin!(up, down);
    tokio::select! {
        _ = &mut up => {
            // At the time limit the daemon has had its say.
            let _ = tokio::time::timeout(PATIENCE, &mut down).await;
        }
        _ = &mut down => {}
    }
}

/// How the daemon is; `None` if there is none.
pub fn status() -> Result<Option<Value>> {
    ask(Hello::new(Want::Status))
}

/// How the plugins of a workspace are in the daemon. The outer `None` if there is no daemon, the inner if no editor has opened
/// that workspace with it.
pub fn plugins(root: &Path) -> Result<Option<Option<Vec<Report>>>> {
    let hello = Hello { workspace: Some(root.to_owned()), ..Hello::new(Want::Plugins) };
    let answer = ask(hello)?;
    answer.map(|answer| serde_json::from_value(answer).context("the daemon is of another build")).transpose()
}

/// Ends the daemon; false if there was none.
pub fn stop() -> Result<bool> {
    Ok(ask(Hello::new(Want::Stop))?.is_some())
}

fn ask(hello: Hello) -> Result<Option<Value>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if UnixStream::connect(socket()?).await.is_err() {
            return Ok(None);
        }
        Ok(Some(open(hello).await?.1.answer))
    })
}

async fn open_or_start() -> Result<(Connection, Welcome)> {
    if UnixStream::connect(socket()?).await.is_err() {
        start()?;
        let started = Instant::now();
        while UnixStream::connect(socket()?).await.is_err() {
            if started.elapsed() > PATIENCE {
                bail!("it does not listen after {PATIENCE:?}; see {}", folder()?.join("daemon.log").display());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    open(Hello::new(Want::Lsp)).await
}

async fn open(hello: Hello) -> Result<(Connection, Welcome)> {
    let asked = async {
        let mut connection = BufReader::new(UnixStream::connect(socket()?).await?);
        let hello = serde_json::to_string(&hello)? + "\n";
        connection.write_all(hello.as_bytes()).await?;
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let welcome: Welcome = serde_json::from_str(&line).context("it speaks another language")?;
        anyhow::Ok((connection, welcome))
    };
    let (connection, welcome) = tokio::time::timeout(PATIENCE, asked).await.context("it does not answer")??;
    match welcome.refused {
        Some(why) => bail!("the daemon refuses: {why}"),
        None => Ok((connection, welcome)),
    }
}

/// Starts a daemon that outlives this process. Should two windows do so at once, the second daemon ends at once.
fn start() -> Result<()> {
    use std::os::unix::process::CommandExt;

    let log = std::fs::File::create(folder()?.join("daemon.log")).context("cannot write the daemon's log")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["daemon", "serve"]).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().context("cannot start the daemon")?;
    Ok(())
}
