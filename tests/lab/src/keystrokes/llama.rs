//! llama-server with a client that behaves as llama.vim does, or as an ideal one would.
//!
//! As shipped, the client never breaks a request off: while one is in flight it looks again every 100 milliseconds, and what
//! comes back late is used if it agrees with what was typed meanwhile. The ideal client closes the connection at the next
//! key, asks only for what it does not remember, and has the prompt read where the cursor rests before anything is typed, as Foretype's
//! does. Both are given more than llama.vim has: answers are read as they stream, and an answer that repeats the rest of the line is cut.

mod http;
mod completion_cache;
mod prompt_order;
pub(crate) mod server;

use std::io::BufRead;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::simulated_editor::{TextChange, SimulatedEditor};
use super::system::{ServerUsage, SuggestionUpdate, CompletionSystem};
use http::HttpConnection;
use completion_cache::CompletionCache;
use prompt_order::{CompletionRequest, PromptOrder};
use server::LlamaServer;

/// How long llama.vim waits before it looks again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// llama.vim does not ask where more characters than this stand right of the cursor.
const MAX_CHARACTERS_RIGHT: usize = 8;

/// Which prompt is sent, and how the client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum LlamaVariant {
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
pub(super) const ALL_VARIANTS: &[LlamaVariant] =
    &[LlamaVariant::Infill, LlamaVariant::InfillIdeal, LlamaVariant::Spm, LlamaVariant::SpmIdeal, LlamaVariant::Middle, LlamaVariant::MiddleIdeal];

impl LlamaVariant {
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
pub(super) struct LlamaClient {
    server: LlamaServer,
    order: PromptOrder,
    is_ideal: bool,
    memory: CompletionCache,
    /// The request for the newest key.
    request: CompletionRequest,
    key_number: usize,
    in_flight: Option<InFlightRequest>,
    retry_at: Option<Instant>,
    request_count: usize,
    /// Whether the newest key was answered from memory.
    answered_from_cache: bool,
    chunks: (Sender<AnswerChunk>, Receiver<AnswerChunk>),
}

/// A request in flight.
struct InFlightRequest {
    number: usize,
    request: CompletionRequest,
    text: String,
    /// Whether an answer is wanted; else the prompt is only read.
    wants_answer: bool,
    connection: HttpConnection,
}

/// A part of an answer.
struct AnswerChunk {
    at: Instant,
    /// Of which request.
    number: usize,
    text: String,
    last: bool,
    /// Why there is nothing more, if that is wrong.
    fault: Option<String>,
}

impl LlamaClient {
    /// Starts a server for a variant.
    pub(super) fn start(
        program: &Path,
        model: &Path,
        threads: usize,
        more: &[String],
        variant: LlamaVariant,
    ) -> Result<Self> {
        let own = variant.is_suffix_first().then(|| "--spm-infill".to_owned());
        let server = LlamaServer::start(program, model, threads, &[more, own.as_slice()].concat())?;
        let order = if variant.is_middle() { PromptOrder::Middle(server.fim_format(model)?, None) } else { PromptOrder::Infill };
        Ok(Self {
            server,
            order,
            is_ideal: variant.is_ideal(),
            memory: CompletionCache::default(),
            request: CompletionRequest::default(),
            key_number: 0,
            in_flight: None,
            retry_at: None,
            request_count: 0,
            answered_from_cache: false,
            chunks: channel(),
        })
    }

    /// Asks for the newest place, unless the client would not.
    fn request_if_due(&mut self) -> Result<()> {
        let crowded = !self.is_ideal && self.request.right_of_cursor.len() > MAX_CHARACTERS_RIGHT;
        if crowded || self.memory.contains(&self.request.context) {
            return Ok(());
        }
        self.start_request(true)
    }

    /// Sends the request.
    fn start_request(&mut self, answers: bool) -> Result<()> {
        self.request_count += 1;
        let (number, send) = (self.request_count, self.chunks.0.clone());
        let connection = HttpConnection::open(self.server.port, "POST", self.request.path, &self.request.body.to_string())?;
        let shared = connection.try_clone()?;
        std::thread::spawn(move || stream_answer(&shared, number, &send));
        self.in_flight = Some(InFlightRequest { number, request: self.request.clone(), text: String::new(), wants_answer: answers, connection });
        Ok(())
    }

