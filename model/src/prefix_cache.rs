//! The prefix cache: a pool of KV sequences that outlive their jobs.
//!
//! A job acquires the idle sequence that shares the longest common prefix with its prompt, truncated to that prefix,
//! and evaluates only the rest. If the prefix is less than half of the sequence, it is forked, so that the sequence
//! stays whole for the prompt that it belongs to. The pool is limited in bytes and evicts the least recently used
//! sequence first.

use std::sync::Arc;

use crate::config::Config;
use crate::decoder::LogitsRow;
use crate::kv::{self, KvCache};

/// Shortest common prefix, in tokens, that is worth a fork.
const MIN_FORK_TOKENS: usize = 16;

/// The logits after a prompt, from which its first token is sampled.
#[derive(Default)]
pub(crate) struct NextTokenState {
    values: Vec<f32>,
    best: Option<(u32, f32)>,
    state: Vec<f32>,
}

impl NextTokenState {
    /// Copies a row of a step's logits.
    pub(crate) fn new(row: &LogitsRow) -> Self {
        Self { values: row.values.to_vec(), best: row.argmax, state: row.hidden_state.to_vec() }
    }

    /// The copied row.
    pub(crate) fn logits_row(&self) -> LogitsRow<'_> {
        LogitsRow { values: &self.values, argmax: self.best, hidden_state: &self.state }
    }
}

/// A token sequence with its KV cache.
pub(crate) struct Sequence {
    /// Tokens whose keys and values are committed in the cache.
    pub(crate) tokens: Vec<u32>,
    /// Keys and values of the tokens; while a draft is verified, also those of the draft.
    pub(crate) cache: KvCache,
    /// Length of a prompt in this sequence and the state after it, because the next keystroke often has the same
    /// prompt.
    pub(crate) next_token_state: Option<(usize, Arc<NextTokenState>)>,
    /// The pool's clock when the sequence was released.
    last_used: u64,
}

impl Sequence {
    /// An empty sequence.
    pub(crate) fn new(config: &Config) -> Self {
        Self { tokens: Vec::new(), cache: KvCache::new(config), next_token_state: None, last_used: 0 }
    }

    /// Copies the first `length` tokens.
    pub(crate) fn fork(&self, length: usize) -> Self {
        let next_token_state = self.next_token_state_within(length);
        Self { tokens: self.tokens[..length].to_vec(), cache: self.cache.fork(length), next_token_state, last_used: 0 }
    }

    /// Discards the tokens from `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.tokens.truncate(length);
        self.cache.truncate(length);
        self.next_token_state = self.next_token_state_within(length);
    }

    /// The state after the prompt, if the prompt ends within the first `length` tokens.
    fn next_token_state_within(&self, length: usize) -> Option<(usize, Arc<NextTokenState>)> {
        match &self.next_token_state {
            Some((prompt_len, state)) if *prompt_len <= length => Some((*prompt_len, state.clone())),
            _ => None,
        }
    }

    /// Discards the keys and values of a draft's rejected tokens.
    pub(crate) fn discard_rejected_draft(&mut self) {
        self.cache.truncate(self.tokens.len());
    }

    /// True if the sequence has exactly `length` tokens and the state after them.
    pub(crate) fn has_next_token_state(&self, length: usize) -> bool {
        self.tokens.len() == length
            && self.next_token_state.as_ref().is_some_and(|(prompt_len, _)| *prompt_len == length)
    }

    /// Length of the longest common prefix with `prompt`.
    fn common_prefix_len(&self, prompt: &[u32]) -> usize {
        kv::common_prefix_len(&self.tokens, prompt)
    }

    /// Length of the longest common prefix with `prompt`, including the tokens of a partial step.
    fn resumable_prefix_len(&self, prompt: &[u32]) -> usize {
        let common = self.common_prefix_len(prompt);
        match self.cache.partial_step() {
            Some(partial) if common == self.tokens.len() => {
                common + kv::common_prefix_len(&partial.tokens, &prompt[common..])
            }
            _ => common,
        }
    }

    /// Number of tokens, including those of a partial step.
    fn resumable_len(&self) -> usize {
        self.tokens.len() + self.cache.partial_step().map_or(0, |partial| partial.tokens.len())
    }
}

/// A pool of the sequences that no job is using.
pub(crate) struct PrefixCache {
    idle: Vec<Sequence>,
    max_bytes: usize,
    /// Number of releases so far.
    clock: u64,
}

impl PrefixCache {
    /// An empty pool that is limited to `max_bytes`.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { idle: Vec::new(), max_bytes, clock: 0 }
    }

    /// Returns a sequence of the longest cached prefix of `prompt`, and nothing else: an idle one, a fork, or an empty
    /// one.
    pub(crate) fn acquire(&mut self, prompt: &[u32], config: &Config) -> Sequence {
        let lengths = self.idle.iter().map(|sequence| sequence.resumable_prefix_len(prompt));
        let Some((1.., i)) = lengths.zip(0..).max() else { return Sequence::new(config) };
        let common = self.idle[i].common_prefix_len(prompt);
        let mut sequence = match &self.idle[i] {
            idle if common * 2 >= idle.tokens.len() => self.idle.swap_remove(i),
            idle if common >= MIN_FORK_TOKENS => idle.fork(common),
            _ => Sequence::new(config),
        };
        sequence.truncate(common);
        sequence
    }

    /// Returns a sequence to the pool, and evicts the least recently used ones while the pool is over its limit.
    pub(crate) fn release(&mut self, mut sequence: Sequence) {
        self.clock += 1;
        sequence.discard_rejected_draft();
        sequence.last_used = self.clock;
        // A sequence that is a prefix of another one is redundant.
        self.idle.retain(|other| other.resumable_prefix_len(&sequence.tokens) < other.resumable_len());
        self.idle.push(sequence);
        while self.bytes() > self.max_bytes && self.idle.len() > 1 {
            if let Some(oldest) = (0..self.idle.len()).min_by_key(|i| self.idle[*i].last_used) {
                self.idle.swap_remove(oldest);
            }
        }
    }

    /// Size of all idle sequences, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.idle.iter().map(|sequence| sequence.cache.bytes()).sum()
    }

    /// Number of idle sequences.
    pub(crate) fn len(&self) -> usize {
        self.idle.len()
    }
}
