//! `foretype train`: teaching a model the code of a team.

mod collect;
mod dry_run;

use std::process::ExitCode;

use anyhow::Result;

/// Arguments of `foretype train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    corpus: collect::CorpusArgs,
    /// Show what would be learned from, and why files are left out
    #[arg(long, required = true)]
    dry_run: bool,
    #[command(flatten)]
    report: dry_run::ReportArgs,
}

/// Runs `foretype train`.
pub fn run(args: &Args) -> Result<ExitCode> {
    dry_run::run(&args.corpus, &args.report)
}
