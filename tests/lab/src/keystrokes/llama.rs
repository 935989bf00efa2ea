//! llama-server with a client that behaves as llama.vim does, or as an ideal one would.
//!
//! As shipped, the client never breaks a request off: while one is in flight it looks again every 100 milliseconds, and what
//! comes back late is used if it agrees with what was typed meanwhile. The ideal client closes the connection at the next
//! key, asks only for what it does not remember, and has the prompt read where the cursor rests before anything is typed, as Foretype's
//! does. Both are given more than llama.vim has: answers are read as they stream, and an answer that repeats the rest of the line is cut.

mod http;
mod memory;
mod order;
pub(in crate::cli) mod server;

use std::io::BufRead;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::desk::{Change, Desk};
use super::system::{Costs, Said, System};
use http::Connection;
use memory::Memory;
use order::{Ask, Order};
use server::Server;

/// How long llama.vim waits before it looks again.
const RETRY: Duration = Duration::from_millis(100);
/// llama.vim does not ask where more characters than this stand right of the cursor.
const MOST_RIGHT: usize = 8;

/// Which prompt is sent, and how the client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Variant {
    /// llama.vim's protocol as shipped
    Infill,
    /// The same with a client that breaks requests off and has a prompt read before the first key
    InfillIdeal,
    /// llama.vim's protocol, the server started with --spm-infill
    Spm,
    /// The same with a client that breaks requests off and has a prompt read before the first key
    SpmIdeal,
    /// The typed text after the middle marker, sent to /completion
    Middle,
    /// The same with a client that breaks requests off and has a prompt read before the first key
    MiddleIdeal,
}

/// All of them.
pub(super) const VARIANTS: &[Variant] =
    &[Variant::Infill, Variant::InfillIdeal, Variant::Spm, Variant::SpmIdeal, Variant::Middle, Variant::MiddleIdeal];

impl Variant {
    /// What a report calls it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Infill => "llama-server infill",
            Self::InfillIdeal => "llama-server infill, ideal",
            Self::Spm => "llama-server spm",
            Self::SpmIdeal => "llama-server spm, ideal",
            Self::Middle => "llama-server middle",
            Self::MiddleIdeal => "llama-server middle, ideal",
        }
    }

    fn is_ideal(self) -> bool {
        matches!(self, Self::InfillIdeal | Self::SpmIdeal | Self::MiddleIdeal)
    }

    fn is_middle(self) -> bool {
        matches!(self, Self::Middle | Self::MiddleIdeal)
    }

    fn is_suffix_first(self) -> bool {
        matches!(self, Self::Spm | Self::SpmIdeal)
    }
}

/// A server and its client.
pub(super) struct Llama {
    server: Server,
    order: Order,
    ideal: bool,
    memory: Memory,
    /// The request for the newest key.
    ask: Ask,
    key: usize,
    job: Option<Job>,
    retry: Option<Instant>,
    jobs: usize,
    /// Whether the newest key was answered from memory.
    remembered: bool,
    pieces: (Sender<Piece>, Receiver<Piece>),
}

/// A request in flight.
struct Job {
    number: usize,
    ask: Ask,
    text: String,
    /// Whether an answer is wanted; else the prompt is only read.
    answers: bool,
    connection: Connection,
}

/// A part of an answer.
struct Piece {
    at: Instant,
    /// Of which request.
    number: usize,
    text: String,
    last: bool,
    /// Why there is nothing more, if that is wrong.
    fault: Option<String>,
}

impl Llama {
    /// Starts a server for a variant.
    pub(super) fn start(
        program: &Path,
        model: &Path,
        threads: usize,
        more: &[String],
        variant: Variant,
    ) -> Result<Self> {
        let own = variant.is_suffix_first().then(|| "--spm-infill".to_owned());
        let server = Server::start(program, model, threads, &[more, own.as_slice()].concat())?;
        let order = if variant.is_middle() { Order::Middle(server.format(model)?, None) } else { Order::Infill };
        Ok(Self {
            server,
            order,
            ideal: variant.is_ideal(),
            memory: Memory::default(),
            ask: Ask::default(),
            key: 0,
            job: None,
            retry: None,
            jobs: 0,
            remembered: false,
            pieces: channel(),
        })
    }

    /// Asks for the newest place, unless the client would not.
    fn send(&mut self) -> Result<()> {
        let crowded = !self.ideal && self.ask.right.len() > MOST_RIGHT;
        if crowded || self.memory.has(&self.ask.place) {
            return Ok(());
        }
        self.start_job(true)
    }

