//! `foretype lsp`: the language server, as editors start it.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;

use crate::backend::SharedState;
use crate::config::Config;
use crate::{daemon, log, lsp};

/// Arguments of `foretype lsp`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run in one process instead of sharing a daemon with other windows
    #[arg(long)]
    standalone: bool,
    /// Use standard input and output, the only transport; accepted because many clients pass it
    #[arg(long, hide = true)]
    stdio: bool,
}

/// Serves an editor on standard input and output, through the daemon if there is one. The exit code is 0 if the editor
/// sent `shutdown` before it sent `exit` or disconnected.
///
/// # Errors
/// If the daemon fails during the session, or no runtime can be started.
pub fn run(args: Args) -> Result<ExitCode> {
    let config = Config::load(None).unwrap_or_default();
    log::start(&config);
    if !args.standalone
        && config.daemon.enabled
        && let Some(orderly) = daemon::connect()?
    {
        return Ok(exit_code(orderly));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let orderly = runtime.block_on(async {
        let shared = Arc::new(SharedState::default());
        let environment = std::env::vars().collect();
        let orderly = lsp::serve(tokio::io::stdin(), tokio::io::stdout(), shared.clone(), environment).await;
        if let Err(error) = shared.stats.save() {
            tracing::warn!("statistics are not saved: {error:#}");
        }
        orderly
    });
    // The thread that reads standard input may never return.
    runtime.shutdown_background();
    Ok(exit_code(orderly))
}

fn exit_code(orderly: bool) -> ExitCode {
    if orderly { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
