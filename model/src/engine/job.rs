//! What an engine is asked and what it answers.

use std::sync::Arc;
use std::time::Duration;

use foretype_plugins::Prompt;

use crate::SamplingParams;

/// Whether somebody is waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// A user waits for the answer.
    #[default]
    Interactive,
    /// A user reads along while the answer is written: gives way at once to who waits for a suggestion, and goes on afterwards.
    Streaming,
    /// Work ahead of need; gives way at once.
    Background,
}

/// Decides from a candidate's number and its text so far whether the candidate is done.
pub type StopCondition = Box<dyn FnMut(usize, &str) -> bool + Send>;

/// A question to the model.
#[derive(Default)]
pub struct Job {
    /// What the model reads.
    pub prompt: Prompt,
    /// Tokens to write at the most, for each candidate.
    pub max_tokens: usize,
    /// Answers to write side by side; 0 means one. The first is the likeliest (or drawn, with a temperature); the others
    /// begin with the next likeliest tokens.
    pub candidates: usize,
    /// How tokens are drawn.
    pub sampling: SamplingParams,
    /// Whether somebody is waiting.
    pub priority: Priority,
    /// Texts that end an answer; they are not part of it.
    pub stop_texts: Vec<String>,
    /// Ends an answer early.
    pub stop_condition: Option<StopCondition>,
    /// Answers that are likely to come, such as what was written here a moment ago. Like [`repeats`](Self::repeats) they
    /// make an answer faster and never change it.
    pub likely_completions: Vec<String>,
    /// Texts that the answer may repeat a piece of, beside the prompt's own; the likeliest last.
    pub ngram_sources: Vec<Arc<str>>,
    /// Texts that a model wrote near here, the likeliest last: a draft may repeat a piece of them too.
    pub recent_generations: Vec<Arc<str>>,
    /// Whether what followed in [`repeats`](Self::repeats) and the prompt, where they say what was just written, gets a share of
    /// the probability. Unlike a draft it changes the answer. Only where tokens are taken by their likelihood alone.
    pub cache_lm: bool,
}

/// A token that was written.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TokenInfo {
    /// Its text; bytes that are no whole character show as replacement characters.
    pub text: String,
    /// Its natural log-probability in the model's own distribution, or, with [`Job::cache`], in the mixture; where healing
    /// allows only some tokens, over those. Where tokens are taken by their likelihood alone, what the unlikely ones have is estimated, which
    /// is worth some thousandths.
    pub logprob: f32,
    /// Whether it only spells what healing took back from the prompt, and so was not the model's to choose.
    #[serde(rename = "given")]
    pub forced: bool,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it.
    EndToken,
    /// [`Job::until`] said so.
    StopCondition,
    /// One of [`Job::stop_texts`] was written.
    StopText,
    /// [`Job::max_tokens`] or the model's context length was reached.
    Length,
    /// The ticket was dropped.
    Cancelled,
    /// It could not go on; the message says why.
    Failed(String),
}

/// What a job cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Usage {
    /// Prompt tokens that were evaluated.
    pub evaluated: usize,
    /// Prompt tokens that were in the cache.
    pub reused: usize,
    /// Tokens written, of all candidates.
    pub generated: usize,
    /// Tokens that were guessed and evaluated before the model had written them.
    pub drafted: usize,
    /// Of these, those that the model then wrote.
    pub accepted: usize,
    /// From the start of the work to the end of the prompt.
    pub prefill: Duration,
    /// From there to the end.
    pub decode: Duration,
    /// From submission to the start of the work.
    pub queued: Duration,
}

/// What happens to a job, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The prompt has been read.
    Prefilled {
        /// Prompt tokens that were evaluated.
        evaluated: usize,
        /// Prompt tokens that were in the cache.
        reused: usize,
    },
    /// A piece of an answer: whole characters, without what healing backed up over.
    Text {
        /// Which answer.
        candidate: usize,
        /// The new piece.
        text: String,
        /// Natural log-probability of the token that completed it.
        logprob: f32,
    },
    /// An answer has ended.
    Finished {
        /// Which answer.
        candidate: usize,
        /// Why.
        reason: FinishReason,
        /// All its tokens.
        tokens: Vec<TokenInfo>,
        /// Mean natural log-probability of its tokens that were not [given](TokenInfo::given); 0 for none.
        confidence: f32,
    },
    /// Nothing more will come.
    Done {
        /// What it cost.
        usage: Usage,
    },
}

/// Ends a job that never ran.
pub(crate) fn reject_job(events: &mut dyn FnMut(Event), candidates: usize, why: &str) {
    for candidate in 0..candidates.max(1) {
        let reason = FinishReason::Failed(why.into());
        events(Event::Finished { candidate, reason, tokens: Vec::new(), confidence: 0.0 });
    }
    events(Event::Done { usage: Usage::default() });
}
