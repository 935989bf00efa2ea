//! How likely a model finds a given answer: prompt and answer are read in one go, and the probabilities of the answer's
//! tokens are added up. In bits, so that divided by the answer's bytes it compares models of any vocabulary.

use foretype_plugins::Prompt;

use crate::decoder::{Logits, LogitsRequest};
use crate::engine::PromptEncoder;
use crate::healing::VocabularyIndex;
use crate::kv::{KvBatch, KvCache};
use crate::sampler::log_probability;
use crate::{ForwardError, Model};

/// Rows of a prompt that are read in one step.
const PROMPT_TOKENS_PER_STEP: usize = 256;
/// Rows of an answer that are read in one step: each has a logit for every token of the vocabulary.
const COMPLETION_TOKENS_PER_STEP: usize = 32;

/// What an answer costs to guess.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Minus the binary logarithm of the answer's probability.
    pub bits: f64,
    /// The answer's length in bytes.
    pub bytes: usize,
}

/// Why an answer has no score.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The prompt cannot be written in this model's tokens.
    #[error("{0}")]
    Prompt(String),
    /// Prompt and answer together are longer than the model's context.
    #[error("prompt and answer have {tokens} tokens; the model's context ends at {context}")]
    TooLong {
        /// Tokens of both.
        tokens: usize,
        /// Tokens that the model can read.
        context: usize,
    },
    /// The forward pass failed.
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// Scores answers.
pub struct Scorer<'a> {
    model: &'a Model,
    vocabulary: VocabularyIndex,
}

impl<'a> Scorer<'a> {
    /// With this model.
    pub fn new(model: &'a Model) -> Self {
        Self { model, vocabulary: VocabularyIndex::new(&model.tokenizer) }
    }

    /// The score of `answer` after `prompt`. Where the prompt is healed, the tokens that spell what was taken back are
    /// chosen among those that can, as in decoding. That the answer ends is not part of the score.
    ///
    /// # Errors
    /// See [`ScoreError`].
    pub fn score(&self, prompt: &Prompt, answer: &str) -> Result<Score, ScoreError> {
        let tokenizer = &self.model.tokenizer;
        let read = PromptEncoder::default().encode(prompt, tokenizer).map_err(ScoreError::Prompt)?;
        let prompt = read.ids.len();
        if prompt == 0 {
            return Err(ScoreError::Prompt("the prompt is empty".into()));
        }
        let written = tokenizer.encode(&[read.healing_prefix.as_str(), answer].concat());
        let tokens = [read.ids, written].concat();
        let context = self.model.decoder.config().context_length;
        if tokens.len() > context {
            return Err(ScoreError::TooLong { tokens: tokens.len(), context });
        }
        let mut healed = read.healing_prefix.as_bytes();
        let mut nats = 0.0;
        self.for_each_completion_token(&tokens, prompt, |token, logits| {
            let allowed = (!healed.is_empty()).then(|| self.vocabulary.tokens_spelling(tokenizer, healed));
            healed = healed.get(tokenizer.token_bytes(token).len()..).unwrap_or_default();
            nats -= f64::from(log_probability(logits, allowed.as_deref(), token));
        })?;
        Ok(Score { bits: nats / std::f64::consts::LN_2, bytes: answer.len() })
    }

    /// Tells of each token from the place `prompt` on, with the logits that were computed for it.
    fn for_each_completion_token(
        &self,
        tokens: &[u32],
        prompt: usize,
        mut tell: impl FnMut(u32, &[f32]),
    ) -> Result<(), ForwardError> {
        let decoder = &self.model.decoder;
        let (mut cache, mut logits) = (KvCache::new(decoder.config()), Logits::default());
        let mut at = 0;
        // What the last token says is not asked.
        while at + 1 < tokens.len() {
            let end = match at + 1 < prompt {
                true => (at + PROMPT_TOKENS_PER_STEP).min(prompt - 1),
                false => (at + COMPLETION_TOKENS_PER_STEP).min(tokens.len() - 1),
            };
            let positions: Vec<u32> = (at..end).map(|position| position as u32).collect();
            let wanted: Vec<usize> = if at + 1 < prompt { Vec::new() } else { (0..end - at).collect() };
            cache.reserve(end - at);
            let mut step = KvBatch::new(vec![(&mut cache, end - at)], decoder.config().heads);
            decoder.step(
                &tokens[at..end],
                &positions,
                LogitsRequest::whole(&wanted),
                &mut step,
                &|| false,
                &mut logits,
            )?;
            cache.commit(end - at);
            wanted.iter().for_each(|row| tell(tokens[at + row + 1], logits.row(*row).values));
            at = end;
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

    fn bits(model: &Model, prompt: &Prompt, answer: &str) -> f64 {
        Scorer::new(model).score(prompt, answer).expect("it fits").bits
    }

    /// The first token that an engine writes, if the model writes any, and its bits.
    fn first_written(model: &Arc<Model>, prompt: &Prompt) -> Option<(String, f64)> {
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
    fn an_answer_costs_what_the_engine_says_that_it_does() {
        let model = model();
        let mut compared = 0;
        for text in ["foo", "x = foo(", "return x", "a\nb", "foofoo x"] {
            let prompt = prompt(text, false);
            let Some((token, expected)) = first_written(&model, &prompt) else { continue };
            if !token.contains('\u{fffd}') && model.tokenizer.encode(&token).len() == 1 {
                let found = bits(&model, &prompt, &token);
                assert!((found - expected).abs() < 1e-3, "{text:?}: {found} and not {expected}");
                compared += 1;
            }
        }
        assert!(compared > 1, "the tiny model writes readable tokens somewhere");
    }

    #[test]
    fn the_bits_of_two_pieces_are_those_of_the_whole() {
        let model = model();
        let long = " x".repeat(40);
        for (text, first, second) in
            [("foo", " x", " return"), ("foo x", " return", " x"), ("foo", long.as_str(), " return")]
        {
            let whole = bits(&model, &prompt(text, false), &[first, second].concat());
            let longer = prompt(&[text, first].concat(), false);
            let pieces = bits(&model, &prompt(text, false), first) + bits(&model, &longer, second);
            assert!((whole - pieces).abs() < 1e-3, "{whole} and not {pieces}");
        }
    }

    #[test]
    fn what_healing_took_back_is_spelt_among_the_tokens_that_can() {
        let model = model();
        // `retu` is taken back, so of all tokens only the beginnings of `retu` and `return` may come.
        let healed = bits(&model, &prompt("foo\nretu", true), "rn");
        let free = bits(&model, &prompt("foo\n", false), "return");
        assert!(healed < free && healed > 0.0, "{healed} {free}");
    }

    #[test]
    fn a_prompt_without_room_for_its_answer_is_refused() {
        let model = model();
        let long = "é".repeat(model.decoder.config().context_length);
        let error = Scorer::new(&model).score(&prompt("foo", false), &long).expect_err("too long");
        assert!(matches!(error, ScoreError::TooLong { .. }), "{error}");
    }
}
