//! An admitted job.

use std::sync::Arc;
use std::time::Instant;

use foretype_plugins::{Content, Prompt};

use super::candidate::ActiveCandidate;
use super::decode::DecodeContext;
use super::detokenizer::Detokenizer;
use super::job::{Event, Job, Priority, StopCondition, Usage};
use super::listener::Listener;
use super::prompt_encoder::EncodedPrompt;
use super::status::EngineState;
use super::ticket::{SubmittedJob, TicketState};
use crate::cache_lm::CacheLm;
use crate::healing::VocabularyIndex;
use crate::prefix_cache::{NextTokenState, Sequence};
use crate::sampler::Sampler;
use crate::speculative::{DraftBudget, Drafter};
use crate::{Model, SamplingParams};

/// A job that has been admitted and is not done.
pub(super) struct ActiveJob {
    pub(super) prompt: EncodedPrompt,
    pub(super) candidate_count: usize,
    pub(super) max_tokens: usize,
    sampling: SamplingParams,
    stop_texts: Vec<String>,
    stop_condition: Option<StopCondition>,
    pub(super) listener: Listener,
    pub(super) ticket: Arc<TicketState>,
    pub(super) started_at: Instant,
    prefilled_at: Option<Instant>,
    pub(super) usage: Usage,
    pub(super) drafter: Drafter,
    cache_lm: Option<CacheLm>,
    pub(super) phase: Phase,
    /// Steps of the job's priority since it last had rows in a batch.
    pub(super) steps_waited: usize,
}

/// The phase of a job.
pub(super) enum Phase {
    /// The prompt is being evaluated into this sequence.
    Prefill(Sequence),
    /// The candidates that have not ended.
    Decode(Vec<ActiveCandidate>),
}

impl ActiveJob {
    /// A job in its prefill phase; `sequence` holds a prefix of `prompt`.
    pub(super) fn new(
        submitted: SubmittedJob,
        prompt: EncodedPrompt,
        sequence: Sequence,
        state: &Arc<EngineState>,
    ) -> Self {
        let SubmittedJob { job, events, ticket, submitted_at } = submitted;
        let (drafter, cache_lm) = build_drafter_and_cache_lm(&job, &prompt);
        Self {
            candidate_count: job.candidates.max(1),
            max_tokens: job.max_tokens,
            sampling: job.sampling,
            stop_texts: job.stop_texts,
            stop_condition: job.stop_condition,
            listener: Listener::new(events, state.clone()),
            ticket,
            started_at: Instant::now(),
            prefilled_at: None,
            usage: Usage { reused: sequence.tokens.len(), queued: submitted_at.elapsed(), ..Usage::default() },
            drafter,
            cache_lm,
            phase: Phase::Prefill(sequence),
            steps_waited: 0,
            prompt,
        }
    }

    /// The job's current priority.
    pub(super) fn priority(&self) -> Priority {
        self.ticket.priority()
    }

    /// Prompt tokens that have not been evaluated; 0 while decoding.
    pub(super) fn remaining_prompt_tokens(&self) -> usize {
        match &self.phase {
            Phase::Prefill(sequence) => self.prompt.ids.len() - sequence.tokens.len(),
            Phase::Decode(_) => 0,
        }
    }

    /// True if the whole prompt and the logits after it are in the prefix cache, so that it needs no forward pass.
    pub(super) fn is_prompt_cached(&self) -> bool {
        matches!(&self.phase, Phase::Prefill(sequence) if sequence.has_next_token_state(self.prompt.ids.len()))
    }

    /// True if sampling needs the logits of the whole vocabulary, not only the argmax.
    pub(super) fn needs_full_logits(&self) -> bool {
        self.cache_lm.is_some() || !self.sampling.is_greedy()
    }

    /// Returns the number of rows, of one token and the `draft` after it, whose next token still has to spell part of a
    /// healing prefix. `prefix_len` bytes of the prefix remain after the first row.
    pub(super) fn healing_row_count(&self, model: &Model, prefix_len: usize, draft: &[u32]) -> usize {
        let mut remaining = prefix_len;
        let mut rows = 0;
        for token in draft {
            if remaining == 0 {
                return rows;
            }
            rows += 1;
            remaining = remaining.saturating_sub(model.tokenizer.token_bytes(*token).len());
        }
        if remaining > 0 { rows + 1 } else { rows }
    }

