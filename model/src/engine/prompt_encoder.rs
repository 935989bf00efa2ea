//! From a prompt to token ids.

use std::collections::HashMap;

use foretype_plugins::{Content, Prompt};

use crate::healing;
use crate::tokenizer::Tokenizer;

/// A prompt as token ids.
#[derive(Debug, PartialEq)]
pub(crate) struct EncodedPrompt {
    /// What the model reads.
    pub(crate) ids: Vec<u32>,
    /// What it has to write first (token healing).
    pub(crate) healing_prefix: String,
    /// Tokens that end the answer, in rising order.
    pub(crate) stop_ids: Vec<u32>,
}

/// Remembers the tokens of the parts of late prompts, since most of a prompt is the same from key to key.
#[derive(Default)]
pub(crate) struct PromptEncoder {
    previous_parts: HashMap<String, Vec<u32>>,
    current_parts: HashMap<String, Vec<u32>>,
}

impl PromptEncoder {
    /// The tokens of `prompt`.
    ///
    /// # Errors
    /// Names a special token that the tokenizer does not have.
    pub(crate) fn encode(&mut self, prompt: &Prompt, tokenizer: &Tokenizer) -> Result<EncodedPrompt, String> {
        let (mut ids, healed) = self.encode_parts(prompt, tokenizer)?;
        // What was used for this prompt is what the next one is likely to need.
        self.previous_parts = std::mem::take(&mut self.current_parts);
        let named = prompt.stop_tokens.iter().filter_map(|name| tokenizer.special_id(name));
        let mut stops: Vec<u32> = named.chain(tokenizer.end_tokens().iter().copied()).collect();
        stops.sort_unstable();
        if ids.is_empty() {
            // A model needs something to go on from.
            ids.extend(stops.first());
        }
        Ok(EncodedPrompt { ids, healing_prefix: healed, stop_ids: stops })
    }

    /// What the model reads, and the text that it has to write first. Training samples are read in this way, too.
    ///
    /// # Errors
    /// Names a special token that the tokenizer does not have.
    pub(crate) fn encode_parts(
        &mut self,
        prompt: &Prompt,
        tokenizer: &Tokenizer,
    ) -> Result<(Vec<u32>, String), String> {
        let mut ids: Vec<u32> = tokenizer.start_token().into_iter().collect();
        let mut healed = String::new();
        for (i, part) in prompt.parts.iter().enumerate() {
            match &part.content {
                Content::Special(name) => {
                    let id = tokenizer.special_id(name).ok_or_else(|| format!("the model has no token {name}"))?;
                    ids.push(id);
                }
                Content::Text(text) => {
                    let last = i + 1 == prompt.parts.len();
                    let end = if prompt.heal && last { healing::healing_start(text) } else { text.len() };
                    healed = text[end..].into();
                    ids.extend(self.encode_text(&text[..end], tokenizer));
                }
            }
        }
        Ok((ids, healed))
    }

    fn encode_text(&mut self, text: &str, tokenizer: &Tokenizer) -> Vec<u32> {
        if text.is_empty() {
            return Vec::new();
        }
        let tokens = self.previous_parts.remove(text).or_else(|| self.current_parts.get(text).cloned());
        let tokens = tokens.unwrap_or_else(|| tokenizer.encode(text));
        self.current_parts.insert(text.into(), tokens.clone());
        tokens
    }
}
