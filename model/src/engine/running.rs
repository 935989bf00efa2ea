//! A job in work.

use std::sync::Arc;
use std::time::Instant;

use foretype_plugins::{Content, Prompt};

use super::job::{Event, Job, Priority, TokenInfo, Until, Usage};
use super::prompt::Tokens;
use super::text::Answer;
use super::voice::Voice;
use super::{Claim, Submitted};
use crate::cache::Cache;
use crate::draft::{Drafter, Room};
use crate::healing::Spelling;
use crate::sampler::Sampler;
use crate::sequences::{Ending, Sequence};
use crate::{Model, Sampling};

/// A job in work.
pub(super) struct Running {
    pub(super) tokens: Tokens,
    pub(super) count: usize,
    pub(super) max_tokens: usize,
    sampling: Sampling,
    stop_texts: Vec<String>,
    until: Option<Until>,
    pub(super) events: Box<dyn FnMut(Event) + Send>,
    pub(super) claim: Arc<Claim>,
    pub(super) started: Instant,
    prefilled: Option<Instant>,
    pub(super) usage: Usage,
    pub(super) drafter: Drafter,
    cache: Option<Cache>,
    pub(super) stage: Stage,
    /// Steps that went by without a row for it.
    pub(super) waited: usize,
}

/// How far a job is.
pub(super) enum Stage {
    Reading(Sequence),
    Writing(Vec<Candidate>),
}

/// One answer of a job.
pub(super) struct Candidate {
    pub(super) index: usize,
    pub(super) sequence: Sequence,
    pub(super) answer: Answer,
    pub(super) sampler: Sampler,
    pub(super) written: Vec<u32>,
    pub(super) tokens: Vec<TokenInfo>,
    /// The last token, not yet evaluated.
    pub(super) next: u32,
}

impl Running {
    /// A job whose prompt is `tokens`, the first of which are in `sequence`.
    pub(super) fn new(submitted: Submitted, tokens: Tokens, sequence: Sequence) -> Self {
        let Submitted { job, events, claim, at } = submitted;
        let (drafter, cache) = at_hand(&job, &tokens);
        Self {
            count: job.candidates.max(1),
            max_tokens: job.max_tokens,
            sampling: job.sampling,
            stop_texts: job.stop_texts,
            until: job.until,
            events,
            claim,
            started: Instant::now(),
            prefilled: None,
            usage: Usage { reused: sequence.tokens.len(), queued: at.elapsed(), ..Usage::default() },
            drafter,
            cache,
            stage: Stage::Reading(sequence),
            waited: 0,
            tokens,
        }
    }

    pub(super) fn priority(&self) -> Priority {
        self.claim.priority()
    }

    /// Prompt tokens that are still to be read.
    pub(super) fn unread(&self) -> usize {
        match &self.stage {
            Stage::Reading(sequence) => self.tokens.ids.len() - sequence.tokens.len(),
            Stage::Writing(_) => 0,
        }
    }

    /// Whether the whole prompt was read before, so that it needs no forward pass.
    pub(super) fn knows_its_prompt(&self) -> bool {
        matches!(&self.stage, Stage::Reading(sequence) if sequence.knows_what_follows(self.tokens.ids.len()))
    }

    /// Whether all that follows a token must be looked at, because tokens are not taken by their likelihood alone.
    pub(super) fn weighs_all(&self) -> bool {
        self.cache.is_some() || !self.sampling.takes_the_likeliest()
    }

    /// Of a token and a draft behind it: behind the first so many, some of `to_spell` bytes are still to be spelled.
    pub(super) fn spelling_rows(&self, model: &Model, to_spell: usize, draft: &[u32]) -> usize {
        let left = draft.iter().scan(to_spell, |left, token| {
            *left = left.saturating_sub(model.tokenizer.bytes(*token).len());
            Some(*left)
        });
        std::iter::once(to_spell).chain(left).take_while(|left| *left > 0).count()
    }

