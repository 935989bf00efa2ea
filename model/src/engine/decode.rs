//! Writes the answers of one job: draws tokens, tells of them, and says when an answer is over.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::active_job::ActiveCandidate;
use super::detokenizer::TextDelta;
use super::job::{Event, FinishReason, StopCondition, TokenInfo, Usage};
use crate::Model;
use crate::cache_lm::CacheLm;
use crate::decoder::LogitsRow;
use crate::healing::VocabularyIndex;
use crate::sampler::{SampleLogits, Sampler};
use crate::speculative::Drafter;

/// Draws tokens for the candidates of one job and tells of them.
pub(super) struct DecodeContext<'a> {
    pub(super) model: &'a Model,
    pub(super) spelling: &'a VocabularyIndex,
    pub(super) stop_ids: &'a [u32],
    pub(super) max_tokens: usize,
    pub(super) stop_condition: &'a mut Option<StopCondition>,
    pub(super) events: &'a mut (dyn FnMut(Event) + Send),
    pub(super) usage: &'a mut Usage,
    pub(super) drafter: &'a mut Drafter,
    pub(super) cache_lm: Option<&'a CacheLm>,
}

impl DecodeContext<'_> {
    /// Draws the candidate's next token, and more as long as they are those of `draft`, whose keys and values are in its
    /// cache already. `logits` gives what was computed for its last token and, from 1 on, for those of the draft. Says
    /// whether the answer is over, after telling of it.
    pub(super) fn accept_tokens<'l>(
        &mut self,
        candidate: &mut ActiveCandidate,
        rank: usize,
        draft: &[u32],
        logits: impl Fn(usize) -> LogitsRow<'l>,
    ) -> bool {
        let mut accepted = 0;
        let reason = loop {
            let reason = self.decode_token(candidate, &logits(accepted), if accepted == 0 { rank } else { 0 });
            if reason.is_some() || draft.get(accepted) != Some(&candidate.pending_token) {
                break reason;
            }
            candidate.sequence.tokens.push(candidate.pending_token);
            accepted += 1;
        };
        candidate.sequence.discard_rejected_draft();
        self.usage.drafted += draft.len();
        self.usage.accepted += accepted;
        self.drafter.record_acceptance(draft.len(), accepted);
        let over = reason.is_some();
        reason.into_iter().for_each(|reason| self.finish(candidate, reason));
        over
    }

    /// Draws the candidate's next token; a reason if it was the last.
    fn decode_token(
        &mut self,
        candidate: &mut ActiveCandidate,
        logits: &LogitsRow,
        rank: usize,
    ) -> Option<FinishReason> {
        if candidate.generated_ids.len() >= self.max_tokens {
            return Some(FinishReason::Length);
        }
        let tokenizer = &self.model.tokenizer;
        let to_spell = candidate.output.remaining_prefix();
        let drawn = match to_spell {
            [] => self.sample(&mut candidate.sampler, candidate.output.bytes(), logits, rank, &candidate.generated_ids),
            _ => {
                let allowed = self.spelling.tokens_spelling(tokenizer, to_spell);
                let only_likeliest = candidate.sampler.is_greedy(rank);
                let logits = self.model.decoder.logits_of(logits, &allowed, only_likeliest);
                candidate.sampler.sample(SampleLogits::Allowed(&logits), rank, &candidate.generated_ids)
            }
        };
        let Some((id, logprob)) = drawn else {
            return Some(FinishReason::Failed("no token of the model fits here".into()));
        };
        if self.stop_ids.binary_search(&id).is_ok() || tokenizer.is_special(id) {
            return Some(FinishReason::EndToken);
        }
        let bytes = tokenizer.token_bytes(id);
        let given = bytes.len() <= to_spell.len();
        self.usage.generated += 1;
        candidate.generated_ids.push(id);
        candidate.token_infos.push(TokenInfo {
            text: String::from_utf8_lossy(bytes).into_owned(),
            logprob,
            forced: given,
        });
        candidate.pending_token = id;
        let (text, stopped) = match candidate.output.push(bytes) {
            TextDelta::Text(text) => (text, false),
            TextDelta::Stopped(text) => (text, true),
        };
        if !text.is_empty() {
            (self.events)(Event::Text { candidate: candidate.index, text, logprob });
        }
        if stopped {
            return Some(FinishReason::StopText);
        }
        if let Some(until) = self.stop_condition
            && candidate.output.remaining_prefix().is_empty()
        {
            let (index, text) = (candidate.index, candidate.output.text());
            match catch_unwind(AssertUnwindSafe(|| until(index, text))) {
                Ok(false) => {}
                Ok(true) => return Some(FinishReason::StopCondition),
                Err(_) => return Some(FinishReason::Failed("the rule that ends an answer panicked".into())),
            }
        }
        let context = self.model.decoder.config().context_length;
        let full = candidate.generated_ids.len() >= self.max_tokens || candidate.sequence.tokens.len() + 1 >= context;
        full.then_some(FinishReason::Length)
    }

    /// A token of all, behind the tokens that were `written` and their bytes.
    fn sample(
        &self,
        sampler: &mut Sampler,
        bytes: &[u8],
        logits: &LogitsRow,
        rank: usize,
        written: &[u32],
    ) -> Option<(u32, f32)> {
        let best = logits.best.filter(|_| sampler.is_greedy(rank));
        if best.is_some() && self.cache_lm.is_none() {
            return best;
        }
        let all = self.model.decoder.all_logits(logits);
        let drawn = best.or_else(|| sampler.sample(SampleLogits::Full(&all), rank, written))?;
        let cache = self.cache_lm.filter(|_| rank == 0);
        Some(cache.map_or(drawn, |cache| cache.choose_token(&self.model.tokenizer, &all, drawn, bytes)))
    }

    /// Tells that the candidate has ended.
    fn finish(&mut self, candidate: &mut ActiveCandidate, reason: FinishReason) {
        if reason != FinishReason::StopText {
            let text = candidate.output.flush();
            if !text.is_empty() {
                let logprob = candidate.token_infos.last().map_or(0.0, |token| token.logprob);
                (self.events)(Event::Text { candidate: candidate.index, text, logprob });
            }
        }
        let tokens = std::mem::take(&mut candidate.token_infos);
        let confidence = mean_logprob(&tokens);
        (self.events)(Event::Finished { candidate: candidate.index, reason, tokens, confidence });
    }
}

/// Mean log-probability of what the model chose.
pub(super) fn mean_logprob(tokens: &[TokenInfo]) -> f32 {
    let chosen: Vec<f32> = tokens.iter().filter(|token| !token.forced).map(|token| token.logprob).collect();
    chosen.iter().sum::<f32>() / chosen.len().max(1) as f32
}
