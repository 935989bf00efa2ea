//! Command line: one file per command in `cli/`. This module has the list of commands and what they share.

mod ask;
mod chat;
mod complete;
mod daemon;
mod docstring;
mod doctor;
mod edit;
mod evaluate;
mod generate;
pub mod lsp;
mod model;
mod moved;
mod output;
mod plugin;
#[cfg(test)]
mod reference;
mod rewrite;
mod search;
mod source_file;
mod train;
mod translate;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Code completion by a GPT on your own machine
#[derive(Debug, Parser)]
#[command(name = "foretype", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the language server on standard input and output
    Lsp(lsp::Args),
    /// Print the suggestion at a position in a file
    Complete(complete::Args),
    /// Write docstrings for functions, methods, classes and modules
    Docstring(docstring::Args),
    /// Ask a question about code
    Ask(ask::Args),
    /// Search the workspace for code
    Search(search::Args),
    /// Translate code into another programming language, or comments into another natural language
    Translate(translate::Args),
    /// Edit lines of a file according to an instruction
    Edit(edit::Args),
    /// Generate the code for a comment, or the body for a signature
    Generate(generate::Args),
    /// Chat about code, and manage saved conversations
    Chat(chat::Args),
    /// Manage models
    Model(model::Args),
    /// Manage plugins
    Plugin(plugin::Args),
    /// Manage the background process that editor windows share
    Daemon(daemon::Args),
    /// Check the installation and suggest remedies for problems
    Doctor(doctor::Args),
    /// Train a model on your code
    Train(Box<train::Args>),
    /// Evaluate the completions of a model
    Evaluate(evaluate::Args),
    /// Moved to the laboratory
    #[command(hide = true, disable_help_flag = true)]
    Bench(moved::MovedArgs),
}

/// Declaration of the command line, which the documentation is checked against.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    exit_on_broken_pipe();
    match cli.command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("foretype: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Exits quietly, as other programs do, when the output goes into a closed pipe (`| head`).
fn exit_on_broken_pipe() {
    /// Exit code that a shell reports for a program that SIGPIPE has ended.
    const BROKEN_PIPE_EXIT_CODE: i32 = 141;
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let printing =
            panic.payload().downcast_ref::<String>().is_some_and(|why| why.starts_with("failed printing to stdout"));
        if printing {
            std::process::exit(BROKEN_PIPE_EXIT_CODE);
        }
        usual(panic);
    }));
}

impl Command {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Lsp(args) => lsp::run(args),
            Self::Complete(args) => complete::run(args),
            Self::Docstring(args) => docstring::run(args),
            Self::Ask(args) => ask::run(args),
            Self::Search(args) => search::run(&args),
            Self::Translate(args) => translate::run(&args),
            Self::Edit(args) => edit::run(&args),
            Self::Generate(args) => generate::run(&args),
            Self::Chat(args) => chat::run(args),
            Self::Model(args) => model::run(args),
            Self::Plugin(args) => plugin::run(args),
            Self::Daemon(args) => daemon::run(args),
            Self::Doctor(args) => doctor::run(args),
            Self::Train(args) => train::run(&args),
            Self::Evaluate(args) => evaluate::run(args),
            Self::Bench(args) => {
                let name = args.subcommand();
                Ok(moved::report(&format!("bench {name}"), name))
            }
        }
    }
}
