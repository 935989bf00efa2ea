//! A job in work.

use std::sync::Arc;
use std::time::Instant;

use foretype_plugins::{Content, Prompt};

use super::decode::DecodeContext;
use super::detokenizer::Detokenizer;
use super::job::{Event, Job, Priority, StopCondition, TokenInfo, Usage};
use super::prompt_encoder::EncodedPrompt;
use super::{SubmittedJob, TicketState};
use crate::cache_lm::CacheLm;
use crate::healing::VocabularyIndex;
use crate::prefix_cache::{NextTokenState, Sequence};
use crate::sampler::Sampler;
use crate::speculative::{DraftBudget, Drafter};
use crate::{Model, SamplingParams};

/// A job in work.
pub(super) struct ActiveJob {
    pub(super) prompt: EncodedPrompt,
    pub(super) candidate_count: usize,
    pub(super) max_tokens: usize,
    sampling: SamplingParams,
    stop_texts: Vec<String>,
    stop_condition: Option<StopCondition>,
    pub(super) events: Box<dyn FnMut(Event) + Send>,
    pub(super) ticket: Arc<TicketState>,
    pub(super) started_at: Instant,
    prefilled_at: Option<Instant>,
    pub(super) usage: Usage,
    pub(super) drafter: Drafter,
    cache_lm: Option<CacheLm>,
    pub(super) phase: Phase,
    /// Steps that went by without a row for it.
    pub(super) steps_waited: usize,
}

/// How far a job is.
pub(super) enum Phase {
    Prefill(Sequence),
    Decode(Vec<ActiveCandidate>),
}

/// One answer of a job.
pub(super) struct ActiveCandidate {
    pub(super) index: usize,
    pub(super) sequence: Sequence,
    pub(super) output: Detokenizer,
    pub(super) sampler: Sampler,
    pub(super) generated_ids: Vec<u32>,
    pub(super) token_infos: Vec<TokenInfo>,
    /// The last token, not yet evaluated.
    pub(super) pending_token: u32,
}

impl ActiveJob {
    /// A job whose prompt is `tokens`, the first of which are in `sequence`.
    pub(super) fn new(submitted: SubmittedJob, tokens: EncodedPrompt, sequence: Sequence) -> Self {
        let SubmittedJob { job, events, ticket: claim, submitted_at: at } = submitted;
        let (drafter, cache) = build_drafter_and_cache_lm(&job, &tokens);
        Self {
            candidate_count: job.candidates.max(1),
            max_tokens: job.max_tokens,
            sampling: job.sampling,
            stop_texts: job.stop_texts,
            stop_condition: job.stop_condition,
            events,
            ticket: claim,
            started_at: Instant::now(),
            prefilled_at: None,
            usage: Usage { reused: sequence.tokens.len(), queued: at.elapsed(), ..Usage::default() },
            drafter,
            cache_lm: cache,
            phase: Phase::Prefill(sequence),
            steps_waited: 0,
            prompt: tokens,
        }
    }

    pub(super) fn priority(&self) -> Priority {
        self.ticket.priority()
    }

    /// Prompt tokens that are still to be read.
    pub(super) fn remaining_prompt_tokens(&self) -> usize {
        match &self.phase {
            Phase::Prefill(sequence) => self.prompt.ids.len() - sequence.tokens.len(),
            Phase::Decode(_) => 0,
        }
    }

    /// Whether the whole prompt was read before, so that it needs no forward pass.
    pub(super) fn is_prompt_cached(&self) -> bool {
        matches!(&self.phase, Phase::Prefill(sequence) if sequence.has_next_token_state(self.prompt.ids.len()))
    }

    /// Whether all that follows a token must be looked at, because tokens are not taken by their likelihood alone.
    pub(super) fn needs_full_logits(&self) -> bool {
        self.cache_lm.is_some() || !self.sampling.is_greedy()
    }

    /// Of a token and a draft behind it: behind the first so many, some of `to_spell` bytes are still to be spelled.
    pub(super) fn healing_row_count(&self, model: &Model, to_spell: usize, draft: &[u32]) -> usize {
        let left = draft.iter().scan(to_spell, |left, token| {
            *left = left.saturating_sub(model.tokenizer.token_bytes(*token).len());
            Some(*left)
        });
        std::iter::once(to_spell).chain(left).take_while(|left| *left > 0).count()
    }

