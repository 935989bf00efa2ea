//! `foretype lsp`: the language server, as editors start it.

use std::process::ExitCode;

use anyhow::Result;

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

/// Runs `foretype lsp`.
pub fn run(args: Args) -> Result<ExitCode> {
    crate::lsp::run(args.standalone)
}
