//! Byte pair encoding tokenizers: text to token ids, and ids back to exact bytes.
//!
//! Special tokens are looked up by name and written by id. [`Tokenizer::encode`] never produces one from text, so
//! nothing in a user's file can pose as a marker.

mod byte_level;
pub(crate) mod gguf;
pub(crate) mod hugging_face;
mod lru;
mod sentence_piece;
#[cfg(test)]
mod tests;
pub(crate) mod to_gguf;
mod token_bytes;

use std::collections::{HashMap, HashSet};

use foretype_plugins::{FimFormat, TokenizerInfo};
use lru::EncodingLru;
use token_bytes::TokenBytes;

use crate::weights::Fault;

/// The tokenizer of a model.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    token_bytes: TokenBytes,
    special_tokens: HashMap<String, u32>,
    special_ids: HashSet<u32>,
    end_tokens: Vec<u32>,
    start_token: Option<u32>,
    encodings: EncodingLru,
}

/// Well-known names of tokens that end a text or a turn.
const END_TOKEN_NAMES: &[&str] = &[
    "<|endoftext|>",
    "<|im_end|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|EOT|>",
    "<EOT>",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
    "</s>",
];

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("specials", &self.special_tokens.len()).finish_non_exhaustive()
    }
}

impl TokenizerInfo for Tokenizer {
    fn count_tokens(&self, text: &str) -> usize {
        // Bypasses the cache, which is for the parts of prompts.
        self.encode_uncached(text).len()
    }

    fn has_special_token(&self, special: &str) -> bool {
        self.special_id(special).is_some()
    }
}

impl Tokenizer {
    /// Assembles a tokenizer. `ends` are the end tokens that the file declares; those with a well-known name are added.
    fn assemble(
        inner: tokenizers::Tokenizer,
        pieces: TokenBytes,
        specials: HashMap<String, u32>,
        ends: &[u32],
    ) -> Self {
        let named = END_TOKEN_NAMES.iter().filter_map(|&name| specials.get(name).copied());
        let mut ends: Vec<u32> = ends.iter().copied().chain(named).collect();
        ends.sort_unstable();
        ends.dedup();
        let special_ids = specials.values().copied().collect();
        Self {
            inner,
            token_bytes: pieces,
            special_tokens: specials,
            special_ids,
            end_tokens: ends,
            start_token: None,
            encodings: EncodingLru::default(),
        }
    }

    /// Encodes ordinary text. Names of special tokens in it are treated as text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encodings.encode_with(text, |text| self.encode_uncached(text))
    }

    fn encode_uncached(&self, text: &str) -> Vec<u32> {
        let mut ids = self.apply_merges(text);
        // If the merges themselves produce a special token, its name is encoded character by character instead.
        while let Some(at) = ids.iter().position(|&id| self.is_special(id)) {
            let name = self.special_tokens.iter().find(|(_, id)| **id == ids[at]).map(|(name, _)| name.as_str());
            let mut buffer = [0; 4];
            let characters =
                name.unwrap_or_default().chars().flat_map(|c| self.apply_merges(c.encode_utf8(&mut buffer)));
            let ordinary: Vec<u32> = characters.filter(|&id| !self.is_special(id)).collect();
            ids.splice(at..=at, ordinary);
        }
        ids
    }

    /// Splits a text into words and applies the merges. If the regex engine gives up on a long text, the halves are
    /// encoded separately.
    fn apply_merges(&self, text: &str) -> Vec<u32> {
        match self.inner.encode_fast(text, false) {
            Ok(encoding) => encoding.get_ids().to_vec(),
            Err(_) => {
                let Some((middle, _)) = text.char_indices().nth(text.chars().count() / 2) else { return Vec::new() };
                if middle == 0 {
                    return Vec::new();
                }
                let (left, right) = text.split_at(middle);
                [self.apply_merges(left), self.apply_merges(right)].concat()
            }
        }
    }

    /// The fill-in-the-middle format of a model with this name and vocabulary; `None` for a model that can only
    /// continue text.
    pub(crate) fn fim_format(&self, model: &str) -> Option<&'static FimFormat> {
        FimFormat::detect(model, |name| self.special_id(name).is_some())
    }

    /// Looks up a special token by its exact name.
    pub(crate) fn special_id(&self, name: &str) -> Option<u32> {
        self.special_tokens.get(name).copied()
    }

    /// Returns true if the id is that of a special token.
    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.special_ids.contains(&id)
    }

    /// Names and ids of all special tokens, in no particular order.
    pub(crate) fn special_tokens(&self) -> impl Iterator<Item = (&str, u32)> {
        self.special_tokens.iter().map(|(name, &id)| (name.as_str(), id))
    }

    /// Ids of the tokens that end a text or a turn, in ascending order.
    pub fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }

    /// Id of the token that the model expects at the very start of a text (BOS), if any.
    pub(crate) fn start_token(&self) -> Option<u32> {
        self.start_token
    }

    /// The exact bytes of a token, which may end inside a character. Empty for special tokens and unknown ids.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        if self.is_special(id) { &[] } else { self.token_bytes.bytes(id) }
    }

    /// One more than the largest token id. The model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.token_bytes.len()
    }
}

/// Returns true if an added token is a marker such as `<fim_prefix>` rather than a piece of text.
fn is_marker(name: &str) -> bool {
    name.len() > 2 && name.starts_with('<') && name.ends_with('>')
}

/// Checks that no merge is longer than the longest token. The library takes that for granted and would panic.
fn check_merges<'a>(
    tokens: impl Iterator<Item = &'a str>,
    mut merged: impl Iterator<Item = usize>,
) -> Result<(), Fault> {
    let longest = tokens.map(str::len).max().unwrap_or(0);
    if merged.any(|length| length > longest) {
        return Err(Fault::Malformed("the tokenizer's merges do not match its tokens".into()));
    }
    Ok(())
}
