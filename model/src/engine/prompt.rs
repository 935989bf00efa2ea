//! From a prompt to token ids.

use std::collections::HashMap;

use foretype_plugins::{Content, Prompt};

use crate::healing;
use crate::tokenizer::Tokenizer;

/// A prompt as token ids.
#[derive(Debug, PartialEq)]
pub(crate) struct Tokens {
    /// What the model reads.
    pub(crate) ids: Vec<u32>,
    /// What it has to write first (token healing).
    pub(crate) healed: String,
    /// Tokens that end the answer, in rising order.
    pub(crate) stops: Vec<u32>,
}

/// Remembers the tokens of the parts of late prompts, since most of a prompt is the same from key to key.
#[derive(Default)]
pub(crate) struct Encoder {
    known: HashMap<String, Vec<u32>>,
    fresh: HashMap<String, Vec<u32>>,
}

impl Encoder {
    /// The tokens of `prompt`.
    ///
    /// # Errors
    /// Names a special token that the tokenizer does not have.
    pub(crate) fn encode(&mut self, prompt: &Prompt, tokenizer: &Tokenizer) -> Result<Tokens, String> {
        let (mut ids, healed) = self.read(prompt, tokenizer)?;
        // What was used for this prompt is what the next one is likely to need.
        self.known = std::mem::take(&mut self.fresh);
        let named = prompt.stop_specials.iter().filter_map(|name| tokenizer.special(name));
        let mut stops: Vec<u32> = named.chain(tokenizer.end_tokens().iter().copied()).collect();
        stops.sort_unstable();
        if ids.is_empty() {
            // A model needs something to go on from.
            ids.extend(stops.first());
        }
        Ok(Tokens { ids, healed, stops })
    }

    /// What the model reads, and the text that it has to write first. Training samples are read in this way, too.
    ///
    /// # Errors
    /// Names a special token that the tokenizer does not have.
    pub(crate) fn read(&mut self, prompt: &Prompt, tokenizer: &Tokenizer) -> Result<(Vec<u32>, String), String> {
        let mut ids: Vec<u32> = tokenizer.start_token().into_iter().collect();
        let mut healed = String::new();
        for (i, part) in prompt.parts.iter().enumerate() {
            match &part.content {
                Content::Special(name) => {
                    let id = tokenizer.special(name).ok_or_else(|| format!("the model has no token {name}"))?;
                    ids.push(id);
                }
                Content::Text(text) => {
                    let last = i + 1 == prompt.parts.len();
                    let end = if prompt.heal && last { healing::cut(text) } else { text.len() };
                    healed = text[end..].into();
                    ids.extend(self.text(&text[..end], tokenizer));
                }
            }
        }
        Ok((ids, healed))
    }

    fn text(&mut self, text: &str, tokenizer: &Tokenizer) -> Vec<u32> {
        if text.is_empty() {
            return Vec::new();
        }
        let tokens = self.known.remove(text).or_else(|| self.fresh.get(text).cloned());
        let tokens = tokens.unwrap_or_else(|| tokenizer.encode(text));
        self.fresh.insert(text.into(), tokens.clone());
        tokens
    }
}
