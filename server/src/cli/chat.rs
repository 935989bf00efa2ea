//! `foretype chat`: conversations about code in the terminal.

mod saved;

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use tokio::sync::mpsc::{Receiver, channel};

use super::ask::print_sources;
use super::ask::session::{self, AskOptions, AskSession};
use crate::ask::AnswerSampling;
use crate::ask::conversation::{Conversation, ConversationStore, Turn};

/// Arguments of `foretype chat`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<saved::Command>,
    #[command(flatten)]
    options: AskOptions,
    /// Continue a conversation from `foretype chat list`
    #[arg(long = "continue", value_name = "NUMBER")]
    id: Option<u64>,
}

const COMMAND_HELP: &str = "/again      generate another answer to the last question
/edit TEXT  replace the last question with TEXT
/branch     continue in a copy of this conversation
/quit       quit (Ctrl-C stops an answer)";

/// Runs `foretype chat`.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    if let Some(command) = args.command {
        return saved::run(command);
    }
    let desk = AskSession::open(&args.options)?;
    desk.print_model_warning(None);
    let kept = ConversationStore::open(&desk.root)?;
    let conversation = match args.id {
        Some(id) => kept.load(id)?,
        None => Conversation::new(&desk.system_prompt()),
    };
    ChatSession { session: desk, store: kept, conversation, question_count: 0 }.run_loop()
}

/// Running conversation.
struct ChatSession {
    session: AskSession,
    store: ConversationStore,
    conversation: Conversation,
    /// Number of questions so far. It is the seed of alternative answers, so that each differs.
    question_count: u64,
}

impl ChatSession {
    fn run_loop(mut self) -> Result<ExitCode> {
        let mut lines = stdin_lines();
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if terminal {
            println!("Ask about code, or type /help for a list of commands.");
        }
        loop {
            if terminal {
                print!("> ");
                std::io::stdout().flush()?;
            }
            let next = self.session.runtime.block_on(async {
                tokio::select! {
                    line = lines.recv() => line,
                    _ = tokio::signal::ctrl_c() => None,
                }
            });
            let Some(line) = next.filter(|line| line.trim() != "/quit") else { return Ok(ExitCode::SUCCESS) };
            match self.handle_line(line.trim()) {
                Ok(true) => {}
                Ok(false) => return Ok(ExitCode::SUCCESS),
                // The conversation continues after an error, such as a question that is too long.
                Err(error) => eprintln!("foretype: {error:#}"),
            }
        }
    }

    /// Handles a line of input. Returns false if the reader of the output is gone.
    fn handle_line(&mut self, line: &str) -> Result<bool> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => Ok(true),
            "/help" => {
                println!("{COMMAND_HELP}");
                Ok(true)
            }
            "/branch" => {
                self.conversation.id = None;
                Ok(true)
            }
            "/edit" if rest.trim().is_empty() => {
                println!("The new text is missing: type /edit TEXT.");
                Ok(true)
            }
            "/again" | "/edit" => {
                let Some(last) = self.conversation.turns.last().cloned() else {
                    println!("There is no question yet.");
                    return Ok(true);
                };
                let (text, sampling) = match word {
                    "/again" => (last.question.as_str(), AnswerSampling::Seeded(self.question_count)),
                    _ => (rest, AnswerSampling::Greedy),
                };
                let before = self.conversation.clone();
                self.conversation.turns.pop();
                self.conversation.dropped_turns = self.conversation.dropped_turns.min(self.conversation.turns.len());
                let asked = self.ask(text, sampling);
                if asked.is_err() {
                    self.conversation = before;
                }
                asked
            }
            _ if word.starts_with('/') => {
                println!("Unknown command {word}. The commands are:\n{COMMAND_HELP}");
                Ok(true)
            }
            _ => self.ask(line, AnswerSampling::Greedy),
        }
    }

    fn ask(&mut self, text: &str, sampling: AnswerSampling) -> Result<bool> {
        self.question_count += 1;
        // The code is included once, unless the turn that has it was dropped.
        let with_code = self.conversation.turns.len() == self.conversation.dropped_turns;
        let question = self.session.question(text, with_code);
        let mut shown = String::new();
        let mut show = |text: &str| session::print_piece(text, &mut shown);
        let answered = self.session.answer(&mut self.conversation, &question, sampling, &mut show)?;
        if !answered.output_closed {
            print_sources(&question, &answered)?;
            self.session.print_statistics(&answered);
        }
        let (question, read, places) = (question.text, question.prompt_text, question.excerpts);
        self.conversation.turns.push(Turn { question, prompt_text: read, excerpts: places, answer: answered.text });
        self.store.save(&mut self.conversation)?;
        Ok(!answered.output_closed)
    }
}

/// Returns the lines of standard input. They are read on a separate thread, because the read cannot be interrupted.
fn stdin_lines() -> Receiver<String> {
    let (send, lines) = channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            // Invalid UTF-8 ends the conversation, as does the end of the input.
            let Ok(line) = line else { return };
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
