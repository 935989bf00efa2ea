//! `foretype ask "…"`: a question about code, answered in the terminal.

pub(super) mod desk;
pub(super) mod place;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use foretype_plugins::strategies::ask::{Intent, cited};

use super::{git, print_json};
use crate::ask::conversation::Conversation;
use crate::ask::{Draw, Question};
use desk::{Answered, Desk, Options};

/// Arguments of `foretype ask`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The question
    #[arg(value_name = "QUESTION")]
    question: Vec<String>,
    #[command(flatten)]
    intents: Intents,
    #[command(flatten)]
    options: Options,
    /// As JSON, once the answer is complete
    #[arg(long)]
    json: bool,
}

/// Questions that need no words.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Intents {
    /// Ask what the code does
    #[arg(long)]
    explain: bool,
    /// Ask what is wrong with the code
    #[arg(long)]
    find_bugs: bool,
    /// Ask how the code could be tested
    #[arg(long)]
    suggest_tests: bool,
    /// Ask what the code could be called
    #[arg(long)]
    name: bool,
    /// Ask how the code could be simpler
    #[arg(long)]
    simplify: bool,
    /// Ask for the message of a commit of what is staged
    #[arg(long, conflicts_with = "file")]
    commit_message: bool,
}

impl Intents {
    fn intent(&self) -> Option<Intent> {
        let all = [
            (self.explain, Intent::Explain),
            (self.find_bugs, Intent::FindBugs),
            (self.suggest_tests, Intent::SuggestTests),
            (self.name, Intent::Name),
            (self.simplify, Intent::Simplify),
            (self.commit_message, Intent::CommitMessage),
        ];
        all.into_iter().find_map(|(set, intent)| set.then_some(intent))
    }
}

/// Runs `foretype ask`.
pub fn run(args: Args) -> Result<ExitCode> {
    let intent = args.intents.intent();
    let words = args.question.join(" ");
    ensure!(intent.is_some() || !words.trim().is_empty(), "ask something, or say --explain, --find-bugs and the like");
    let needs_code = intent.is_some_and(|intent| intent != Intent::CommitMessage);
    ensure!(
        !needs_code || args.options.file.is_some(),
        "say which code with --file FILE:LINE or --file FILE:LINE-LINE"
    );
    // What is wrong with a diff is found out before a model is loaded.
    let diff = match intent {
        Some(Intent::CommitMessage) => Some(staged()?),
        _ => None,
    };
    let desk = Desk::open(&args.options)?;
    desk.doubts(intent);
    let question = match &diff {
        Some(diff) => Question::about_diff(diff, desk.room())?,
        None => desk.question(&[intent.map_or("", Intent::question), words.as_str()].join(" "), true),
    };
    let mut talk = Conversation::new(&desk.system());
    let mut shown = String::new();
    let mut show = |text: &str| if args.json { Ok(()) } else { desk::print(text, &mut shown) };
    let answered = desk.answer(&mut talk, &question, Draw::Likeliest, &mut show)?;
    if answered.gone {
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        print_json(&report(&question, &answered))?;
    } else {
        finish(&question, &answered)?;
    }
    desk.statistics(&answered);
    // What a shell expects of a command that was interrupted.
    Ok(if answered.stopped { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

/// What is staged here. `git diff` gives the files in an order of its own; binary files have no text.
fn staged() -> Result<String> {
    let diff = git::staged(Path::new("."))?;
    ensure!(!diff.trim().is_empty(), "nothing is staged: stage the change with `git add` first");
    Ok(diff)
}

/// The places behind an answer.
pub(super) fn finish(question: &Question, answered: &Answered) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut write = || -> std::io::Result<()> {
        if !answered.text.ends_with('\n') {
            writeln!(out)?;
        }
        if !question.excerpts.is_empty() {
            writeln!(out, "\nRead:")?;
        }
        for place in &question.excerpts {
            writeln!(out, "  {} ({})", place.place(), place.why)?;
        }
        let cited: Vec<_> = cited(&answered.text, &question.excerpts);
        if !cited.is_empty() {
            let cited: Vec<String> = cited.iter().map(|it| format!("{}:{}", it.path, it.line)).collect();
            writeln!(out, "Cited: {}", cited.join(", "))?;
        }
        out.flush()
    };
    match write() {
        // Whoever read this has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

fn report(question: &Question, answered: &Answered) -> serde_json::Value {
    serde_json::json!({
        "question": question.text,
        "answer": answered.text,
        "places": question.excerpts,
        "citations": cited(&answered.text, &question.excerpts),
        "stopped": answered.stopped,
        "cut": answered.cut,
        "evaluated": answered.usage.evaluated,
        "reused": answered.usage.reused,
        "generated": answered.usage.generated,
    })
}