    /// What a completion for another place means here.
    fn suggestion_from(&self, at: Instant, text: &str, whole: bool) -> SuggestionUpdate {
        let CompletionRequest { indent, right_of_cursor: right, replaces_right: replaces, .. } = &self.request;
        let lead = text.len() - text.trim_start_matches([' ', '\t']).len();
        let text = text[lead.min(*indent)..].trim_end();
        let text = if *replaces || right.is_empty() { text } else { text.strip_suffix(right.as_str()).unwrap_or(text) };
        let replaces = if *replaces { right.len() } else { 0 };
        SuggestionUpdate { replaced_bytes: replaces, is_complete: whole, ..SuggestionUpdate::new(at, self.key_number, text.to_owned()) }
    }

    fn take_chunk(&mut self, piece: AnswerChunk) -> Result<Option<SuggestionUpdate>> {
        let Some(job) = self.in_flight.as_mut().filter(|job| job.number == piece.number) else { return Ok(None) };
        if let Some(fault) = piece.fault {
            bail!("llama-server broke an answer off: {fault}");
        }
        if !job.wants_answer {
            self.in_flight.take_if(|_| piece.last);
            return Ok(None);
        }
        job.text += &piece.text;
        let (text, place) = (job.text.clone(), job.request.context.clone());
        if piece.last {
            self.memory.insert(place.clone(), text.clone());
            self.in_flight = None;
        }
        // What is shown already stays.
        let rest = self.request.context.rest_of(&text, &place).filter(|_| !self.answered_from_cache);
        let told = rest.filter(|rest| piece.last || !rest.is_empty());
        Ok(told.map(|rest| self.suggestion_from(piece.at, rest, piece.last)))
    }

    /// Waits for a part of an answer, or for the time to look again.
    fn wait_for_chunk(&mut self, until: Instant) -> Result<Option<AnswerChunk>> {
        loop {
            let first = self.retry_at.map_or(until, |retry| retry.min(until));
            if let Ok(piece) = self.chunks.1.recv_timeout(first.saturating_duration_since(Instant::now())) {
                return Ok(Some(piece));
            }
            if self.retry_at.is_none_or(|retry| retry > until) {
                return Ok(None);
            }
            self.retry_at = self.in_flight.is_some().then(|| Instant::now() + RETRY_INTERVAL);
            if self.in_flight.is_none() {
                self.request_if_due()?;
            }
        }
    }
}

impl CompletionSystem for LlamaClient {
    fn key_pressed(&mut self, number: usize, desk: &SimulatedEditor, _: Option<&TextChange>) -> Result<Option<SuggestionUpdate>> {
        let pressed = Instant::now();
        self.key_number = number;
        self.request = self.order.request(desk);
        let found = self.memory.find(&self.request.context).map(str::to_owned);
        let said = found.map(|text| SuggestionUpdate { from_client_cache: true, ..self.suggestion_from(Instant::now(), &text, true) });
        self.answered_from_cache = said.is_some();
        if let Some(job) = self.in_flight.take_if(|_| self.is_ideal) {
            job.connection.close();
        }
        if self.in_flight.is_some() {
            self.retry_at = Some(pressed + RETRY_INTERVAL);
        } else if !self.is_ideal || said.is_none() {
            self.retry_at = None;
            self.request_if_due()?;
        }
        Ok(said)
    }

    fn cursor_moved(&mut self, desk: &SimulatedEditor) -> Result<()> {
        if !self.is_ideal {
            return Ok(());
        }
        if let Some(job) = self.in_flight.take() {
            job.connection.close();
        }
        self.request = self.order.request(desk);
        // Nothing is written: the prompt goes into the cache.
        self.request.body["n_predict"] = 0.into();
        self.start_request(false)
    }

    fn next_update(&mut self, until: Instant) -> Result<Option<SuggestionUpdate>> {
        while let Some(piece) = self.wait_for_chunk(until)? {
            if let Some(said) = self.take_chunk(piece)? {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    fn usage(&mut self) -> Result<ServerUsage> {
        self.server.usage()
    }

    fn pid(&self) -> u32 {
        self.server.pid()
    }
}

/// Reads an answer as it comes, until its end or until the connection is closed. Nobody listens any more when the run is
/// over.
fn stream_answer(connection: &HttpConnection, number: usize, send: &Sender<AnswerChunk>) {
    let piece = |text: &str, last, fault| {
        let _ = send.send(AnswerChunk { at: Instant::now(), number, text: text.to_owned(), last, fault });
    };
    let fault = match connection.response_body() {
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
