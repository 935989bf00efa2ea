//! Loads a tokenizer from the metadata of a GGUF file.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Vocab};

use super::token_bytes::TokenBytes;
use super::{Tokenizer, byte_level, check_merges, is_marker, sentence_piece};
use crate::weights::Fault;
use crate::weights::gguf::GgufFile;

/// GPT-2's word pattern.
const GPT2_SPLIT_REGEX: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Pattern that splits text into words before byte-pair encoding, as in Qwen2.
pub(crate) const QWEN2_SPLIT_REGEX: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3_SPLIT_REGEX: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The regexes that split a text into words before merging, by the pre-tokenizer's name in the file.
fn split_patterns(pre: &str) -> Option<&'static [&'static str]> {
    Some(match pre {
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "dbrx" => &[GPT2_SPLIT_REGEX],
        "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" => &[r"\p{N}", GPT2_SPLIT_REGEX],
        "qwen2" | "deepseek-r1-qwen" | "stablelm2" | "megrez" => &[QWEN2_SPLIT_REGEX],
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" => &[LLAMA3_SPLIT_REGEX],
        "deepseek-coder" => &[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
        "default" => &[r"[\p{P}\$\+<=>\^~\|]+", GPT2_SPLIT_REGEX, r"\p{N}+", r"[0-9][0-9][0-9]"],
        _ => return None,
    })
}

/// The GGUF name of a pre-tokenizer with these regexes; `None` if it has no name.
pub(crate) fn pre_tokenizer_name(patterns: &[&str]) -> Option<&'static str> {
    const NAMES: [&str; 4] = ["qwen2", "llama-bpe", "smollm", "gpt-2"];
    let names = |patterns: &[&str]| {
        NAMES.into_iter().find(|name| split_patterns(name).is_some_and(|splits| splits == patterns))
    };
    // A `tokenizer.json` does not spell out GPT-2's own pattern.
    names(patterns).or_else(|| names(&[patterns, &[GPT2_SPLIT_REGEX]].concat()))
}

/// Token types in `tokenizer.ggml.token_type`.
pub(crate) const TOKEN_TYPE_NORMAL: i64 = 1;
const TOKEN_TYPE_UNKNOWN: i64 = 2;
/// GGUF token type of special tokens.
pub(crate) const TOKEN_TYPE_CONTROL: i64 = 3;
const TOKEN_TYPE_USER_DEFINED: i64 = 4;
/// GGUF token type of unused tokens.
pub(crate) const TOKEN_TYPE_UNUSED: i64 = 5;

/// Code Llama's fill-in-the-middle markers, which its files list as ordinary tokens.
const CODE_LLAMA_MARKERS: &[&str] = &["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"];

impl Tokenizer {
    /// Loads the tokenizer from the keys under `tokenizer.ggml`.
    pub(crate) fn from_gguf(file: &GgufFile) -> Result<Self, Fault> {
        let tokens = required_strings(file, "tokenizer.ggml.tokens")?;
        let kinds = file.integers("tokenizer.ggml.token_type")?.unwrap_or_else(|| vec![1; tokens.len()]);
        if kinds.len() != tokens.len() {
            let counts = format!("{} tokens have {} types", tokens.len(), kinds.len());
            return Err(Fault::Malformed(counts));
        }
        let kind = file.string("tokenizer.ggml.model")?;
        let pre = file.optional_string("tokenizer.ggml.pre")?.unwrap_or("default");
        let (inner, to_bytes): (_, fn(&str) -> Vec<u8>) = match kind {
            "gpt2" => (byte_level_bpe(file, &tokens, pre)?, byte_level::token_to_bytes),
            "llama" => (sentence_piece_bpe(file, &tokens)?, sentence_piece::token_to_bytes),
            other => return Err(Fault::Unsupported(format!("the tokenizer '{other}'"))),
        };
        let specials = special_tokens(&tokens, &kinds);
        let text = |(&token, &kind): (&&str, &i64)| match kind {
            TOKEN_TYPE_USER_DEFINED => token.as_bytes().to_vec(),
            _ => to_bytes(token),
        };
        let pieces = TokenBytes::new(tokens.iter().zip(&kinds).map(text));
        let mut tokenizer = Self::assemble(inner, pieces, specials, &end_tokens(file)?);
        let starts = kind == "llama" || split_patterns(pre) == Some(&[LLAMA3_SPLIT_REGEX]);
        if file.bool_value("tokenizer.ggml.add_bos_token")?.unwrap_or(starts) {
            tokenizer.start_token =
                file.token_id("tokenizer.ggml.bos_token_id")?.filter(|&id| (id as usize) < tokens.len());
        }
        Ok(tokenizer)
    }
}

