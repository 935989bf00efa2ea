//! Samples as tokens, packed into rows: what a training step reads.
//!
//! Samples are made by [`foretype_plugins::sample`], tokenised as live prompts are, and laid into rows of the model's
//! context length. A row holds whole documents side by side; attention must not cross their borders, and positions begin at 0
//! in each. [`Rows`] is the stream of rows: the files are shuffled anew in every epoch, all chance comes from the seed,
//! and a [`Position`] is all that is needed to go on exactly where a stream was left.

mod document;
mod pack;
mod statistics;
mod stream;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use foretype_plugins::{FimFormat, sample};

use crate::tokenizer::Tokenizer;

pub use document::{Document, Fit};
pub use pack::{Packed, pack};
pub use statistics::{Statistics, statistics};
pub use stream::{Position, Rows};

/// Which tokens are learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// All but the first of a document.
    #[default]
    All,
    /// Those of the answer and the one that ends it.
    Answer,
}

/// How rows are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How samples are made of files.
    pub samples: sample::SampleOptions,
    /// How the model wants conversations written; without it there can be none.
    pub chat_template: Option<String>,
    /// Tokens of a row, at the most.
    pub context: usize,
    /// Which tokens are learnt.
    pub loss: Loss,
    /// The same seed makes the same rows of the same files.
    pub seed: u64,
    /// How often the files are gone through; `None` for ever.
    pub epochs: Option<u64>,
}

/// The shortest rows that may be asked for, in tokens.
const SHORTEST: usize = 16;

impl Options {
    /// Defaults for a model with this tokenizer, which writes holes in this format.
    ///
    /// # Errors
    /// Where the tokenizer has no token that ends a text.
    pub fn new(tokenizer: &Tokenizer, format: Option<&'static FimFormat>, context: usize) -> Result<Self, SampleError> {
        let end = end(tokenizer, format).ok_or(SampleError::NoEnd)?;
        let samples = sample::SampleOptions::new(format, end, context);
        Ok(Self { samples, chat_template: None, context, loss: Loss::All, seed: 1, epochs: None })
    }

    /// Whether these options make sense for a tokenizer.
    ///
    /// # Errors
    /// Says what is wrong and what to do.
    pub fn check(&self, tokenizer: &Tokenizer) -> Result<(), SampleError> {
        self.samples.check()?;
        if self.samples.mix.chat > 0.0 && self.chat_template.is_none() {
            return Err(SampleError::NoTemplate);
        }
        if self.context < SHORTEST {
            return Err(SampleError::Context { context: self.context });
        }
        let format = self.samples.format;
        let format = format.map(|it| [Some(it.prefix), Some(it.suffix), it.middle, it.repository, it.file]);
        let mut names = format.into_iter().flatten().flatten().chain([&*self.samples.end_token]);
        match names.find(|name| tokenizer.special_id(name).is_none()) {
            Some(name) => Err(SampleError::Prompt(format!("the model has no token {name}"))),
            None => Ok(()),
        }
    }
}

/// The name of the token that ends a text.
fn end(tokenizer: &Tokenizer, format: Option<&FimFormat>) -> Option<Cow<'static, str>> {
    let known = |name: &&str| tokenizer.special_id(name).is_some();
    let of_format = format.and_then(|format| format.stop_tokens.iter().copied().find(known)).map(Cow::Borrowed);
    let named = |id: &u32| tokenizer.special_tokens().find(|(_, other)| other == id).map(|(name, _)| name.to_owned());
    of_format.or_else(|| tokenizer.end_tokens().iter().find_map(named).map(Cow::Owned))
}

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// Options of the samples that make no sense.
    #[error(transparent)]
    Options(#[from] sample::OptionsError),
    /// Rows too short for a document.
    #[error("rows of {context} tokens are too short to learn from: take at least {SHORTEST}")]
    Context {
        /// The option's value.
        context: usize,
    },
    /// The tokenizer has no token that ends a text.
    #[error("the model's tokenizer has no token that ends a text: add one, for example <|endoftext|>")]
    NoEnd,
    /// A prompt that cannot be tokenised; the message names what is missing.
    #[error("{0}: choose a format whose tokens the tokenizer has")]
    Prompt(String),
    /// A conversation that cannot be written.
    #[error(transparent)]
    Chat(#[from] crate::chat::ChatError),
    /// Conversations for a model that holds none.
    #[error("the model has no chat template: leave conversations out of the samples")]
    NoTemplate,
    /// A prompt that cannot be written.
    #[error(transparent)]
    Strategy(#[from] foretype_plugins::Error),
}
