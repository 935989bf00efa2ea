//! Loads a tokenizer from `tokenizer.json`, and saves it.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::token_bytes::TokenBytes;
use super::{Tokenizer, byte_level, check_merges, is_marker, sentence_piece};
use crate::weights::{Fault, LoadError};

/// Upper limit of token ids, far above those of real vocabularies.
const MAX_TOKEN_ID: u32 = 1 << 22;

impl Tokenizer {
    /// Writes `tokenizer.json`, including special tokens, to a directory.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), LoadError> {
        let path = directory.join("tokenizer.json");
        let write = || -> Result<(), Fault> {
            let wrong = |error: serde_json::Error| Fault::Malformed(error.to_string());
            let mut json = serde_json::to_value(&self.inner).map_err(wrong)?;
            let mut added: Vec<_> = self.special_tokens().collect();
            added.sort_by_key(|(_, id)| *id);
            let token = |(name, id): (&str, u32)| {
                json!({
                    "id": id, "content": name, "special": true, "normalized": false,
                    "single_word": false, "lstrip": false, "rstrip": false,
                })
            };
            json["added_tokens"] = added.into_iter().map(token).collect();
            Ok(std::fs::write(&path, serde_json::to_vec(&json).map_err(wrong)?)?)
        };
        write().map_err(|fault| fault.in_file(&path))
    }

    /// Loads a tokenizer from a directory's `tokenizer.json`, without the end tokens that other files may declare.
    ///
    /// # Errors
    /// Fails if the file is missing, malformed, or not a supported BPE tokenizer.
    pub fn load(directory: &Path) -> Result<Self, LoadError> {
        Self::from_directory(directory, &[])
    }

    /// Loads a tokenizer from a directory's `tokenizer.json`. `ends` are the end tokens that other files in the
    /// directory declare.
    pub(crate) fn from_directory(directory: &Path, ends: &[u32]) -> Result<Self, LoadError> {
        let path = directory.join("tokenizer.json");
        let read = || -> Result<Self, Fault> {
            let json = serde_json::from_slice(&std::fs::read(&path)?).map_err(|e| Fault::Malformed(e.to_string()))?;
            Self::from_json(json, ends)
        };
        read().map_err(|fault| fault.in_file(&path))
    }

    fn from_json(mut json: Value, ends: &[u32]) -> Result<Self, Fault> {
        if !json.is_object() || json["model"]["type"].as_str().is_some_and(|kind| kind != "BPE") {
            return Err(Fault::Unsupported("a tokenizer that is not byte pair encoding".into()));
        }
        check_model(&json["model"])?;
        let added = added_tokens(&json)?;
        let start = start_token(&json["post_processor"]);
        let byte_level = has_byte_level_step(&json["decoder"]) || has_byte_level_step(&json["pre_tokenizer"]);
        // The library would match added tokens in ordinary text, and the other steps would change the text.
        json["added_tokens"] = json!([]);
        for field in ["truncation", "padding", "post_processor"] {
            json[field] = Value::Null;
        }
        remove_space_prefix(&mut json["normalizer"]);
        remove_space_prefix(&mut json["pre_tokenizer"]);
        let inner: tokenizers::Tokenizer =
            serde_json::from_value(json).map_err(|e| Fault::Malformed(format!("the tokenizer does not parse: {e}")))?;
        let specials: HashMap<String, u32> =
            added.iter().filter(|t| t.special || is_marker(&t.name)).map(|t| (t.name.clone(), t.id)).collect();
        let pieces = token_bytes(&inner, &added, byte_level)?;
        let mut tokenizer = Self::assemble(inner, pieces, specials, ends);
        tokenizer.start_token = start.and_then(|name| tokenizer.special_id(&name));
        Ok(tokenizer)
    }
}

