//! Byte-level BPE (Radford et al. 2019): every byte is mapped to a printable character, and tokens are strings of
//! those.

use std::collections::HashMap;
use std::sync::LazyLock;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

/// The character of each byte: the byte itself if it is printable, else the next unused character from U+0100 on.
static BYTE_TO_CHAR: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = 0x100;
    std::array::from_fn(|byte| match byte as u8 {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte as u8),
        _ => {
            next += 1;
            char::from_u32(next - 1).unwrap_or_default()
        }
    })
});

static CHAR_TO_BYTE: LazyLock<HashMap<char, u8>> =
    LazyLock::new(|| BYTE_TO_CHAR.iter().enumerate().map(|(byte, &c)| (c, byte as u8)).collect());

/// Maps bytes to their characters.
#[cfg(test)]
pub(super) fn bytes_to_chars(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| BYTE_TO_CHAR[byte as usize]).collect()
}

/// Maps a token back to its bytes. A character that stands for no byte is kept as it is: some files have such tokens.
pub(super) fn token_to_bytes(token: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    for c in token.chars() {
        match CHAR_TO_BYTE.get(&c) {
            Some(&byte) => bytes.push(byte),
            None => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

/// Builds a byte-level BPE tokenizer. The regexes `splits` split a text into words before merging, one after the other;
/// without any, GPT-2's own pattern is used.
pub(super) fn assemble(model: BPE, splits: &[&str]) -> tokenizers::Result<tokenizers::Tokenizer> {
    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    for &pattern in splits {
        let pattern = SplitPattern::Regex(pattern.to_string());
        steps.push(Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?.into());
    }
    steps.push(ByteLevel::new(false, false, splits.is_empty()).into());
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Sequence::new(steps))));
    Ok(tokenizer)
}