/// A list of strings that must be present.
fn required_strings<'a>(file: &'a GgufFile, key: &str) -> Result<Vec<&'a str>, Fault> {
    file.strings(key)?.ok_or_else(|| Fault::Missing(format!("the key '{key}'")))
}

/// Tokens that are written by id and never produced from text.
fn special_tokens(tokens: &[&str], kinds: &[i64]) -> HashMap<String, u32> {
    let special = |token: &str, kind: i64| match kind {
        TOKEN_TYPE_UNKNOWN | TOKEN_TYPE_CONTROL | TOKEN_TYPE_UNUSED => true,
        TOKEN_TYPE_USER_DEFINED => is_marker(token),
        _ => CODE_LLAMA_MARKERS.contains(&token),
    };
    let all = tokens.iter().zip(kinds).zip(0..);
    all.filter(|((token, kind), _)| special(token, **kind)).map(|((token, _), id)| (token.to_string(), id)).collect()
}

/// The end tokens that the file declares.
fn end_tokens(file: &GgufFile) -> Result<Vec<u32>, Fault> {
    let keys = ["eos_token_id", "eot_token_id", "eom_token_id"];
    let ids = keys.iter().map(|key| file.token_id(&format!("tokenizer.ggml.{key}"))).collect::<Result<Vec<_>, _>>()?;
    Ok(ids.into_iter().flatten().collect())
}

fn byte_level_bpe(file: &GgufFile, tokens: &[&str], pre: &str) -> Result<tokenizers::Tokenizer, Fault> {
    let splits = split_patterns(pre).ok_or_else(|| Fault::Unsupported(format!("the pre-tokenizer '{pre}'")))?;
    let cut = |merge: &str| {
        // The left part may begin with a space in odd files, so the separator is the first space after its first
        // character.
        let at = merge.char_indices().skip(1).find(|(_, c)| *c == ' ')?.0;
        Some((merge[..at].to_string(), merge[at + 1..].to_string()))
    };
    let merges: Option<Vec<(String, String)>> =
        required_strings(file, "tokenizer.ggml.merges")?.into_iter().map(cut).collect();
    let merges = merges.ok_or_else(|| Fault::Malformed("a merge is not a pair of tokens".into()))?;
    check_merges(tokens.iter().copied(), merges.iter().map(|(left, right)| left.len() + right.len()))?;
    let vocabulary: Vocab = tokens.iter().map(|token| token.to_string()).zip(0..).collect();
    let model =
        BPE::builder().vocab_and_merges(vocabulary, merges).ignore_merges(splits == [LLAMA3_SPLIT_REGEX]).build();
    let wrong = |e: tokenizers::Error| Fault::Malformed(format!("the tokenizer's merges do not match its tokens: {e}"));
    byte_level::assemble(model.map_err(wrong)?, splits).map_err(wrong)
}

fn sentence_piece_bpe(file: &GgufFile, tokens: &[&str]) -> Result<tokenizers::Tokenizer, Fault> {
    let scores = file.float_list("tokenizer.ggml.scores")?;
    let scores = scores.ok_or_else(|| Fault::Missing("the key 'tokenizer.ggml.scores'".into()))?;
    if scores.len() != tokens.len() {
        return Err(Fault::Malformed(format!("{} tokens have {} scores", tokens.len(), scores.len())));
    }
    sentence_piece::assemble(tokens, &scores).map_err(|e| Fault::Malformed(format!("the tokenizer is malformed: {e}")))
}
