//! Scores: the probability that a model gives to a known completion.
//!
//! Prompt and completion are evaluated together, and the log-probabilities of the completion's tokens are summed.
//! Divided by the completion's bytes, the score in bits compares models of different vocabularies.

use foretype_plugins::Prompt;

use crate::decoder::{Logits, LogitsRequest};
use crate::engine::PromptEncoder;
use crate::healing::VocabularyIndex;
use crate::kv::{KvBatch, KvCache};
use crate::sampler::log_probability;
use crate::{ForwardError, Model};

/// Prompt tokens evaluated in one step.
const PROMPT_TOKENS_PER_STEP: usize = 256;
/// Completion tokens evaluated in one step; fewer, because each needs the logits of the whole vocabulary.
const COMPLETION_TOKENS_PER_STEP: usize = 32;

/// The score of a completion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Negative log₂ of the completion's probability.
    pub bits: f64,
    /// Length of the completion, in bytes.
    pub bytes: usize,
}

/// The reason why a completion has no score.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The prompt cannot be encoded with the model's tokenizer.
    #[error("{0}")]
    Prompt(String),
    /// Prompt and completion together are longer than the model's context.
    #[error("prompt and completion have {tokens} tokens, but the model's context length is {context}")]
    TooLong {
        /// Tokens of prompt and completion.
        tokens: usize,
        /// Context length of the model, in tokens.
        context: usize,
    },
    /// The forward pass failed.
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// Scores completions with a model.
pub struct Scorer<'a> {
    model: &'a Model,
    vocabulary: VocabularyIndex,
}

impl<'a> Scorer<'a> {
    /// A scorer for this model.
    pub fn new(model: &'a Model) -> Self {
        Self { model, vocabulary: VocabularyIndex::new(&model.tokenizer) }
    }

    /// Scores `completion` after `prompt`.
    ///
    /// With token healing, the tokens that spell the healing prefix are scored among those that can spell it, as in
    /// decoding. The end of the completion is not part of the score.
    ///
    /// # Errors
    /// Fails if the prompt is empty or cannot be encoded, if it does not fit the model's context together with the
    /// completion, and if the forward pass fails.
    pub fn score(&self, prompt: &Prompt, completion: &str) -> Result<Score, ScoreError> {
        let tokenizer = &self.model.tokenizer;
        let encoded = PromptEncoder::default().encode(prompt, tokenizer).map_err(ScoreError::Prompt)?;
        let prompt_len = encoded.ids.len();
        if prompt_len == 0 {
            return Err(ScoreError::Prompt("the prompt is empty".into()));
        }
        let completion_ids = tokenizer.encode(&[encoded.healing_prefix.as_str(), completion].concat());
        let tokens = [encoded.ids, completion_ids].concat();
        let context = self.model.decoder.config().context_length;
        if tokens.len() > context {
            return Err(ScoreError::TooLong { tokens: tokens.len(), context });
        }
        let mut healing_prefix = encoded.healing_prefix.as_bytes();
        let mut nats = 0.0;
        self.for_each_completion_token(&tokens, prompt_len, |token, logits| {
            let logprob = if healing_prefix.is_empty() {
                log_probability(logits, None, token)
            } else {
                let allowed = self.vocabulary.allowed_tokens(tokenizer, healing_prefix);
                log_probability(logits, Some(&allowed), token)
            };
            healing_prefix = healing_prefix.get(tokenizer.token_bytes(token).len()..).unwrap_or_default();
            nats -= f64::from(logprob);
        })?;
        Ok(Score { bits: nats / std::f64::consts::LN_2, bytes: completion.len() })
    }

