//! `foretype train`: trains a model on code.

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
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<TrainCommand>,
    #[command(flatten)]
    corpus: collect::CorpusArgs,
    #[command(flatten)]
    learn: settings::LearnArgs,
    /// Print which files would be used and why others are left out, without training
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    report: dry_run::ReportArgs,
}

/// Subcommands of `foretype train`.
#[derive(Debug, Subcommand)]
enum TrainCommand {
    /// Export samples, the model and settings for transformers, accelerate and axolotl, to train on another machine
    Export(Box<export::Args>),
    /// Draw the loss curves of a run on another machine
    Curves(curves::Args),
}

/// Runs `foretype train`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Some(TrainCommand::Export(args)) => return export::run(args),
        Some(TrainCommand::Curves(args)) => return curves::run(args),
        None => {}
    }
    if args.dry_run {
        return dry_run::run(&args.corpus, &args.report);
    }
    let corpus = dry_run::collected(&args.corpus, &args.report)?;
    dry_run::warn(&corpus);
    learn::run(&corpus, &args.learn, args.corpus.seed())
}
