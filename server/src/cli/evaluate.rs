//! `foretype evaluate`: how good the completions of a model are.
//!
//! [`repository`] makes a report of the holes in a folder of source text, and [`compare`] tells whether two reports
//! differ by more than chance. Items, metrics and reports are in [`crate::evaluate`].

mod compare;
pub(super) mod repository;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::moved::{self, MovedArgs};

/// Arguments of `foretype evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    set: Set,
}

#[derive(Debug, Subcommand)]
enum Set {
    /// Pieces taken out of the files of any folder: lines, rests of lines, bodies, arguments and calls
    Repository(Box<repository::Args>),
    /// Moved to the laboratory
    #[command(hide = true, disable_help_flag = true)]
    HumanevalInfilling(MovedArgs),
    /// Moved to the laboratory
    #[command(hide = true, disable_help_flag = true)]
    Humaneval(MovedArgs),
    /// Moved to the laboratory
    #[command(hide = true, disable_help_flag = true)]
    Docstring(MovedArgs),
    /// Moved to the laboratory
    #[command(hide = true, disable_help_flag = true)]
    Translate(MovedArgs),
    /// Say whether two reports of the same items differ by more than chance
    Compare(compare::Args),
}

/// Runs `foretype evaluate`.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    match args.set {
        Set::Repository(args) => repository::run(&args),
        Set::HumanevalInfilling(_) => Ok(moved_set("humaneval-infilling")),
        Set::Humaneval(_) => Ok(moved_set("humaneval")),
        Set::Docstring(_) => Ok(moved_set("docstring")),
        Set::Translate(_) => Ok(moved_set("translate")),
        Set::Compare(args) => compare::run(&args),
    }
}

fn moved_set(name: &str) -> ExitCode {
    moved::report(&format!("evaluate {name}"), name)
}
