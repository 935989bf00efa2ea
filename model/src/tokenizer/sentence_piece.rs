//! SentencePiece BPE (Kudo and Richardson 2018) as in Llama 2: `▁` stands for a space, and unknown characters are
//! encoded as bytes.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::replace::{Replace, ReplacePattern};

/// Maps a token to its bytes.
pub(super) fn token_to_bytes(token: &str) -> Vec<u8> {
    match parse_byte_token(token) {
        Some(byte) => vec![byte],
        None => token.replace('▁', " ").into_bytes(),
    }
}

/// Parses a byte token such as `<0x0A>`.
fn parse_byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// Builds a tokenizer from tokens and their scores. Merges are applied in descending order of score.
pub(super) fn assemble(tokens: &[&str], scores: &[f32]) -> tokenizers::Result<tokenizers::Tokenizer> {
    let ids: HashMap<&str, u32> = tokens.iter().copied().zip(0..).collect();
    let mut merges: Vec<(f32, &str, &str)> = Vec::new();
    for (token, &score) in tokens.iter().zip(scores) {
        let mut splits: Vec<(&str, &str)> = token.char_indices().skip(1).map(|(at, _)| token.split_at(at)).collect();
        splits.retain(|(left, right)| ids.contains_key(left) && ids.contains_key(right));
        splits.sort_by_key(|(left, right)| (ids[left], ids[right]));
        merges.extend(splits.into_iter().map(|(left, right)| (score, left, right)));
    }
    merges.sort_by(|a, b| b.0.total_cmp(&a.0));
    let merges = merges.into_iter().map(|(_, left, right)| (left.to_string(), right.to_string())).collect();
    let vocabulary: Vocab = tokens.iter().map(|token| token.to_string()).zip(0..).collect();
    let mut model = BPE::builder().vocab_and_merges(vocabulary, merges).fuse_unk(true).byte_fallback(true);
    if ids.contains_key("<unk>") {
        model = model.unk_token("<unk>".into());
    }
    let mut tokenizer = tokenizers::Tokenizer::new(model.build()?);
    tokenizer.with_normalizer(Some(Replace::new(ReplacePattern::String(" ".into()), "▁")?))?;
    Ok(tokenizer)
}
