//! Jobs and the events that they send.

use std::sync::Arc;
use std::time::Duration;

use foretype_plugins::Prompt;

use crate::SamplingParams;

/// The urgency of a job. Each step of the engine serves the most urgent jobs only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// A user waits for the result.
    #[default]
    Interactive,
    /// A user reads the output as it streams. Waits for interactive jobs, which preempt its steps.
    Streaming,
    /// Prefetching that no user waits for yet. Waits for all other jobs; interactive ones preempt its steps.
    Background,
}

/// Decides whether a candidate ends, given its index and its text so far.
pub type StopCondition = Box<dyn FnMut(usize, &str) -> bool + Send>;

/// A request for one or more completions of a prompt.
#[derive(Default)]
pub struct Job {
    /// The prompt.
    pub prompt: Prompt,
    /// Token limit of each candidate.
    pub max_tokens: usize,
    /// Number of completions to decode in parallel; 0 means one. The first begins with the most probable token
    /// (or a sampled one, at a temperature above 0), the others with the next most probable tokens.
    pub candidates: usize,
    /// Sampling parameters.
    pub sampling: SamplingParams,
    /// Urgency.
    pub priority: Priority,
    /// Texts that end a candidate and are not part of its output.
    pub stop_texts: Vec<String>,
    /// Ends a candidate early.
    pub stop_condition: Option<StopCondition>,
    /// Likely outputs, such as a recent generation at the same cursor. They serve as drafts for speculative decoding:
    /// they can make decoding faster, but never change the output.
    pub likely_completions: Vec<String>,
    /// Further texts in which drafts look up n-grams, the most relevant last. Without
    /// [`cache_lm`](Self::cache_lm) they never change the output.
    pub ngram_sources: Vec<Arc<str>>,
    /// Recent output of a model near the cursor, the most relevant last. Drafts are looked up in it too, but the cache
    /// language model ignores it.
    pub recent_generations: Vec<Arc<str>>,
    /// Interpolates the model with an n-gram cache model over the prompt and [`ngram_sources`](Self::ngram_sources).
    /// Unlike a draft this changes the output. It applies to greedy decoding only.
    pub cache_lm: bool,
}

/// A generated token.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TokenInfo {
    /// Text of the token; bytes that are not a complete character appear as replacement characters.
    pub text: String,
    /// Natural log-probability under the model, or under the mixture with [`Job::cache_lm`]. While a healing prefix is
    /// spelled, the distribution covers only the tokens that can spell it. In greedy decoding the logits of unlikely
    /// tokens are approximate, an error of about 0.002 nats.
    pub logprob: f32,
    /// True for a token that only spells the healing prefix and so was not the model's choice.
    #[serde(rename = "given")]
    pub forced: bool,
}

/// Returns the mean log-probability of the tokens that the model chose; 0 for none.
pub(super) fn mean_logprob(tokens: &[TokenInfo]) -> f32 {
    let chosen: Vec<f32> = tokens.iter().filter(|token| !token.forced).map(|token| token.logprob).collect();
    chosen.iter().sum::<f32>() / chosen.len().max(1) as f32
}

/// The reason why a candidate ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// The model generated an end token.
    EndToken,
    /// [`Job::stop_condition`] returned true.
    StopCondition,
    /// One of [`Job::stop_texts`] was generated.
    StopText,
    /// [`Job::max_tokens`] or the model's context length was reached.
    Length,
    /// The ticket was dropped.
    Cancelled,
    /// The job could not continue, for the reason in the message.
    Failed(String),
}

/// Token counts and durations of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Usage {
    /// Prompt tokens evaluated.
    pub evaluated: usize,
    /// Prompt tokens found in the prefix cache.
    pub reused: usize,
    /// Tokens generated, over all candidates.
    pub generated: usize,
    /// Draft tokens evaluated (speculative decoding).
    pub drafted: usize,
    /// Draft tokens accepted.
    pub accepted: usize,
    /// Time from admission to the end of the prompt.
    pub prefill: Duration,
    /// Time from the end of the prompt to the end of the job.
    pub decode: Duration,
    /// Time from submission to admission.
    pub queued: Duration,
}

/// An event of a job.
///
/// A job sends [`Prefilled`](Self::Prefilled) at most once, then for each candidate any number of [`Text`](Self::Text)
/// events and one [`Finished`](Self::Finished), and [`Done`](Self::Done) as its last event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The whole prompt is in the KV cache.
    Prefilled {
        /// Prompt tokens evaluated.
        evaluated: usize,
        /// Prompt tokens found in the prefix cache.
        reused: usize,
    },
    /// New text of a candidate: complete characters, without the healing prefix.
    Text {
        /// Index of the candidate.
        candidate: usize,
        /// The new text.
        text: String,
        /// Natural log-probability of the token that completed the text.
        logprob: f32,
    },
    /// A candidate has ended.
    Finished {
        /// Index of the candidate.
        candidate: usize,
        /// The reason.
        reason: FinishReason,
        /// All tokens of the candidate.
        tokens: Vec<TokenInfo>,
        /// Mean natural log-probability of the tokens that were not [forced](TokenInfo::forced); 0 for none.
        confidence: f32,
    },
    /// The job is over; no event follows.
    Done {
        /// Token counts and durations.
        usage: Usage,
    },
}
