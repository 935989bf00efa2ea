//! `foretype chat`: a conversation about code in the terminal, and those that were held before.

mod kept;

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use tokio::sync::mpsc::{Receiver, channel};

use super::ask::desk::{self, Desk, Options};
use super::ask::finish;
use crate::ask::Draw;
use crate::ask::conversation::{Conversation, Kept, Turn};

/// Arguments of `foretype chat`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<kept::Command>,
    #[command(flatten)]
    options: Options,
    /// Go on with a conversation that `chat list` shows
    #[arg(long = "continue", value_name = "NUMBER")]
    id: Option<u64>,
}

const HELP: &str = "/again     another answer to the last question
/edit TEXT ask TEXT in place of the last question
/branch    go on in a copy of this conversation
/quit      end; Ctrl-C stops an answer";

/// Runs `foretype chat`.
pub fn run(args: Args) -> Result<ExitCode> {
    if let Some(command) = args.command {
        return kept::run(command);
    }
    let desk = Desk::open(&args.options)?;
    desk.doubts(None);
    let kept = Kept::of(&desk.root)?;
    let talk = match args.id {
        Some(id) => kept.read(id)?,
        None => Conversation::new(&desk.system()),
    };
    Chat { desk, kept, talk, asked: 0 }.go_on()
}

/// A conversation that is being held.
struct Chat {
    desk: Desk,
    kept: Kept,
    talk: Conversation,
    /// Questions since the start, so that another answer is drawn each time.
    asked: u64,
}

impl Chat {
    fn go_on(mut self) -> Result<ExitCode> {
        let mut lines = lines();
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if terminal {
            println!("Ask about code; /help shows what else there is.");
        }
        loop {
            if terminal {
                print!("> ");
                std::io::stdout().flush()?;
            }
            let next = self.desk.runtime.block_on(async {
                tokio::select! {
                    line = lines.recv() => line,
                    _ = tokio::signal::ctrl_c() => None,
                }
            });
            let Some(line) = next.filter(|line| line.trim() != "/quit") else { return Ok(ExitCode::SUCCESS) };
            match self.line(line.trim()) {
                Ok(true) => {}
                Ok(false) => return Ok(ExitCode::SUCCESS),
                // A question that is too long, say: the conversation goes on.
                Err(error) => eprintln!("foretype: {error:#}"),
            }
        }
    }

    /// Does what a line says; false if nobody reads the output any more.
    fn line(&mut self, line: &str) -> Result<bool> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => Ok(true),
            "/help" => {
                println!("{HELP}");
                Ok(true)
            }
            "/branch" => {
                self.talk.id = None;
                Ok(true)
            }
            "/edit" if rest.trim().is_empty() => {
                println!("/edit needs the new text: /edit TEXT");
                Ok(true)
            }
            "/again" | "/edit" => {
                let Some(last) = self.talk.turns.last().cloned() else {
                    println!("Nothing was asked yet.");
                    return Ok(true);
                };
                let (text, draw) = match word {
                    "/again" => (last.question.as_str(), Draw::Another(self.asked)),
                    _ => (rest, Draw::Likeliest),
                };
                let before = self.talk.clone();
                self.talk.turns.pop();
                self.talk.dropped = self.talk.dropped.min(self.talk.turns.len());
                let asked = self.ask(text, draw);
                if asked.is_err() {
                    self.talk = before;
                }
                asked
            }
            _ if word.starts_with('/') => {
                println!("There is no {word}.\n{HELP}");
                Ok(true)
            }
            _ => self.ask(line, Draw::Likeliest),
        }
    }

    fn ask(&mut self, text: &str, draw: Draw) -> Result<bool> {
        self.asked += 1;
        // What the model reads already is not shown to it again.
        let with_code = self.talk.turns.len() == self.talk.dropped;
        let question = self.desk.question(text, with_code);
        let mut shown = String::new();
        let mut show = |text: &str| desk::print(text, &mut shown);
        let answered = self.desk.answer(&mut self.talk, &question, draw, &mut show)?;
        if !answered.gone {
            finish(&question, &answered)?;
            self.desk.statistics(&answered);
        }
        let (question, read, places) = (question.text, question.read, question.excerpts);
        self.talk.turns.push(Turn { question, read, places, answer: answered.text });
        self.kept.write(&mut self.talk)?;
        Ok(!answered.gone)
    }
}

/// The lines of standard input, read on a thread of their own: that one cannot be interrupted.
fn lines() -> Receiver<String> {
    let (send, lines) = channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            // Bytes that are no text end the conversation, as the end of the input does.
            let Ok(line) = line else { return };
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
