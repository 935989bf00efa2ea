//! `foretype chat list`, `show`, `search`, `export` and `delete`: the saved conversations of this workspace.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::ask::conversation::{Conversation, ConversationStore};
use crate::cli::output::print_json;
use crate::cli::source_file::workspace_root;

/// Subcommands for saved conversations.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the conversations of this workspace
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a conversation
    Show {
        /// Number of the conversation
        number: u64,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the conversations that contain all of the given words
    Search {
        /// Words to search for, ignoring case
        #[arg(required = true)]
        words: Vec<String>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Export a conversation to a Markdown file
    Export {
        /// Number of the conversation
        number: u64,
        /// File to create, which must not exist
        file: PathBuf,
    },
    /// Delete a conversation
    Delete {
        /// Number of the conversation
        number: u64,
    },
}

/// Runs the command for the workspace of the current folder.
pub(super) fn run(command: Command) -> Result<ExitCode> {
    let kept = ConversationStore::open(&workspace_root(&std::env::current_dir()?.join("file"))?)?;
    match command {
        Command::List { json } => list(&kept, |_| true, json)?,
        Command::Search { words, json } => list(&kept, |conversation| contains_words(conversation, &words), json)?,
        Command::Show { number, json: true } => print_json(&kept.load(number)?.turns)?,
        Command::Show { number, json: false } => print!("{}", kept.load(number)?.to_markdown()),
        Command::Export { number, file } => export(&kept.load(number)?, &file)?,
        Command::Delete { number } => kept.delete(number)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(kept: &ConversationStore, wanted: impl Fn(&Conversation) -> bool, json: bool) -> Result<()> {
    let mut found = Vec::new();
    for conversation in kept.list()? {
        match conversation {
            Ok(conversation) => found.extend(Some(conversation).filter(&wanted)),
            // A damaged conversation does not hide the others.
            Err(error) => eprintln!("foretype: {error:#}"),
        }
    }
    let row = |conversation: &Conversation| {
        serde_json::json!({
            "number": conversation.id, "title": conversation.title(), "questions": conversation.turns.len(),
            "began": conversation.started_at,
        })
    };
    if json {
        return print_json(&found.iter().map(row).collect::<Vec<_>>());
    }
    if found.is_empty() {
        println!("No conversation found in this workspace.");
    }
    for conversation in &found {
        println!(
            "{:4}  {:3} questions  {}",
            conversation.id.unwrap_or_default(),
            conversation.turns.len(),
            conversation.title()
        );
    }
    Ok(())
}

fn contains_words(conversation: &Conversation, words: &[String]) -> bool {
    let said: String = conversation.turns.iter().map(|turn| format!("{}\n{}\n", turn.question, turn.answer)).collect();
    let said = said.to_lowercase();
    words.iter().all(|word| said.contains(&word.to_lowercase()))
}

fn export(conversation: &Conversation, file: &std::path::Path) -> Result<()> {
    ensure!(!file.exists(), "{} already exists: name another file", file.display());
    std::fs::write(file, conversation.to_markdown()).with_context(|| format!("cannot write {}", file.display()))
}
