//! `foretype chat list`, `show`, `search`, `export` and `delete`: the conversations of this workspace.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::ask::conversation::{Conversation, Kept};
use crate::cli::complete::root_of;
use crate::cli::print_json;

/// What to do with conversations that are kept.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the conversations of this workspace
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a conversation
    Show {
        /// Its number
        number: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the conversations in which all of these words were said
    Search {
        /// The words; capitals do not matter
        #[arg(required = true)]
        words: Vec<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a conversation to a file, as Markdown
    Export {
        /// Its number
        number: u64,
        /// The file, which must not exist
        file: PathBuf,
    },
    /// Delete a conversation
    Delete {
        /// Its number
        number: u64,
    },
}

/// Runs the command for the workspace that the current folder belongs to.
pub(super) fn run(command: Command) -> Result<ExitCode> {
    let kept = Kept::of(&root_of(&std::env::current_dir()?.join("file"))?)?;
    match command {
        Command::List { json } => list(&kept, |_| true, json)?,
        Command::Search { words, json } => list(&kept, |talk| says(talk, &words), json)?,
        Command::Show { number, json: true } => print_json(&kept.read(number)?.turns)?,
        Command::Show { number, json: false } => print!("{}", kept.read(number)?.markdown()),
        Command::Export { number, file } => export(&kept.read(number)?, &file)?,
        Command::Delete { number } => kept.delete(number)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(kept: &Kept, wanted: impl Fn(&Conversation) -> bool, json: bool) -> Result<()> {
    let mut found = Vec::new();
    for talk in kept.all()? {
        match talk {
            Ok(talk) => found.extend(Some(talk).filter(&wanted)),
            // One that is damaged does not hide the others.
            Err(error) => eprintln!("foretype: {error:#}"),
        }
    }
    let row = |talk: &Conversation| {
        serde_json::json!({
            "number": talk.id, "title": talk.title(), "questions": talk.turns.len(), "began": talk.began,
        })
    };
    if json {
        return print_json(&found.iter().map(row).collect::<Vec<_>>());
    }
    if found.is_empty() {
        println!("No conversation here.");
    }
    for talk in &found {
        println!("{:4}  {:3} questions  {}", talk.id.unwrap_or_default(), talk.turns.len(), talk.title());
    }
    Ok(())
}

fn says(talk: &Conversation, words: &[String]) -> bool {
    let said: String = talk.turns.iter().map(|turn| format!("{}\n{}\n", turn.question, turn.answer)).collect();
    let said = said.to_lowercase();
    words.iter().all(|word| said.contains(&word.to_lowercase()))
}

fn export(talk: &Conversation, file: &std::path::Path) -> Result<()> {
    ensure!(!file.exists(), "{} is there already: name another file", file.display());
    std::fs::write(file, talk.markdown()).with_context(|| format!("cannot write {}", file.display()))
}
