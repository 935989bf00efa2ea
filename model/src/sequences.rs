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
const WORTH_A_COPY: usize = 16;

/// What the model says about the token after a prompt.
#[derive(Default)]
pub(crate) struct Ending {
    values: Vec<f32>,
    best: Option<(u32, f32)>,
    state: Vec<f32>,
}

impl Ending {
    pub(crate) fn new(row: &LogitsRow) -> Self {
        Self { values: row.values.to_vec(), best: row.best, state: row.state.to_vec() }
    }

    pub(crate) fn row(&self) -> LogitsRow<'_> {
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
    pub(crate) ending: Option<(usize, Arc<Ending>)>,
    used: u64,
}

impl Sequence {
    /// Without a token.
    pub(crate) fn new(config: &Config) -> Self {
        Self { tokens: Vec::new(), cache: KvCache::new(config), ending: None, used: 0 }
    }

    /// A copy of the first `length` tokens.
    pub(crate) fn fork(&self, length: usize) -> Self {
        let ending = self.ending.clone().filter(|(at, _)| *at <= length);
        Self { tokens: self.tokens[..length].to_vec(), cache: self.cache.fork(length), ending, used: 0 }
    }

    /// Forgets the tokens from `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.tokens.truncate(length);
        self.cache.truncate(length);
        self.ending = self.ending.take().filter(|(at, _)| *at <= length);
    }

    /// Takes what is no token of the sequence out of the cache: a draft that was refused.
    pub(crate) fn forget_unseen(&mut self) {
        self.cache.truncate(self.tokens.len());
    }

    /// Whether the logits after exactly these `length` tokens are here.
    pub(crate) fn knows_what_follows(&self, length: usize) -> bool {
        self.tokens.len() == length && self.ending.as_ref().is_some_and(|(at, _)| *at == length)
    }

    fn common(&self, prompt: &[u32]) -> usize {
        kv::common(&self.tokens, prompt)
    }

    /// The same with what a step that was broken off has begun behind them.
    fn known(&self, prompt: &[u32]) -> usize {
        let common = self.common(prompt);
        let begun = self.cache.begun().filter(|_| common == self.tokens.len());
        common + begun.map_or(0, |begun| kv::common(&begun.tokens, &prompt[common..]))
    }

    /// Tokens and those that were begun.
    fn held(&self) -> usize {
        self.tokens.len() + self.cache.begun().map_or(0, |begun| begun.tokens.len())
    }
}

/// The sequences that no request is using.
pub(crate) struct Sequences {
    idle: Vec<Sequence>,
    limit: usize,
    clock: u64,
}

impl Sequences {
    /// A pool of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { idle: Vec::new(), limit, clock: 0 }
    }

    /// A sequence that holds the longest known beginning of `prompt` and nothing else.
    pub(crate) fn take(&mut self, prompt: &[u32], config: &Config) -> Sequence {
        let shared = self.idle.iter().enumerate().map(|(i, sequence)| (sequence.known(prompt), i));
        let Some((_, i)) = shared.max().filter(|(known, _)| *known > 0) else { return Sequence::new(config) };
        let common = self.idle[i].common(prompt);
        let mut sequence = match &self.idle[i] {
            whole if common * 2 >= whole.tokens.len() => self.idle.swap_remove(i),
            part if common >= WORTH_A_COPY => part.fork(common),
            _ => Sequence::new(config),
        };
        sequence.truncate(common);
        sequence
    }

    /// Takes a sequence back and forgets the least recently used ones while the pool is over its limit.
    pub(crate) fn put(&mut self, mut sequence: Sequence) {
        self.clock += 1;
        sequence.forget_unseen();
        sequence.used = self.clock;
        // A sequence that another one holds whole is of no further use.
        self.idle.retain(|other| other.known(&sequence.tokens) < other.held());
        self.idle.push(sequence);
        while self.bytes() > self.limit && self.idle.len() > 1 {
            if let Some(oldest) = (0..self.idle.len()).min_by_key(|i| self.idle[*i].used) {
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
