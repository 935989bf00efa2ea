//! `foretype ask "…"`: answers a question about code in the terminal.

pub(super) mod location;
pub(super) mod session;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use foretype_plugins::tasks::ask::{Intent, find_citations};

use super::output::print_json;
use crate::ask::conversation::Conversation;
use crate::ask::{AnswerSampling, Question};
use crate::git;
use session::{AskAnswer, AskOptions, AskSession};

/// Arguments of `foretype ask`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Question to ask
    #[arg(value_name = "QUESTION")]
    question: Vec<String>,
    #[command(flatten)]
    intents: IntentFlags,
    #[command(flatten)]
    options: AskOptions,
    /// Print the complete answer as JSON
    #[arg(long)]
    json: bool,
}

/// Questions that need no text.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct IntentFlags {
    /// Explain the code
    #[arg(long)]
    explain: bool,
    /// Find bugs in the code
    #[arg(long)]
    find_bugs: bool,
    /// Suggest tests for the code
    #[arg(long)]
    suggest_tests: bool,
    /// Suggest names for the code
    #[arg(long)]
    name: bool,
    /// Suggest how to simplify the code
    #[arg(long)]
    simplify: bool,
    /// Write a commit message for the staged changes
    #[arg(long, conflicts_with = "file")]
    commit_message: bool,
}

impl IntentFlags {
    fn intent(&self) -> Option<Intent> {
        let all = [
            (self.explain, Intent::Explain),
            (self.find_bugs, Intent::FindBugs),
            (self.suggest_tests, Intent::SuggestTests),
            (self.name, Intent::Name),
            (self.simplify, Intent::Simplify),
            (self.commit_message, Intent::CommitMessage),
        ];
        all.into_iter().find(|(set, _)| *set).map(|(_, intent)| intent)
    }
}

/// Runs `foretype ask`.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let intent = args.intents.intent();
    let words = args.question.join(" ");
    ensure!(
        intent.is_some() || !words.trim().is_empty(),
        "there is no question: ask something, or use a flag such as --explain or --find-bugs"
    );
    let needs_code = intent.is_some_and(|intent| intent != Intent::CommitMessage);
    ensure!(
        !needs_code || args.options.file.is_some(),
        "there is no code to look at: name it with --file FILE:LINE or --file FILE:LINE-LINE"
    );
    // Faults of the diff are reported before the model is loaded.
    let diff = match intent {
        Some(Intent::CommitMessage) => Some(staged_diff()?),
        _ => None,
    };
    let desk = AskSession::open(&args.options)?;
    desk.print_model_warning(intent);
    let question = match &diff {
        Some(diff) => Question::commit_message(diff, desk.max_code_bytes())?,
        None => desk.question(&[intent.map_or("", Intent::question), words.as_str()].join(" "), true),
    };
    let mut conversation = Conversation::new(&desk.system_prompt());
    let mut shown = String::new();
    let mut show = |text: &str| if args.json { Ok(()) } else { session::print_piece(text, &mut shown) };
    let answered = desk.answer(&mut conversation, &question, AnswerSampling::Greedy, &mut show)?;
    if answered.output_closed {
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        print_json(&answer_json(&question, &answered))?;
    } else {
        print_sources(&question, &answered)?;
    }
    desk.print_statistics(&answered);
    // Exit code 130 is what a shell expects of an interrupted command.
    Ok(if answered.interrupted { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

/// Returns the diff of the staged changes in the current folder.
fn staged_diff() -> Result<String> {
    let diff = git::staged_diff_here()?;
    ensure!(!diff.trim().is_empty(), "nothing is staged: stage your changes with `git add` first");
    Ok(diff)
}

/// Prints the excerpts that the model read, and those that the answer cites.
pub(super) fn print_sources(question: &Question, answered: &AskAnswer) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut write = || -> std::io::Result<()> {
        if !answered.text.ends_with('\n') {
            writeln!(out)?;
        }
        if !question.excerpts.is_empty() {
            writeln!(out, "\nRead:")?;
        }
        for place in &question.excerpts {
            writeln!(out, "  {} ({})", place.location(), place.reason)?;
        }
        let cited: Vec<_> = find_citations(&answered.text, &question.excerpts);
        if !cited.is_empty() {
            let cited: Vec<String> = cited.iter().map(|it| format!("{}:{}", it.path, it.line)).collect();
            writeln!(out, "Cited: {}", cited.join(", "))?;
        }
        out.flush()
    };
    match write() {
        // The reader has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

fn answer_json(question: &Question, answered: &AskAnswer) -> serde_json::Value {
    serde_json::json!({
        "question": question.text,
        "answer": answered.text,
        "places": question.excerpts,
        "citations": find_citations(&answered.text, &question.excerpts),
        "stopped": answered.interrupted,
        "cut": answered.truncated,
        "evaluated": answered.usage.evaluated,
        "reused": answered.usage.reused,
        "generated": answered.usage.generated,
    })
}