    /// A draft of what follows `written` bytes in `count` tokens, where `position` tokens have been evaluated or are about
    /// to be. A draft is only of use if tokens are taken by their likelihood alone.
    pub(super) fn draft(&self, model: &Model, written: &[u8], count: usize, position: usize, room: Room) -> Vec<u32> {
        let context = model.decoder.config().context_length;
        let left = (self.max_tokens.saturating_sub(count + 1)).min(context.saturating_sub(position + 1));
        let most = room.most.min(left);
        if self.sampling.temperature > 0.0 || most == 0 {
            return Vec::new();
        }
        let Some(guess) = self.drafter.guess(written) else { return Vec::new() };
        let mut draft = model.tokenizer.encode(guess.text);
        draft.truncate(most.min(guess.worth(room.row)));
        draft
    }

    /// The prompt has been read: says so, and gives the candidates and the logits that the first tokens are drawn from.
    pub(super) fn begin_writing(&mut self) -> (Vec<Candidate>, Arc<Ending>) {
        self.prefilled = Some(Instant::now());
        let Usage { evaluated, reused, .. } = self.usage;
        (self.events)(Event::Prefilled { evaluated, reused });
        let Stage::Reading(sequence) = std::mem::replace(&mut self.stage, Stage::Writing(Vec::new())) else {
            return Default::default();
        };
        let Some((length, ending)) = sequence.ending.clone() else { return Default::default() };
        let forks: Vec<Sequence> = (1..self.count).map(|_| sequence.fork(length)).collect();
        let candidate = |(index, sequence)| Candidate {
            index,
            sequence,
            answer: Answer::new(&self.tokens.healed, &self.stop_texts),
            sampler: Sampler::new(self.sampling.clone(), index),
            written: Vec::new(),
            tokens: Vec::new(),
            next: 0,
        };
        (std::iter::once(sequence).chain(forks).enumerate().map(candidate).collect(), ending)
    }

    /// How far it is, and who writes for it.
    pub(super) fn voice<'a>(&'a mut self, model: &'a Model, spelling: &'a Spelling) -> (&'a mut Stage, Voice<'a>) {
        let voice = Voice {
            model,
            spelling,
            stops: &self.tokens.stops,
            max_tokens: self.max_tokens,
            until: &mut self.until,
            events: &mut *self.events,
            usage: &mut self.usage,
            drafter: &mut self.drafter,
            cache: self.cache.as_ref(),
        };
        (&mut self.stage, voice)
    }

    /// Notes how long it took.
    pub(super) fn note_times(&mut self) {
        let prefilled = self.prefilled.unwrap_or_else(Instant::now);
        self.usage.prefill = prefilled - self.started;
        self.usage.decode = prefilled.elapsed();
    }
}

/// What the texts at hand are of use for.
fn at_hand(job: &Job, tokens: &Tokens) -> (Drafter, Option<Cache>) {
    let own = texts(&job.prompt);
    let last = own.last().copied().unwrap_or_default();
    let lead = last.strip_suffix(tokens.healed.as_str()).unwrap_or(last);
    let mut texts: Vec<_> = job.repeats.iter().cloned().chain(own.iter().map(|text| Arc::from(*text))).collect();
    let by_likelihood = job.sampling.temperature <= 0.0;
    let cache = (job.cache && by_likelihood).then(|| Cache::new(texts.clone(), lead, tokens.healed.len()));
    // What a model wrote is no reason for it to write the same again, so the cache is without it.
    texts.extend(job.earlier.iter().cloned());
    (Drafter::new(&job.drafts, texts, lead, &tokens.healed), cache)
}

fn texts(prompt: &Prompt) -> Vec<&str> {
    let mut texts = Vec::new();
    for part in &prompt.parts {
        if let Content::Text(text) = &part.content {
            texts.push(text.as_str());
        }
    }
    texts
}
