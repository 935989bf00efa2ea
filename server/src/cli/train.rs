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
use clap::Subcommand;

/// Arguments of `foretype train`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    instead: Option<Instead>,
    #[command(flatten)]
    corpus: collect::CorpusArgs,
    #[command(flatten)]
    learn: settings::LearnArgs,
    /// Only show what would be learned from, and why files are left out
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    report: dry_run::ReportArgs,
}

/// What is done instead of training.
#[derive(Debug, Subcommand)]
enum Instead {
    /// Write samples, the model and settings for transformers, accelerate and axolotl, to train on another machine
    Export(Box<export::Args>),
    /// Draw the curves of a run that was made elsewhere
    Curves(curves::Args),
}

/// Runs `foretype train`.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.instead {
        Some(Instead::Export(args)) => return export::run(args),
        Some(Instead::Curves(args)) => return curves::run(args),
        None => {}
    }
    if args.dry_run {
        return dry_run::run(&args.corpus, &args.report);
    }
    let corpus = dry_run::collected(&args.corpus, &args.report)?;
    dry_run::warn(&corpus);
    learn::run(&corpus, &args.learn, args.corpus.seed())
}
