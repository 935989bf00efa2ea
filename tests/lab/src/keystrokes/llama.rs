//! llama-server, with a client that behaves as llama.vim does or as an ideal client would.
//!
//! The client as shipped never cancels a request. While one is in flight it tries again every 100 milliseconds, and
//! uses a late answer if that agrees with the text typed meanwhile. The ideal client closes the connection at the next
//! key, requests only what its cache does not have, and has the prompt evaluated when the cursor moves to a new place,
//! as Foretype's client does. Both get more than llama.vim has: answers are read as they stream, and an answer that
//! repeats the rest of the line is cut.

mod completion_cache;
mod http;
mod prompt_order;
pub(crate) mod server;

use std::io::BufRead;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use completion_cache::CompletionCache;
use http::HttpConnection;
use prompt_order::{CompletionRequest, PromptOrder};
use serde_json::Value;
use server::LlamaServer;

use super::simulated_editor::{SimulatedEditor, TextChange};
use super::system::{CompletionSystem, ServerUsage, SuggestionUpdate};

/// Delay after which llama.vim tries again while a request is in flight.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// llama.vim makes no request with more characters than this right of the cursor.
const MAX_CHARACTERS_RIGHT: usize = 8;

/// A prompt order and the behaviour of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum LlamaVariant {
    /// llama.vim's protocol as shipped
    Infill,
    /// llama.vim's protocol with a client that cancels requests and has a prompt evaluated before the first key
    InfillIdeal,
    /// llama.vim's protocol, the server started with --spm-infill
    Spm,
    /// `spm` with a client that cancels requests and has a prompt evaluated before the first key
    SpmIdeal,
    /// The typed text after the middle marker, sent to /completion
    Middle,
    /// `middle` with a client that cancels requests and has a prompt evaluated before the first key
    MiddleIdeal,
}

/// All variants, in the order in which they are compared.
pub(super) const ALL_VARIANTS: &[LlamaVariant] = &[
    LlamaVariant::Infill,
    LlamaVariant::InfillIdeal,
    LlamaVariant::Spm,
    LlamaVariant::SpmIdeal,
    LlamaVariant::Middle,
    LlamaVariant::MiddleIdeal,
];

impl LlamaVariant {
    /// Name in reports.
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

/// A server and the state of its client.
pub(super) struct LlamaClient {
    server: LlamaServer,
    order: PromptOrder,
    is_ideal: bool,
    cache: CompletionCache,
    /// Request for the newest key.
    request: CompletionRequest,
    key_number: usize,
    in_flight: Option<InFlightRequest>,
    retry_at: Option<Instant>,
    request_count: usize,
    /// True if the newest key was answered from the cache.
    answered_from_cache: bool,
    chunks: (Sender<AnswerChunk>, Receiver<AnswerChunk>),
}

/// A request that the server works on.
struct InFlightRequest {
    number: usize,
    request: CompletionRequest,
    /// Answer so far.
    text: String,
    /// False if the prompt is only evaluated.
    wants_answer: bool,
    connection: HttpConnection,
}

/// A part of an answer.
struct AnswerChunk {
    arrived_at: Instant,
    /// Number of the request.
    request_number: usize,
    text: String,
    is_last: bool,
    /// Reason why the answer ended early.
    fault: Option<String>,
}

impl LlamaClient {
    /// Starts a server for a variant.
    ///
    /// # Errors
    /// If the server cannot be started, or if the variant needs a fill-in-the-middle format and the model has none.
    pub(super) fn start(
        program: &Path,
        model: &Path,
        threads: usize,
        arguments: &[String],
        variant: LlamaVariant,
    ) -> Result<Self> {
        let mut arguments = arguments.to_vec();
        if variant.is_suffix_first() {
            arguments.push("--spm-infill".to_owned());
        }
        let server = LlamaServer::start(program, model, threads, &arguments)?;
        let order = if variant.is_middle() {
            PromptOrder::Middle(server.fim_format(model)?, None)
        } else {
            PromptOrder::Infill
        };
        Ok(Self {
            server,
            order,
            is_ideal: variant.is_ideal(),
            cache: CompletionCache::default(),
            request: CompletionRequest::default(),
            key_number: 0,
            in_flight: None,
            retry_at: None,
            request_count: 0,
            answered_from_cache: false,
            chunks: channel(),
        })
    }

    /// Sends the newest request, unless the client would not.
    fn request_if_due(&mut self) -> Result<()> {
        let is_crowded = !self.is_ideal && self.request.right_of_cursor.len() > MAX_CHARACTERS_RIGHT;
        if is_crowded || self.cache.contains(&self.request.context) {
            return Ok(());
        }
        self.start_request(true)
    }

    fn start_request(&mut self, wants_answer: bool) -> Result<()> {
        self.request_count += 1;
        let (number, sender) = (self.request_count, self.chunks.0.clone());
        let connection =
            HttpConnection::open(self.server.port, "POST", self.request.path, &self.request.body.to_string())?;
        let shared = connection.try_clone()?;
        std::thread::spawn(move || stream_answer(&shared, number, &sender));
        let request = self.request.clone();
        self.in_flight = Some(InFlightRequest { number, request, text: String::new(), wants_answer, connection });
        Ok(())
    }