    /// Calls `visit` with each token from index `prompt_len` on, and the logits that predict it.
    fn for_each_completion_token(
        &self,
        tokens: &[u32],
        prompt_len: usize,
        mut visit: impl FnMut(u32, &[f32]),
    ) -> Result<(), ForwardError> {
        let decoder = &self.model.decoder;
        let (mut cache, mut logits) = (KvCache::new(decoder.config()), Logits::default());
        let mut start = 0;
        // Nothing follows the last token, so it is not evaluated.
        while start + 1 < tokens.len() {
            let in_prompt = start + 1 < prompt_len;
            let end = if in_prompt {
                (start + PROMPT_TOKENS_PER_STEP).min(prompt_len - 1)
            } else {
                (start + COMPLETION_TOKENS_PER_STEP).min(tokens.len() - 1)
            };
            let positions: Vec<u32> = (start..end).map(|position| position as u32).collect();
            let rows: Vec<usize> = if in_prompt { Vec::new() } else { (0..end - start).collect() };
            cache.reserve(end - start);
            let mut kv_batch = KvBatch::new(vec![(&mut cache, end - start)], decoder.config().heads);
            let request = LogitsRequest::all_full(&rows);
            decoder.step(&tokens[start..end], &positions, request, &mut kv_batch, &|| false, &mut logits)?;
            cache.commit(end - start);
            for row in rows {
                visit(tokens[start + row + 1], logits.row(row).values);
            }
            start = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use foretype_plugins::{Part, PartSource};

    use super::*;
    use crate::{Config, Decoder, Engine, EngineOptions, Event, Job, Tokenizer};

    fn model() -> Arc<Model> {
        Arc::new(Model {
            decoder: Decoder::random(&Config::tiny(), 7).expect("a tiny model"),
            tokenizer: Tokenizer::byte_level(&["ret", "return", " return", "turn", " x", "foo"], &["<|endoftext|>"])
                .into(),
            chat_template: None,
            name: "tiny".into(),
            path: "tiny".into(),
            bytes: 0,
            adapter: None,
        })
    }

    fn prompt(text: &str, heal: bool) -> Prompt {
        Prompt { parts: vec![Part::text(text, PartSource::Prefix)], heal, ..Prompt::default() }
    }

    fn bits(model: &Model, prompt: &Prompt, completion: &str) -> f64 {
        Scorer::new(model).score(prompt, completion).expect("a score").bits
    }

    /// The first token that an engine generates, if any, and its bits.
    fn first_generated(model: &Arc<Model>, prompt: &Prompt) -> Option<(String, f64)> {
        let engine = Engine::start(model.clone(), EngineOptions { kv_bytes: 64 << 20, ..EngineOptions::default() });
        let (send, receive) = mpsc::channel();
        let job = Job { prompt: prompt.clone(), max_tokens: 1, ..Job::default() };
        let _ticket = engine.submit(job, move |event| drop(send.send(event)));
        let tokens = receive.iter().find_map(|event| match event {
            Event::Finished { tokens, .. } => Some(tokens),
            _ => None,
        });
        let token = tokens.expect("every job finishes").into_iter().next()?;
        Some((token.text, f64::from(-token.logprob) / std::f64::consts::LN_2))
    }

    #[test]
    fn scores_agree_with_the_engines_log_probabilities() {
        let model = model();
        let mut compared = 0;
        for text in ["foo", "x = foo(", "return x", "a\nb", "foofoo x"] {
            let prompt = prompt(text, false);
            let Some((token, expected)) = first_generated(&model, &prompt) else { continue };
            if !token.contains('\u{fffd}') && model.tokenizer.encode(&token).len() == 1 {
                let found = bits(&model, &prompt, &token);
                assert!((found - expected).abs() < 1e-3, "{text:?}: {found} and not {expected}");
                compared += 1;
            }
        }
        assert!(compared > 1, "the tiny model generates readable tokens for some prompt");
    }

    #[test]
    fn scores_of_two_parts_add_up_to_the_score_of_the_whole() {
        let model = model();
        let long = " x".repeat(40);
        for (text, first, second) in
            [("foo", " x", " return"), ("foo x", " return", " x"), ("foo", long.as_str(), " return")]
        {
            let whole = bits(&model, &prompt(text, false), &[first, second].concat());
            let longer = prompt(&[text, first].concat(), false);
            let parts = bits(&model, &prompt(text, false), first) + bits(&model, &longer, second);
            assert!((whole - parts).abs() < 1e-3, "{parts} and not {whole}");
        }
    }

    #[test]
    fn a_healing_prefix_is_scored_among_the_tokens_that_can_spell_it() {
        let model = model();
        // `retu` is cut off, so only tokens that can begin to spell it are allowed.
        let healed = bits(&model, &prompt("foo\nretu", true), "rn");
        let free = bits(&model, &prompt("foo\n", false), "return");
        assert!(healed < free && healed > 0.0, "{healed} {free}");
    }

    #[test]
    fn a_completion_that_exceeds_the_context_is_an_error() {
        let model = model();
        let long = "é".repeat(model.decoder.config().context_length);
        let error = Scorer::new(&model).score(&prompt("foo", false), &long).expect_err("too long");
        assert!(matches!(error, ScoreError::TooLong { .. }), "{error}");
    }
}
