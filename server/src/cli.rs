//! The command line: one file per command in `cli/`, and here what they share.

pub mod ask;
pub mod chat;
pub mod complete;
pub mod daemon;
pub mod docstring;
pub mod doctor;
pub mod edit;
pub mod evaluate;
pub mod generate;
pub mod lsp;
pub mod model;
mod moved;
pub mod plugin;
pub(crate) mod rewrite;
pub mod search;
pub mod train;
pub mod translate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Code completion by a GPT on your own machine.
#[derive(Debug, Parser)]
#[command(name = "foretype", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve an editor over LSP on standard input and output
    Lsp(lsp::Args),
    /// Print what would be suggested at a position of a file
    Complete(complete::Args),
    /// Write the docstring of a function, method, class or module
    Docstring(docstring::Args),
    /// Ask something about code
    Ask(ask::Args),
    /// Find code by words, as questions do
    Search(search::Args),
    /// Write code again in another programming language, or its comments in another natural one
    Translate(translate::Args),
    /// Change lines of a file as you say
    Edit(edit::Args),
    /// Write the code for a comment, or the body for a signature
    Generate(generate::Args),
    /// Talk about code, and look at what was said before
    Chat(chat::Args),
    /// List, download and describe models
    Model(model::Args),
    /// List, write, check and trust plugins
    Plugin(plugin::Args),
    /// Look at the process that editor windows share, or stop it
    Daemon(daemon::Args),
    /// Look at what is installed and say what is wrong and how to mend it
    Doctor(doctor::Args),
    /// Teach a model the code of repositories and folders
    Train(Box<train::Args>),
    /// Measure how good the completions of a model are
    Evaluate(evaluate::Args),
    /// Moved to the laboratory
    #[command(hide = true, disable_help_flag = true)]
    Bench(moved::MovedArgs),
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

/// Ends quietly, as other programs do, when what is printed goes into a pipe that is closed (`| head`).
fn exit_on_broken_pipe() {
    /// What a shell says of a program that a closed pipe has ended.
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

/// Prints a report as indented JSON.
fn print_json(report: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(report)?);
    Ok(())
}
