//! Sequences that outlive their requests: the tokens seen so far and what the model made of them.
//!
//! A request takes the idle sequence that begins as its prompt does, cuts it back to where they part and evaluates the
//! rest. A sequence with much that the request does not share is left to its owner and copied instead. The pool is
//! bounded by bytes; the least recently used sequence goes first.

use std::sync::Arc;

use crate::config::Config;
use crate::decoder::LogitsRow;
use crate::kv::{self, KvCache};

/// Shared tokens below this are not worth a copy.
const MIN_FORK_TOKENS: usize = 16;

/// What the model says about the token after a prompt.
#[derive(Default)]
pub(crate) struct NextTokenState {
    values: Vec<f32>,
    best: Option<(u32, f32)>,
    state: Vec<f32>,
}

impl NextTokenState {
    pub(crate) fn new(row: &LogitsRow) -> Self {
        Self { values: row.values.to_vec(), best: row.best, state: row.state.to_vec() }
    }

    pub(crate) fn logits_row(&self) -> LogitsRow<'_> {
        LogitsRow { values: &self.values, best: self.best, state: &self.state }
    }
}

/// Tokens and their cache; the cache never holds more than the tokens.
pub(crate) struct Sequence {
    /// Tokens whose keys and values are in the cache.
    pub(crate) tokens: Vec<u32>,
    /// Keys and values.
    pub(crate) cache: KvCache,
    /// What follows the first so many tokens, kept where a prompt ended: the next key often asks there again.
    pub(crate) next_token_state: Option<(usize, Arc<NextTokenState>)>,
    last_used: u64,
}

impl Sequence {
    /// Without a token.
    pub(crate) fn new(config: &Config) -> Self {
        Self { tokens: Vec::new(), cache: KvCache::new(config), next_token_state: None, last_used: 0 }
    }

    /// A copy of the first `length` tokens.
    pub(crate) fn fork(&self, length: usize) -> Self {
        let ending = self.next_token_state.clone().filter(|(at, _)| *at <= length);
        Self {
            tokens: self.tokens[..length].to_vec(),
            cache: self.cache.fork(length),
            next_token_state: ending,
            last_used: 0,
        }
    }

    /// Forgets the tokens from `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.tokens.truncate(length);
        self.cache.truncate(length);
        self.next_token_state = self.next_token_state.take().filter(|(at, _)| *at <= length);
    }

    /// Takes what is no token of the sequence out of the cache: a draft that was refused.
    pub(crate) fn discard_rejected_draft(&mut self) {
        self.cache.truncate(self.tokens.len());
    }

    /// Whether the logits after exactly these `length` tokens are here.
    pub(crate) fn has_next_token_state(&self, length: usize) -> bool {
        self.tokens.len() == length && self.next_token_state.as_ref().is_some_and(|(at, _)| *at == length)
    }

    fn common_prefix_len(&self, prompt: &[u32]) -> usize {
        kv::common_prefix_len(&self.tokens, prompt)
    }

    /// The same with what a step that was broken off has begun behind them.
    fn resumable_prefix_len(&self, prompt: &[u32]) -> usize {
        let common = self.common_prefix_len(prompt);
        let begun = self.cache.partial_step().filter(|_| common == self.tokens.len());
        common + begun.map_or(0, |begun| kv::common_prefix_len(&begun.tokens, &prompt[common..]))
    }

    /// Tokens and those that were begun.
    fn resumable_len(&self) -> usize {
        self.tokens.len() + self.cache.partial_step().map_or(0, |begun| begun.tokens.len())
    }
}

/// The sequences that no request is using.
pub(crate) struct PrefixCache {
    idle: Vec<Sequence>,
    max_bytes: usize,
    clock: u64,
}

impl PrefixCache {
    /// A pool of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { idle: Vec::new(), max_bytes: limit, clock: 0 }
    }

    /// A sequence that holds the longest known beginning of `prompt` and nothing else.
    pub(crate) fn acquire(&mut self, prompt: &[u32], config: &Config) -> Sequence {
        let shared = self.idle.iter().enumerate().map(|(i, sequence)| (sequence.resumable_prefix_len(prompt), i));
        let Some((_, i)) = shared.max().filter(|(known, _)| *known > 0) else { return Sequence::new(config) };
        let common = self.idle[i].common_prefix_len(prompt);
        let mut sequence = match &self.idle[i] {
            whole if common * 2 >= whole.tokens.len() => self.idle.swap_remove(i),
            part if common >= MIN_FORK_TOKENS => part.fork(common),
            _ => Sequence::new(config),
        };
        sequence.truncate(common);
        sequence
    }

    /// Takes a sequence back and forgets the least recently used ones while the pool is over its limit.
    pub(crate) fn release(&mut self, mut sequence: Sequence) {
        self.clock += 1;
        sequence.discard_rejected_draft();
        sequence.last_used = self.clock;
        // A sequence that another one holds whole is of no further use.
        self.idle.retain(|other| other.resumable_prefix_len(&sequence.tokens) < other.resumable_len());
        self.idle.push(sequence);
        while self.bytes() > self.max_bytes && self.idle.len() > 1 {
            if let Some(oldest) = (0..self.idle.len()).min_by_key(|i| self.idle[*i].last_used) {
                self.idle.swap_remove(oldest);
            }
        }
    }

    /// Bytes of all idle sequences.
    pub(crate) fn bytes(&self) -> usize {
        self.idle.iter().map(|sequence| sequence.cache.bytes()).sum()
    }

    /// Number of idle sequences.
    pub(crate) fn len(&self) -> usize {
        self.idle.len()
    }
}
