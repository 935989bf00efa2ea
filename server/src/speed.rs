//! Measurement of the speed of a model on this machine. Jobs go through the engine, as completions do.

use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, Result};
use foretype_model::{Engine, Event, Job, Ticket, Usage};
use foretype_plugins::{Part, PartSource, Prompt};

/// Approximate number of prompt tokens of a measurement.
const PROMPT_TOKENS: usize = 64;
/// Number of generated tokens of a measurement.
const ANSWER_TOKENS: usize = 8;

/// Speed of an engine.
pub(crate) struct EngineSpeed {
    /// Prompt tokens per second.
    pub(crate) prefill_rate: f64,
    /// Generated tokens per second; `None` if the model ends at once.
    pub(crate) decode_rate: Option<f64>,
}

impl EngineSpeed {
    /// Takes the better of two short measurements, because the first one touches fresh memory.
    ///
    /// # Errors
    /// If the engine stops.
    pub(crate) fn measure(engine: &Engine) -> Result<Self> {
        let mut best = Self { prefill_rate: 0.0, decode_rate: None };
        for number in 0..2 {
            let usage = run_job(
                engine,
                &endless_text(number, PROMPT_TOKENS),
                Job { max_tokens: ANSWER_TOKENS, ..Job::default() },
            )?;
            best.prefill_rate = best.prefill_rate.max(usage.evaluated as f64 / usage.prefill.as_secs_f64());
            // The first token comes with the last step of the prefill.
            let steps = usage.generated.saturating_sub(1) as f64;
            let written = if steps > 0.0 { Some(steps / usage.decode.as_secs_f64()) } else { None };
            best.decode_rate = best.decode_rate.into_iter().chain(written).reduce(f64::max);
        }
        Ok(best)
    }
}

/// Returns a text of about `tokens` tokens that a model can continue for ever. Each `number` gives a different
/// beginning, so that no text shares a prefix with another.
pub fn endless_text(number: usize, tokens: usize) -> String {
    format!("{number} {tokens}") + &" the x".repeat(tokens / 2)
}

/// Submits a job that continues a text.
pub fn submit(engine: &Engine, text: &str, job: Job) -> (Ticket, Receiver<Event>) {
    let (send, events) = channel();
    let parts = vec![Part::text(text, PartSource::Prefix)];
    let prompt = Prompt { parts, heal: false, stop_tokens: Vec::new(), window: None };
    let ticket = engine.submit(Job { prompt, ..job }, move |event| {
        // The receiver may be gone before the last event.
        let _ = send.send(event);
    });
    (ticket, events)
}

/// Runs a job that continues a text, and returns its usage.
///
/// # Errors
/// If the engine stops.
pub fn run_job(engine: &Engine, text: &str, job: Job) -> Result<Usage> {
    let (_ticket, events) = submit(engine, text, job);
    let usage = events.into_iter().find_map(|event| if let Event::Done { usage } = event { Some(usage) } else { None });
    usage.context("the engine stopped")
}