    /// Drafts the tokens to follow the bytes `generated` so far, which are `count` tokens.
    ///
    /// `position` is the number of tokens in the sequence before the draft. Drafts are verified against the argmax, so
    /// there are none at a temperature above 0.
    pub(super) fn propose_draft(
        &self,
        model: &Model,
        generated: &[u8],
        count: usize,
        position: usize,
        budget: DraftBudget,
    ) -> Vec<u32> {
        let context = model.decoder.config().context_length;
        let remaining = self.max_tokens.saturating_sub(count + 1).min(context.saturating_sub(position + 1));
        let max_tokens = budget.max_tokens.min(remaining);
        if self.sampling.temperature > 0.0 || max_tokens == 0 {
            return Vec::new();
        }
        let Some(proposal) = self.drafter.propose(generated) else { return Vec::new() };
        let mut draft = model.tokenizer.encode(proposal.text);
        draft.truncate(max_tokens.min(proposal.profitable_tokens(budget.row_cost)));
        draft
    }

    /// Ends the prefill phase: sends [`Event::Prefilled`] and returns the candidates with the state that their first
    /// tokens are sampled from.
    pub(super) fn start_decode(&mut self) -> (Vec<ActiveCandidate>, Arc<NextTokenState>) {
        self.prefilled_at = Some(Instant::now());
        let Usage { evaluated, reused, .. } = self.usage;
        self.listener.send(&self.usage, Event::Prefilled { evaluated, reused });
        let Phase::Prefill(sequence) = std::mem::replace(&mut self.phase, Phase::Decode(Vec::new())) else {
            return Default::default();
        };
        let Some((length, next_token)) = sequence.next_token_state.clone() else { return Default::default() };
        let mut sequences: Vec<Sequence> = (1..self.candidate_count).map(|_| sequence.fork(length)).collect();
        sequences.insert(0, sequence);
        let mut candidates = Vec::with_capacity(sequences.len());
        for (index, sequence) in sequences.into_iter().enumerate() {
            candidates.push(ActiveCandidate {
                index,
                sequence,
                output: Detokenizer::new(&self.prompt.healing_prefix, &self.stop_texts),
                sampler: Sampler::new(self.sampling.clone(), index),
                generated_ids: Vec::new(),
                token_infos: Vec::new(),
                pending_token: 0,
            });
        }
        (candidates, next_token)
    }

    /// The phase, and the context to decode its candidates in.
    pub(super) fn decode_context<'a>(
        &'a mut self,
        model: &'a Model,
        vocabulary: &'a VocabularyIndex,
    ) -> (&'a mut Phase, DecodeContext<'a>) {
        let context = DecodeContext {
            model,
            vocabulary,
            stop_ids: &self.prompt.stop_ids,
            max_tokens: self.max_tokens,
            stop_condition: &mut self.stop_condition,
            listener: &mut self.listener,
            usage: &mut self.usage,
            drafter: &mut self.drafter,
            cache_lm: self.cache_lm.as_ref(),
        };
        (&mut self.phase, context)
    }

    /// Records the durations of prefill and decode in the job's usage.
    pub(super) fn record_durations(&mut self) {
        let prefilled_at = self.prefilled_at.unwrap_or_else(Instant::now);
        self.usage.prefill = prefilled_at - self.started_at;
        self.usage.decode = prefilled_at.elapsed();
    }
}

/// Builds the drafter and, if the job asks for one, the cache language model from the job's texts.
fn build_drafter_and_cache_lm(job: &Job, prompt: &EncodedPrompt) -> (Drafter, Option<CacheLm>) {
    let prompt_texts = prompt_texts(&job.prompt);
    let last = prompt_texts.last().copied().unwrap_or_default();
    let prompt_tail = last.strip_suffix(prompt.healing_prefix.as_str()).unwrap_or(last);
    let mut sources = job.ngram_sources.clone();
    sources.extend(prompt_texts.into_iter().map(Arc::from));
    let cache_lm = if job.cache_lm && job.sampling.temperature <= 0.0 {
        Some(CacheLm::new(sources.clone(), prompt_tail, prompt.healing_prefix.len()))
    } else {
        None
    };
    // Generated text goes to the drafter alone: in the cache model, the model would reinforce its own output.
    sources.extend(job.recent_generations.iter().cloned());
    (Drafter::new(&job.likely_completions, sources, prompt_tail, &prompt.healing_prefix), cache_lm)
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