    /// A draft of what follows `written` bytes in `count` tokens, where `position` tokens have been evaluated or are about
    /// to be. A draft is only of use if tokens are taken by their likelihood alone.
    pub(super) fn propose_draft(
        &self,
        model: &Model,
        written: &[u8],
        count: usize,
        position: usize,
        room: DraftBudget,
    ) -> Vec<u32> {
        let context = model.decoder.config().context_length;
        let left = (self.max_tokens.saturating_sub(count + 1)).min(context.saturating_sub(position + 1));
        let most = room.max_tokens.min(left);
        if self.sampling.temperature > 0.0 || most == 0 {
            return Vec::new();
        }
        let Some(guess) = self.drafter.propose(written) else { return Vec::new() };
        let mut draft = model.tokenizer.encode(guess.text);
        draft.truncate(most.min(guess.profitable_tokens(room.row_cost)));
        draft
    }

    /// The prompt has been read: says so, and gives the candidates and the logits that the first tokens are drawn from.
    pub(super) fn start_decode(&mut self) -> (Vec<ActiveCandidate>, Arc<NextTokenState>) {
        self.prefilled_at = Some(Instant::now());
        let Usage { evaluated, reused, .. } = self.usage;
        (self.events)(Event::Prefilled { evaluated, reused });
        let Phase::Prefill(sequence) = std::mem::replace(&mut self.phase, Phase::Decode(Vec::new())) else {
            return Default::default();
        };
        let Some((length, ending)) = sequence.next_token_state.clone() else { return Default::default() };
        let forks: Vec<Sequence> = (1..self.candidate_count).map(|_| sequence.fork(length)).collect();
        let candidate = |(index, sequence)| ActiveCandidate {
            index,
            sequence,
            output: Detokenizer::new(&self.prompt.healing_prefix, &self.stop_texts),
            sampler: Sampler::new(self.sampling.clone(), index),
            generated_ids: Vec::new(),
            token_infos: Vec::new(),
            pending_token: 0,
        };
        (std::iter::once(sequence).chain(forks).enumerate().map(candidate).collect(), ending)
    }

    /// How far it is, and who writes for it.
    pub(super) fn decode_context<'a>(
        &'a mut self,
        model: &'a Model,
        spelling: &'a VocabularyIndex,
    ) -> (&'a mut Phase, DecodeContext<'a>) {
        let voice = DecodeContext {
            model,
            spelling,
            stop_ids: &self.prompt.stop_ids,
            max_tokens: self.max_tokens,
            stop_condition: &mut self.stop_condition,
            events: &mut *self.events,
            usage: &mut self.usage,
            drafter: &mut self.drafter,
            cache_lm: self.cache_lm.as_ref(),
        };
        (&mut self.phase, voice)
    }

    /// Notes how long it took.
    pub(super) fn record_durations(&mut self) {
        let prefilled = self.prefilled_at.unwrap_or_else(Instant::now);
        self.usage.prefill = prefilled - self.started_at;
        self.usage.decode = prefilled.elapsed();
    }
}

/// What the texts at hand are of use for.
fn build_drafter_and_cache_lm(job: &Job, tokens: &EncodedPrompt) -> (Drafter, Option<CacheLm>) {
    let own = prompt_texts(&job.prompt);
    let last = own.last().copied().unwrap_or_default();
    let lead = last.strip_suffix(tokens.healing_prefix.as_str()).unwrap_or(last);
    let mut texts: Vec<_> = job.ngram_sources.iter().cloned().chain(own.iter().map(|text| Arc::from(*text))).collect();
    let by_likelihood = job.sampling.temperature <= 0.0;
    let cache = (job.cache_lm && by_likelihood).then(|| CacheLm::new(texts.clone(), lead, tokens.healing_prefix.len()));
    // What a model wrote is no reason for it to write the same again, so the cache is without it.
    texts.extend(job.recent_generations.iter().cloned());
    (Drafter::new(&job.likely_completions, texts, lead, &tokens.healing_prefix), cache)
}

fn prompt_texts(prompt: &Prompt) -> Vec<&str> {
    let mut texts = Vec::new();
    for part in &prompt.parts {
        if let Content::Text(text) = &part.content {
            texts.push(text.as_str());
        }
    }
    texts
}