/// Rejects models that the library would accept without checking.
fn check_model(model: &Value) -> Result<(), Fault> {
    for affix in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if model[affix].as_str().is_some_and(|affix| !affix.is_empty()) {
            return Err(Fault::Unsupported(format!("a tokenizer with a {affix}")));
        }
    }
    let missing = |what| Fault::Missing(format!("the tokenizer's {what}"));
    let tokens = model["vocab"].as_object().ok_or_else(|| missing("vocabulary"))?;
    let merges = model["merges"].as_array().ok_or_else(|| missing("merges"))?;
    let merged = |merge: &Value| match merge {
        Value::String(merge) => merge.len() - usize::from(merge.contains(' ')),
        Value::Array(parts) => parts.iter().filter_map(Value::as_str).map(str::len).sum(),
        _ => 0,
    };
    check_merges(tokens.keys().map(String::as_str), merges.iter().map(merged))
}

/// A token outside of the BPE vocabulary.
struct AddedToken {
    name: String,
    id: u32,
    special: bool,
}

fn added_tokens(json: &Value) -> Result<Vec<AddedToken>, Fault> {
    let read = |token: &Value| {
        let id = token["id"].as_u64().and_then(|id| u32::try_from(id).ok()).filter(|&id| id < MAX_TOKEN_ID)?;
        Some(AddedToken {
            name: token["content"].as_str()?.to_string(),
            id,
            special: token["special"].as_bool().unwrap_or(false),
        })
    };
    let tokens = json["added_tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    let tokens: Option<Vec<AddedToken>> = tokens.iter().map(read).collect();
    tokens.ok_or_else(|| Fault::Malformed("an added token lacks a name or a valid id".into()))
}

/// Collects the bytes of all tokens.
fn token_bytes(inner: &tokenizers::Tokenizer, added: &[AddedToken], byte_level: bool) -> Result<TokenBytes, Fault> {
    let vocabulary = inner.get_vocab(false);
    let last = vocabulary.values().copied().chain(added.iter().map(|t| t.id)).max();
    let Some(last) = last.filter(|&last| last < MAX_TOKEN_ID) else {
        return Err(Fault::Malformed("the vocabulary is empty or has an out-of-range id".into()));
    };
    let mut all = vec![Vec::new(); last as usize + 1];
    for (token, id) in vocabulary {
        all[id as usize] =
            if byte_level { byte_level::token_to_bytes(&token) } else { sentence_piece::token_to_bytes(&token) };
    }
    for token in added {
        all[token.id as usize] = token.name.clone().into_bytes();
    }
    Ok(TokenBytes::new(all))
}

/// Returns true if a pipeline step, or one nested in it, is of type `ByteLevel`.
fn has_byte_level_step(step: &Value) -> bool {
    match step {
        Value::Object(fields) => {
            fields.get("type").is_some_and(|kind| kind == "ByteLevel") || fields.values().any(has_byte_level_step)
        }
        Value::Array(steps) => steps.iter().any(has_byte_level_step),
        _ => false,
    }
}

/// Removes steps that prepend a space to a text: the parts of a prompt are encoded one by one, and none begins a
/// sentence.
fn remove_space_prefix(step: &mut Value) {
    if step["type"] == "Prepend" {
        *step = Value::Null;
    } else if step["type"] == "Metaspace" {
        step["prepend_scheme"] = json!("never");
        if let Some(fields) = step.as_object_mut() {
            fields.remove("add_prefix_space");
        }
    }
    for list in ["normalizers", "pretokenizers"] {
        if let Some(steps) = step.get_mut(list).and_then(Value::as_array_mut) {
            steps.iter_mut().for_each(remove_space_prefix);
            steps.retain(|step| !step.is_null());
        }
    }
}

/// The token that a post-processor template puts before every text.
fn start_token(step: &Value) -> Option<String> {
    if step["type"] == "TemplateProcessing" {
        return Some(step["single"].get(0)?["SpecialToken"]["id"].as_str()?.to_string());
    }
    step["processors"].as_array()?.iter().find_map(start_token)
}