    /// Suggestion for the newest key from the text of a completion.
    fn suggestion_from(&self, arrived_at: Instant, text: &str, is_complete: bool) -> SuggestionUpdate {
        let CompletionRequest { indent, right_of_cursor, replaces_right, .. } = &self.request;
        let lead = text.len() - text.trim_start_matches([' ', '\t']).len();
        let mut text = text[lead.min(*indent)..].trim_end();
        if !replaces_right && !right_of_cursor.is_empty() {
            text = text.strip_suffix(right_of_cursor.as_str()).unwrap_or(text);
        }
        let replaced_bytes = if *replaces_right { right_of_cursor.len() } else { 0 };
        let update = SuggestionUpdate::new(arrived_at, self.key_number, text.to_owned());
        SuggestionUpdate { replaced_bytes, is_complete, ..update }
    }

    /// Cancels the request in flight by closing its connection.
    fn cancel(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.connection.close();
        }
    }

    fn take_chunk(&mut self, chunk: AnswerChunk) -> Result<Option<SuggestionUpdate>> {
        let Some(in_flight) = &mut self.in_flight else { return Ok(None) };
        if in_flight.number != chunk.request_number {
            return Ok(None);
        }
        if let Some(fault) = chunk.fault {
            bail!("llama-server ended an answer early: {fault}");
        }
        if !in_flight.wants_answer {
            if chunk.is_last {
                self.in_flight = None;
            }
            return Ok(None);
        }
        in_flight.text += &chunk.text;
        let (text, context) = (in_flight.text.clone(), in_flight.request.context.clone());
        if chunk.is_last {
            self.cache.insert(context.clone(), text.clone());
            self.in_flight = None;
        }
        // A suggestion from the cache stays visible.
        if self.answered_from_cache {
            return Ok(None);
        }
        let Some(rest) = self.request.context.rest_of(&text, &context) else { return Ok(None) };
        if rest.is_empty() && !chunk.is_last {
            return Ok(None);
        }
        Ok(Some(self.suggestion_from(chunk.arrived_at, rest, chunk.is_last)))
    }

    /// Waits until `deadline` for a part of an answer, and tries again to send the request when that is due.
    fn wait_for_chunk(&mut self, deadline: Instant) -> Result<Option<AnswerChunk>> {
        loop {
            let wake_at = self.retry_at.map_or(deadline, |retry_at| retry_at.min(deadline));
            if let Ok(chunk) = self.chunks.1.recv_timeout(wake_at.saturating_duration_since(Instant::now())) {
                return Ok(Some(chunk));
            }
            if self.retry_at.is_none_or(|retry_at| retry_at > deadline) {
                return Ok(None);
            }
            if self.in_flight.is_some() {
                self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
            } else {
                self.retry_at = None;
                self.request_if_due()?;
            }
        }
    }
}

impl CompletionSystem for LlamaClient {
    fn key_pressed(
        &mut self,
        key_number: usize,
        editor: &SimulatedEditor,
        _: Option<&TextChange>,
    ) -> Result<Option<SuggestionUpdate>> {
        let pressed_at = Instant::now();
        self.key_number = key_number;
        self.request = self.order.request(editor);
        let cached = self.cache.find(&self.request.context).map(str::to_owned);
        let update = cached.map(|text| {
            let update = self.suggestion_from(Instant::now(), &text, true);
            SuggestionUpdate { from_client_cache: true, ..update }
        });
        self.answered_from_cache = update.is_some();
        if self.is_ideal {
            self.cancel();
        }
        if self.in_flight.is_some() {
            self.retry_at = Some(pressed_at + RETRY_INTERVAL);
        } else if !self.is_ideal || update.is_none() {
            self.retry_at = None;
            self.request_if_due()?;
        }
        Ok(update)
    }

    fn cursor_moved(&mut self, editor: &SimulatedEditor) -> Result<()> {
        if !self.is_ideal {
            return Ok(());
        }
        self.cancel();
        self.request = self.order.request(editor);
        // Nothing is generated: the prompt goes into the KV cache.
        self.request.body["n_predict"] = 0.into();
        self.start_request(false)
    }

    fn next_update(&mut self, deadline: Instant) -> Result<Option<SuggestionUpdate>> {
        while let Some(chunk) = self.wait_for_chunk(deadline)? {
            if let Some(update) = self.take_chunk(chunk)? {
                return Ok(Some(update));
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

/// Sends the parts of an answer as they arrive, until its end or until the connection is closed. At the end of a run
/// nobody receives them any more.
fn stream_answer(connection: &HttpConnection, request_number: usize, sender: &Sender<AnswerChunk>) {
    let send = |text: &str, is_last, fault| {
        let chunk = AnswerChunk { arrived_at: Instant::now(), request_number, text: text.to_owned(), is_last, fault };
        let _ = sender.send(chunk);
    };
    let fault = match connection.response_body() {
        Err(error) => format!("{error:#}"),
        Ok(body) => {
            for line in body.lines().map_while(Result::ok) {
                let Some(event) = line.strip_prefix("data: ").map(serde_json::from_str::<Value>) else { continue };
                let event = event.unwrap_or_default();
                let is_last = event["stop"] == true;
                send(event["content"].as_str().unwrap_or_default(), is_last, None);
                if is_last {
                    return;
                }
            }
            "the connection was closed".to_owned()
        }
    };
    send("", true, Some(fault));
}