    /// Sends the request.
    fn start_job(&mut self, answers: bool) -> Result<()> {
        self.jobs += 1;
        let (number, send) = (self.jobs, self.pieces.0.clone());
        let connection = Connection::open(self.server.port, "POST", self.ask.path, &self.ask.body.to_string())?;
        let shared = connection.share()?;
        std::thread::spawn(move || stream(&shared, number, &send));
        self.job = Some(Job { number, ask: self.ask.clone(), text: String::new(), answers, connection });
        Ok(())
    }

    /// What a completion for another place means here.
    fn said(&self, at: Instant, text: &str, whole: bool) -> Said {
        let Ask { indent, right, replaces, .. } = &self.ask;
        let lead = text.len() - text.trim_start_matches([' ', '\t']).len();
        let text = text[lead.min(*indent)..].trim_end();
        let text = if *replaces || right.is_empty() { text } else { text.strip_suffix(right.as_str()).unwrap_or(text) };
        let replaces = if *replaces { right.len() } else { 0 };
        Said { replaces, whole, ..Said::new(at, self.key, text.to_owned()) }
    }

    fn hear(&mut self, piece: Piece) -> Result<Option<Said>> {
        let Some(job) = self.job.as_mut().filter(|job| job.number == piece.number) else { return Ok(None) };
        if let Some(fault) = piece.fault {
            bail!("llama-server broke an answer off: {fault}");
        }
        if !job.answers {
            self.job.take_if(|_| piece.last);
            return Ok(None);
        }
        job.text += &piece.text;
        let (text, place) = (job.text.clone(), job.ask.place.clone());
        if piece.last {
            self.memory.keep(place.clone(), text.clone());
            self.job = None;
        }
        // What is shown already stays.
        let rest = self.ask.place.rest_of(&text, &place).filter(|_| !self.remembered);
        let told = rest.filter(|rest| piece.last || !rest.is_empty());
        Ok(told.map(|rest| self.said(piece.at, rest, piece.last)))
    }

    /// Waits for a part of an answer, or for the time to look again.
    fn wait(&mut self, until: Instant) -> Result<Option<Piece>> {
        loop {
            let first = self.retry.map_or(until, |retry| retry.min(until));
            if let Ok(piece) = self.pieces.1.recv_timeout(first.saturating_duration_since(Instant::now())) {
                return Ok(Some(piece));
            }
            if self.retry.is_none_or(|retry| retry > until) {
                return Ok(None);
            }
            self.retry = self.job.is_some().then(|| Instant::now() + RETRY);
            if self.job.is_none() {
                self.send()?;
            }
        }
    }
}

impl System for Llama {
    fn key(&mut self, number: usize, desk: &Desk, _: Option<&Change>) -> Result<Option<Said>> {
        let pressed = Instant::now();
        self.key = number;
        self.ask = self.order.ask(desk);
        let found = self.memory.find(&self.ask.place).map(str::to_owned);
        let said = found.map(|text| Said { from_memory: true, ..self.said(Instant::now(), &text, true) });
        self.remembered = said.is_some();
        if let Some(job) = self.job.take_if(|_| self.ideal) {
            job.connection.close();
        }
        if self.job.is_some() {
            self.retry = Some(pressed + RETRY);
        } else if !self.ideal || said.is_none() {
            self.retry = None;
            self.send()?;
        }
        Ok(said)
    }

    fn goes(&mut self, desk: &Desk) -> Result<()> {
        if !self.ideal {
            return Ok(());
        }
        if let Some(job) = self.job.take() {
            job.connection.close();
        }
        self.ask = self.order.ask(desk);
        // Nothing is written: the prompt goes into the cache.
        self.ask.body["n_predict"] = 0.into();
        self.start_job(false)
    }

    fn listen(&mut self, until: Instant) -> Result<Option<Said>> {
        while let Some(piece) = self.wait(until)? {
            if let Some(said) = self.hear(piece)? {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    fn costs(&mut self) -> Result<Costs> {
        self.server.costs()
    }

    fn pid(&self) -> u32 {
        self.server.pid()
    }
}

/// Reads an answer as it comes, until its end or until the connection is closed. Nobody listens any more when the run is
/// over.
fn stream(connection: &Connection, number: usize, send: &Sender<Piece>) {
    let piece = |text: &str, last, fault| {
        let _ = send.send(Piece { at: Instant::now(), number, text: text.to_owned(), last, fault });
    };
    let fault = match connection.answer() {
        Err(error) => format!("{error:#}"),
        Ok(body) => {
            for line in body.lines().map_while(Result::ok) {
                let Some(event) = line.strip_prefix("data: ").map(serde_json::from_str::<Value>) else { continue };
                let event = event.unwrap_or_default();
                let last = event["stop"] == true;
                piece(event["content"].as_str().unwrap_or_default(), last, None);
                if last {
                    return;
                }
            }
            "the connection was closed".to_owned()
        }
    };
    piece("", true, Some(fault));
}
