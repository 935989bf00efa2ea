//! Tokenization of prompts.

use std::collections::HashMap;

use foretype_plugins::{Content, Prompt};

use crate::healing;
use crate::tokenizer::Tokenizer;

/// A prompt as token ids.
#[derive(Debug, PartialEq)]
pub(crate) struct EncodedPrompt {
    /// Tokens to evaluate.
    pub(crate) ids: Vec<u32>,
    /// Text cut off the end of the prompt, which the output has to spell first (token healing).
    pub(crate) healing_prefix: String,
    /// Tokens that end the output, in ascending order.
    pub(crate) stop_ids: Vec<u32>,
}

/// A tokenizer of prompts that remembers the tokens of the previous prompt's parts: most of them stay the same from one
/// keystroke to the next.
#[derive(Default)]
pub(crate) struct PromptEncoder {
    previous_parts: HashMap<String, Vec<u32>>,
    current_parts: HashMap<String, Vec<u32>>,
}

impl PromptEncoder {
    /// Encodes a prompt.
    ///
    /// # Errors
    /// Fails, with a message that names it, for a special token that the tokenizer does not have.
    pub(crate) fn encode(&mut self, prompt: &Prompt, tokenizer: &Tokenizer) -> Result<EncodedPrompt, String> {
        let (mut ids, healing_prefix) = self.encode_parts(prompt, tokenizer)?;
        // The next prompt most likely shares parts with this one, and with no older one.
        self.previous_parts = std::mem::take(&mut self.current_parts);
        let stop_tokens = prompt.stop_tokens.iter().filter_map(|name| tokenizer.special_id(name));
        let mut stop_ids: Vec<u32> = stop_tokens.chain(tokenizer.end_tokens().iter().copied()).collect();
        stop_ids.sort_unstable();
        if ids.is_empty() {
            // A forward pass needs at least one token.
            ids.extend(stop_ids.first());
        }
        Ok(EncodedPrompt { ids, healing_prefix, stop_ids })
    }

    /// Encodes the parts of a prompt. Returns the tokens and the healing prefix. Training samples are encoded in the
    /// same way.
    ///
    /// # Errors
    /// Fails, with a message that names it, for a special token that the tokenizer does not have.
    pub(crate) fn encode_parts(
        &mut self,
        prompt: &Prompt,
        tokenizer: &Tokenizer,
    ) -> Result<(Vec<u32>, String), String> {
        let mut ids: Vec<u32> = tokenizer.start_token().into_iter().collect();
        let mut healing_prefix = String::new();
        for (i, part) in prompt.parts.iter().enumerate() {
            match &part.content {
                Content::Special(name) => {
                    let id = tokenizer.special_id(name).ok_or_else(|| format!("the model has no token {name}"))?;
                    ids.push(id);
                }
                Content::Text(text) => {
                    let last = i + 1 == prompt.parts.len();
                    let end = if prompt.heal && last { healing::healing_start(text) } else { text.len() };
                    healing_prefix = text[end..].into();
                    ids.extend(self.encode_text(&text[..end], tokenizer));
                }
            }
        }
        Ok((ids, healing_prefix))
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
