//! `foretype evaluate`: how good the completions of a model are.

mod infilling;
mod sandbox;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Arguments of `foretype evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    set: Set,
}

#[derive(Debug, Subcommand)]
enum Set {
    /// HumanEval single-line infilling: pass@1 and exact match, greedy
    HumanevalInfilling(infilling::Args),
}

/// Runs `foretype evaluate`.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.set {
        Set::HumanevalInfilling(args) => infilling::run(&args),
    }
}
