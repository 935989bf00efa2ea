//! `foretype lsp`: what editors start.

use std::process::ExitCode;

use anyhow::Result;

/// Arguments of `foretype lsp`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep everything in this process instead of sharing one daemon among all windows
    #[arg(long)]
    standalone: bool,
    /// Accepted because many clients pass it; standard input and output are the only way
    #[arg(long, hide = true)]
    stdio: bool,
}

/// Runs `foretype lsp`.
pub fn run(args: Args) -> Result<ExitCode> {
    crate::lsp::run(args.standalone)
}
