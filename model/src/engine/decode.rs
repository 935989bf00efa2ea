//! Decoding: turns the logits of a step into tokens of a job's candidates.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::candidate::ActiveCandidate;
use super::detokenizer::TextDelta;
use super::job::{Event, FinishReason, StopCondition, TokenInfo, Usage, mean_logprob};
use super::listener::Listener;
use crate::Model;
use crate::cache_lm::CacheLm;
use crate::decoder::LogitsRow;
use crate::healing::VocabularyIndex;
use crate::sampler::{SampleLogits, Sampler};
use crate::speculative::Drafter;

/// The parts of a job and of its engine that decoding needs.
pub(super) struct DecodeContext<'a> {
    pub(super) model: &'a Model,
    pub(super) vocabulary: &'a VocabularyIndex,
    pub(super) stop_ids: &'a [u32],
    pub(super) max_tokens: usize,
    pub(super) stop_condition: &'a mut Option<StopCondition>,
    pub(super) listener: &'a mut Listener,
    pub(super) usage: &'a mut Usage,
    pub(super) drafter: &'a mut Drafter,
    pub(super) cache_lm: Option<&'a CacheLm>,
}

impl DecodeContext<'_> {
    /// Samples the candidate's next token, and further tokens for as long as they match `draft`, whose keys and values
    /// are in the candidate's cache already. Sends their events and returns true if the candidate has ended.
    ///
    /// `logits(0)` are the logits after the candidate's last token, `logits(n)` those after `n` tokens of the draft.
    /// `rank` applies to the first token; see [`Sampler::sample`].
    pub(super) fn accept_tokens<'l>(
        &mut self,
        candidate: &mut ActiveCandidate,
        rank: usize,
        draft: &[u32],
        logits: impl Fn(usize) -> LogitsRow<'l>,
    ) -> bool {
        let mut accepted = 0;
        let reason = loop {
            let rank = if accepted == 0 { rank } else { 0 };
            let reason = self.decode_token(candidate, &logits(accepted), rank);
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
        let Some(reason) = reason else { return false };
        self.finish(candidate, reason);
        true
    }

    /// Samples the candidate's next token, records it and sends its text. Returns a reason if the candidate ends here.
    fn decode_token(
        &mut self,
        candidate: &mut ActiveCandidate,
        logits: &LogitsRow,
        rank: usize,
    ) -> Option<FinishReason> {
        if candidate.generated_ids.len() >= self.max_tokens {
            return Some(FinishReason::Length);
        }
        let Some((id, logprob)) = self.sample(candidate, logits, rank) else {
            return Some(FinishReason::Failed("no token of the vocabulary can continue the text".into()));
        };
        if self.stop_ids.binary_search(&id).is_ok() || self.model.tokenizer.is_special(id) {
            return Some(FinishReason::EndToken);
        }
        if self.append(candidate, id, logprob) {
            return Some(FinishReason::StopText);
        }
        let reason = self.check_stop_condition(candidate);
        if reason.is_some() {
            return reason;
        }
        let context = self.model.decoder.config().context_length;
        let at_limit = candidate.generated_ids.len() >= self.max_tokens;
        if at_limit || candidate.sequence.tokens.len() + 1 >= context { Some(FinishReason::Length) } else { None }
    }

    /// Samples a token and its natural log-probability: among the tokens that can spell the rest of the healing prefix,
    /// or among all of them.
    fn sample(&self, candidate: &mut ActiveCandidate, logits: &LogitsRow, rank: usize) -> Option<(u32, f32)> {
        let prefix = candidate.output.remaining_prefix();
        if prefix.is_empty() {
            let (bytes, generated) = (candidate.output.bytes(), &candidate.generated_ids);
            return self.sample_any(&mut candidate.sampler, bytes, logits, rank, generated);
        }
        let allowed = self.vocabulary.allowed_tokens(&self.model.tokenizer, prefix);
        let greedy = candidate.sampler.is_greedy(rank);
        let logits = self.model.decoder.logits_of(logits, &allowed, greedy);
        candidate.sampler.sample(SampleLogits::Allowed(&logits), rank, &candidate.generated_ids)
    }

    /// Samples among all tokens, to follow the tokens `generated` and their `bytes`.
    fn sample_any(
        &self,
        sampler: &mut Sampler,
        bytes: &[u8],
        logits: &LogitsRow,
        rank: usize,
        generated: &[u32],
    ) -> Option<(u32, f32)> {
        let argmax = if sampler.is_greedy(rank) { logits.argmax } else { None };
        if argmax.is_some() && self.cache_lm.is_none() {
            return argmax;
        }
        let all = self.model.decoder.all_logits(logits);
        let sampled = match argmax {
            Some(argmax) => argmax,
            None => sampler.sample(SampleLogits::Full(&all), rank, generated)?,
        };
        match self.cache_lm {
            // Ranks above 0 are there to differ from the first candidate.
            Some(cache_lm) if rank == 0 => Some(cache_lm.choose_token(&self.model.tokenizer, &all, sampled, bytes)),
            _ => Some(sampled),
        }
    }

    /// Appends a token to the candidate and sends the text that it completes. Returns true at a stop text.
    fn append(&mut self, candidate: &mut ActiveCandidate, id: u32, logprob: f32) -> bool {
        let bytes = self.model.tokenizer.token_bytes(id);
        let forced = bytes.len() <= candidate.output.remaining_prefix().len();
        self.usage.generated += 1;
        candidate.generated_ids.push(id);
        candidate.token_infos.push(TokenInfo { text: String::from_utf8_lossy(bytes).into_owned(), logprob, forced });
        candidate.pending_token = id;
        let (text, stopped) = match candidate.output.push(bytes) {
            TextDelta::Text(text) => (text, false),
            TextDelta::Stopped(text) => (text, true),
        };
        if !text.is_empty() {
            self.listener.send(self.usage, Event::Text { candidate: candidate.index, text, logprob });
        }
        stopped
    }

    /// Applies the job's stop condition once the healing prefix is spelled.
    fn check_stop_condition(&mut self, candidate: &ActiveCandidate) -> Option<FinishReason> {
        let stop_condition = self.stop_condition.as_mut()?;
        if !candidate.output.remaining_prefix().is_empty() {
            return None;
        }
        let (index, text) = (candidate.index, candidate.output.text());
        match catch_unwind(AssertUnwindSafe(|| stop_condition(index, text))) {
            Ok(false) => None,
            Ok(true) => Some(FinishReason::StopCondition),
            Err(_) => Some(FinishReason::Failed("the stop condition panicked".into())),
        }
    }

    /// Sends the remaining text of a candidate and its end.
    fn finish(&mut self, candidate: &mut ActiveCandidate, reason: FinishReason) {
        if reason != FinishReason::StopText {
            let text = candidate.output.flush();
            if !text.is_empty() {
                let logprob = candidate.token_infos.last().map_or(0.0, |token| token.logprob);
                self.listener.send(self.usage, Event::Text { candidate: candidate.index, text, logprob });
            }
        }
        let tokens = std::mem::take(&mut candidate.token_infos);
        let confidence = mean_logprob(&tokens);
        self.listener.send(self.usage, Event::Finished { candidate: candidate.index, reason, tokens, confidence });
    }
}
