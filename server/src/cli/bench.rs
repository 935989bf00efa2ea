//! `foretype bench`: how fast it is, always beside what else a user could run on the same machine in the same minute.

pub(super) mod keystrokes;
mod model;
mod process;
pub(super) mod trace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Arguments of `foretype bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Replay typing in real time into Foretype and its peers, and compare what the typist gets
    Keystrokes(Box<keystrokes::Args>),
    /// Measure how fast a model reads and writes, beside llama-bench
    Model(model::Args),
    /// Make a trace of typing from a repository's history or from any folder of source text
    Trace(trace::Args),
}

/// The middle value; of an even number the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 || upper.is_infinite() { upper } else { (values[middle - 1] + upper) / 2.0 })
}

/// Runs `foretype bench`.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.what {
        What::Keystrokes(args) => keystrokes::run(&args),
        What::Model(args) => model::run(&args),
        What::Trace(args) => trace::run(&args),
    }
}
