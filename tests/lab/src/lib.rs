//! `foretype-lab`, the laboratory: how fast Foretype is compared with other systems, and how good its models are on
//! public problem sets.
//!
//! It is part of the repository and not of the product. Users measure their own code with `foretype evaluate`.

mod keystrokes;
mod model;
mod problems;
mod process;
mod statistics;
mod trace;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Measure Foretype against other systems and on public problem sets.
#[derive(Debug, Parser)]
#[command(name = "foretype-lab", version, propagate_version = true, max_term_width = 100)]
struct Lab {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay typing in real time into Foretype and other systems, and compare what the typist gets
    Keystrokes(Box<keystrokes::Args>),
    /// Measure prefill and decode speed of a model, next to llama-bench
    Model(model::Args),
    /// Make a trace of typing from a repository's history or from any folder of source text
    Trace(trace::Args),
    /// HumanEval single-line infilling: pass@1 and exact match, greedy
    HumanevalInfilling(problems::infilling::Args),
    /// HumanEval: function bodies from docstrings, pass@1, greedy
    Humaneval(problems::methods::Args),
    /// HumanEvalPack: docstrings from code, smoothed BLEU-4 and chrF, greedy
    Docstring(problems::methods::Args),
    /// CodeTrans of CodeFuseEval: programs in another language, pass@1 where they can be run, greedy
    Translate(problems::methods::Args),
    /// Serve an editor over LSP: `keystrokes` measures this same build
    #[command(hide = true)]
    Lsp(foretype::cli::lsp::Args),
}

/// Declaration of the command line, which the documentation is checked against.
pub fn command() -> clap::Command {
    Lab::command()
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let result = match Lab::parse().command {
        Command::Keystrokes(args) => keystrokes::run(&args),
        Command::Model(args) => model::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::HumanevalInfilling(args) => problems::infilling::run(&args),
        Command::Humaneval(args) => problems::humaneval::run(&args),
        Command::Docstring(args) => problems::docstring::run(&args),
        Command::Translate(args) => problems::translate::run(&args),
        Command::Lsp(args) => foretype::cli::lsp::run(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("foretype-lab: {error:#}");
        ExitCode::FAILURE
    })
}
