//! Converts the vocabulary of a `tokenizer.json` to GGUF metadata.

use candle_core::quantized::gguf_file::Value as Metadata;
use serde_json::Value;

use super::gguf::{TOKEN_TYPE_CONTROL, TOKEN_TYPE_NORMAL, TOKEN_TYPE_UNUSED, pre_tokenizer_name};
use crate::weights::Fault;

/// The keys under `tokenizer.ggml` of a byte-level BPE, for a model whose embedding has `rows` rows.
pub(crate) fn vocabulary_metadata(json: &Value, rows: usize) -> Result<Vec<(String, Metadata)>, Fault> {
    let patterns = patterns(&json["pre_tokenizer"]);
    let pre = pre_tokenizer_name(&patterns)
        .ok_or_else(|| Fault::Unsupported("a pre-tokenizer that has no name in GGUF".into()))?;
    let (mut tokens, mut kinds) = tokens(json)?;
    // An embedding often has more rows than there are tokens, but a GGUF file needs a token for each row.
    tokens.extend((tokens.len()..rows).map(|id| format!("[PAD{id}]")));
    kinds.resize(tokens.len(), TOKEN_TYPE_UNUSED);
    let end = tokens.iter().position(|token| ["<|endoftext|>", "</s>"].contains(&&**token));
    let end = end.ok_or_else(|| Fault::Missing("the token '<|endoftext|>'".into()))?;
    let text = |text: &str| Metadata::String(text.to_owned());
    let texts = |texts: Vec<String>| Metadata::Array(texts.into_iter().map(Metadata::String).collect());
    let entries = [
        ("model", text("gpt2")),
        ("pre", text(pre)),
        ("token_type", Metadata::Array(kinds.into_iter().map(|kind| Metadata::I32(kind as i32)).collect())),
        ("tokens", texts(tokens)),
        ("merges", texts(merges(&json["model"]["merges"])?)),
        ("eos_token_id", Metadata::U32(end as u32)),
        ("padding_token_id", Metadata::U32(end as u32)),
        ("add_bos_token", Metadata::Bool(false)),
    ];
    Ok(entries.into_iter().map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)).collect())
}

/// The regexes of a pre-tokenizer, in order.
fn patterns(pre: &Value) -> Vec<&str> {
    match pre["type"].as_str() {
        Some("Sequence") => pre["pretokenizers"].as_array().into_iter().flatten().flat_map(patterns).collect(),
        Some("Split") => pre["pattern"]["Regex"].as_str().into_iter().collect(),
        Some("Digits") if pre["individual_digits"] == true => vec![r"\p{N}"],
        _ => Vec::new(),
    }
}

/// All tokens by id, and their token types.
fn tokens(json: &Value) -> Result<(Vec<String>, Vec<i64>), Fault> {
    let vocabulary = json["model"]["vocab"].as_object();
    let vocabulary = vocabulary.ok_or_else(|| Fault::Missing("the tokenizer's vocabulary".into()))?;
    let ordinary = vocabulary.iter().map(|(token, id)| (id.as_u64(), token.clone(), TOKEN_TYPE_NORMAL));
    let added = json["added_tokens"].as_array().into_iter().flatten();
    let added = added
        .map(|token| (token["id"].as_u64(), token["content"].as_str().unwrap_or_default().into(), TOKEN_TYPE_CONTROL));
    let all: Vec<(Option<u64>, String, i64)> = ordinary.chain(added).collect();
    let count = all.iter().filter_map(|(id, ..)| *id).max().map_or(0, |id| id as usize + 1);
    if count > all.len() {
        return Err(Fault::Malformed(format!("{} tokens have ids up to {}", all.len(), count - 1)));
    }
    let (mut tokens, mut kinds) = (vec![String::new(); count], vec![TOKEN_TYPE_NORMAL; count]);
    for (id, token, kind) in all {
        let id = id.ok_or_else(|| Fault::Malformed(format!("the token '{token}' has no id")))? as usize;
        (tokens[id], kinds[id]) = (token, kind);
    }
    Ok((tokens, kinds))
}

/// Each merge as two tokens separated by a space.
fn merges(json: &Value) -> Result<Vec<String>, Fault> {
    let merge = |merge: &Value| match merge {
        Value::String(merge) => Some(merge.clone()),
        Value::Array(pair) => match &pair[..] {
            [left, right] => Some(format!("{} {}", left.as_str()?, right.as_str()?)),
            _ => None,
        },
        _ => None,
    };
    let merges: Option<Vec<_>> = json.as_array().into_iter().flatten().map(merge).collect();
    merges.ok_or_else(|| Fault::Malformed("a merge is not a pair of tokens".into()))
}
