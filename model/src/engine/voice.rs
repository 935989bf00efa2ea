//! Writes the answers of one job: draws tokens, tells of them, and says when an answer is over.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::job::{Event, FinishReason, TokenInfo, Until, Usage};
use super::running::Candidate;
use super::text::Grown;
use crate::Model;
use crate::cache::Cache;
use crate::decoder::LogitsRow;
use crate::draft::Drafter;
use crate::healing::Spelling;
use crate::sampler::{Sampler, Scores};

/// Draws tokens for the candidates of one job and tells of them.
pub(super) struct Voice<'a> {
    pub(super) model: &'a Model,
    pub(super) spelling: &'a Spelling,
    pub(super) stops: &'a [u32],
    pub(super) max_tokens: usize,
    pub(super) until: &'a mut Option<Until>,
    pub(super) events: &'a mut (dyn FnMut(Event) + Send),
    pub(super) usage: &'a mut Usage,
    pub(super) drafter: &'a mut Drafter,
    pub(super) cache: Option<&'a Cache>,
}

impl Voice<'_> {
    /// Draws the candidate's next token, and more as long as they are those of `draft`, whose keys and values are in its
    /// cache already. `logits` gives what was computed for its last token and, from 1 on, for those of the draft. Says
    /// whether the answer is over, after telling of it.
    pub(super) fn write<'l>(
        &mut self,
        candidate: &mut Candidate,
        rank: usize,
        draft: &[u32],
        logits: impl Fn(usize) -> LogitsRow<'l>,
    ) -> bool {
        let mut accepted = 0;
        let reason = loop {
            let reason = self.next(candidate, &logits(accepted), if accepted == 0 { rank } else { 0 });
            if reason.is_some() || draft.get(accepted) != Some(&candidate.next) {
                break reason;
            }
            candidate.sequence.tokens.push(candidate.next);
            accepted += 1;
        };
        candidate.sequence.forget_unseen();
        self.usage.drafted += draft.len();
        self.usage.accepted += accepted;
        self.drafter.learn(draft.len(), accepted);
        let over = reason.is_some();
        reason.into_iter().for_each(|reason| self.finish(candidate, reason));
        over
    }

    /// Draws the candidate's next token; a reason if it was the last.
    fn next(&mut self, candidate: &mut Candidate, logits: &LogitsRow, rank: usize) -> Option<FinishReason> {
        if candidate.written.len() >= self.max_tokens {
            return Some(FinishReason::Length);
        }
        let tokenizer = &self.model.tokenizer;
        let to_spell = candidate.answer.to_spell();
        let drawn = match to_spell {
            [] => self.draw(&mut candidate.sampler, candidate.answer.bytes(), logits, rank, &candidate.written),
            _ => {
                let allowed = self.spelling.allowed(tokenizer, to_spell);
                let only_likeliest = candidate.sampler.takes_the_likeliest(rank);
                let logits = self.model.decoder.logits_of(logits, &allowed, only_likeliest);
                candidate.sampler.draw(Scores::Of(&logits), rank, &candidate.written)
            }
        };
        let Some((id, logprob)) = drawn else {
            return Some(FinishReason::Failed("no token of the model fits here".into()));
        };
        if self.stops.binary_search(&id).is_ok() || tokenizer.is_special(id) {
            return Some(FinishReason::End);
        }
        let bytes = tokenizer.bytes(id);
        let given = bytes.len() <= to_spell.len();
        self.usage.generated += 1;
        candidate.written.push(id);
        candidate.tokens.push(TokenInfo { text: String::from_utf8_lossy(bytes).into_owned(), logprob, given });
        candidate.next = id;
        let (text, stopped) = match candidate.answer.push(bytes) {
            Grown::Text(text) => (text, false),
            Grown::Stopped(text) => (text, true),
        };
        if !text.is_empty() {
            (self.events)(Event::Text { candidate: candidate.index, text, logprob });
        }
        if stopped {
            return Some(FinishReason::StopText);
        }
        if let Some(until) = self.until
            && candidate.answer.to_spell().is_empty()
        {
            let (index, text) = (candidate.index, candidate.answer.text());
            match catch_unwind(AssertUnwindSafe(|| until(index, text))) {
                Ok(false) => {}
                Ok(true) => return Some(FinishReason::Until),
                Err(_) => return Some(FinishReason::Failed("the rule that ends an answer panicked".into())),
            }
        }
        let context = self.model.decoder.config().context_length;
        let full = candidate.written.len() >= self.max_tokens || candidate.sequence.tokens.len() + 1 >= context;
        full.then_some(FinishReason::Length)
    }

    /// A token of all, behind the tokens that were `written` and their bytes.
    fn draw(
        &self,
        sampler: &mut Sampler,
        bytes: &[u8],
        logits: &LogitsRow,
        rank: usize,
        written: &[u32],
    ) -> Option<(u32, f32)> {
        let best = logits.best.filter(|_| sampler.takes_the_likeliest(rank));
        if best.is_some() && self.cache.is_none() {
            return best;
        }
        let all = self.model.decoder.all_logits(logits);
        let drawn = best.or_else(|| sampler.draw(Scores::All(&all), rank, written))?;
        let cache = self.cache.filter(|_| rank == 0);
        Some(cache.map_or(drawn, |cache| cache.choose(&self.model.tokenizer, &all, drawn, bytes)))
    }

    /// Tells that the candidate has ended.
    fn finish(&mut self, candidate: &mut Candidate, reason: FinishReason) {
        if reason != FinishReason::StopText {
            let text = candidate.answer.rest();
            if !text.is_empty() {
                let logprob = candidate.tokens.last().map_or(0.0, |token| token.logprob);
                (self.events)(Event::Text { candidate: candidate.index, text, logprob });
            }
        }
        let tokens = std::mem::take(&mut candidate.tokens);
        let confidence = mean(&tokens);
        (self.events)(Event::Finished { candidate: candidate.index, reason, tokens, confidence });
    }
}

/// Mean log-probability of what the model chose.
pub(super) fn mean(tokens: &[TokenInfo]) -> f32 {
    let chosen: Vec<f32> = tokens.iter().filter(|token| !token.given).map(|token| token.logprob).collect();
    chosen.iter().sum::<f32>() / chosen.len().max(1) as f32
}
