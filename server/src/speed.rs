//! How fast a model reads and writes here.
//!
//! Everything goes through the engine, as a completion does.

use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, Result};
use foretype_model::{Engine, Event, Job, Ticket, Usage};
use foretype_plugins::{Part, Prompt, Source};

/// Tokens that are read to find out, and tokens that are written.
const PROMPT_TOKENS: usize = 64;
const ANSWER_TOKENS: usize = 8;

/// What an engine does in a second.
pub struct EngineSpeed {
    /// Prompt tokens.
    pub prefill: f64,
    /// Tokens of an answer; `None` where the model ends at once.
    pub decode: Option<f64>,
}

impl EngineSpeed {
    /// The better of two short measurements: the first one finds memory that was never touched.
    pub fn measure(engine: &Engine) -> Result<Self> {
        let mut best = Self { prefill: 0.0, decode: None };
        for number in 0..2 {
            let usage = run_job(engine, &endless_text(number, PROMPT_TOKENS), Job { max_tokens: ANSWER_TOKENS, ..Job::default() })?;
            best.prefill = best.prefill.max(usage.evaluated as f64 / usage.prefill.as_secs_f64());
            // The first token is of the prompt's last step.
            let steps = usage.generated.saturating_sub(1) as f64;
            let written = (steps > 0.0).then(|| steps / usage.decode.as_secs_f64());
            best.decode = best.decode.into_iter().chain(written).reduce(f64::max);
        }
        Ok(best)
    }
}

/// A text of about so many tokens that goes on for ever, and that begins like no other.
pub fn endless_text(number: usize, tokens: usize) -> String {
    format!("{number} {tokens}") + &" the x".repeat(tokens / 2)
}

/// Asks the engine to go on with a text.
pub fn submit(engine: &Engine, text: &str, job: Job) -> (Ticket, Receiver<Event>) {
    let (send, events) = channel();
    let parts = vec![Part::text(text, Source::Before)];
    let prompt = Prompt { parts, heal: false, stop_specials: Vec::new(), window: None };
    let ticket = engine.submit(Job { prompt, ..job }, move |event| {
        // Nobody listens any more once the answer is there.
        let _ = send.send(event);
    });
    (ticket, events)
}

/// Lets the engine answer and returns what it cost.
pub fn run_job(engine: &Engine, text: &str, job: Job) -> Result<Usage> {
    let (_ticket, events) = submit(engine, text, job);
    let usage = events.into_iter().find_map(|event| if let Event::Done { usage } = event { Some(usage) } else { None });
    usage.context("the engine stopped")
}
