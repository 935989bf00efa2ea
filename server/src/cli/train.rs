//! `foretype train`: teaching a model the code of a team.

mod collect;
mod curves;
mod dry_run;
mod export;
mod learn;
mod progress;
mod settings;

use std::process::ExitCode;

use anyhow::Result;

/// Arguments of `foretype train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    corpus: collect::CorpusArgs,
    #[command(flatten)]
    learn: settings::LearnArgs,
    #[command(flatten)]
    export: export::ExportArgs,
    /// Only show what would be learned from, and why files are left out
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    report: dry_run::ReportArgs,
}

/// Runs `foretype train`.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.dry_run {
        return dry_run::run(&args.corpus, &args.report);
    }
    if let Some(folder) = &args.export.export {
        return export::run(args, folder);
    }
    let corpus = dry_run::collected(&args.corpus, &args.report)?;
    dry_run::warn(&corpus);
    learn::run(&corpus, &args.learn, args.corpus.seed())
}
