//! A model as a file holds it: decoder, tokenizer, chat template, name.

use std::path::{Path, PathBuf};

use candle_core::Device;
use foretype_plugins::FimFormat;
use serde_json::Value;

use crate::config::Config;
use crate::decoder::Decoder;
use crate::tokenizer::Tokenizer;
use crate::weights::gguf::Gguf;
use crate::weights::gguf::source::GgufWeights;
use crate::weights::safetensors::{Directory, SafetensorsWeights};
use crate::weights::{Fault, LoadError};

/// A loaded model. Immutable; shared by everything that runs it.
pub struct Model {
    /// The weights.
    pub decoder: Decoder,
    /// The vocabulary.
    pub tokenizer: Tokenizer,
    /// How a conversation is written, as a Jinja template.
    pub chat_template: Option<String>,
    /// What it calls itself, or else the name of its file.
    pub name: String,
    /// The file or directory that it came from.
    pub path: PathBuf,
    /// Size of its weights in the file.
    pub bytes: u64,
}

impl Model {
    /// Loads a GGUF file, or a Hugging Face directory (`config.json`, `tokenizer.json`, `model.safetensors` or its shards).
    ///
    /// Errors name the file and what is wrong with it.
    pub fn load(path: &Path, device: &Device) -> Result<Self, LoadError> {
        let model = if path.is_dir() { Self::load_directory(path, device) } else { Self::load_gguf(path, device) }?;
        crate::kernels::memory::give_back();
        let (tokens, rows) = (model.tokenizer.vocab_size(), model.decoder.config().vocab_size);
        match tokens <= rows {
            true => Ok(model),
            false => Err(Fault::Malformed(format!("{tokens} tokens for an embedding of {rows}")).within(path)),
        }
    }

    /// How this model wants a hole written; `None` for one that only writes from left to right.
    pub fn fim_format(&self) -> Option<&'static FimFormat> {
        FimFormat::detect(&self.name, |name| self.tokenizer.special(name).is_some())
    }

    fn load_gguf(path: &Path, device: &Device) -> Result<Self, LoadError> {
        let file = Gguf::open(path)?;
        let within = |fault: Fault| fault.within(path);
        let config = Config::from_gguf(&file).map_err(within)?;
        let weights = GgufWeights { file: &file, config: &config, device };
        // The tokenizer takes as long to build as the weights take to check.
        let (decoder, tokenizer) = rayon::join(
            || Decoder::load(config.clone(), &weights, device),
            || Tokenizer::from_gguf(&file).map_err(within),
        );
        let text = |key| file.optional_text(key).map(|text| text.map(String::from)).map_err(within);
        Ok(Self {
            decoder: decoder?,
            tokenizer: tokenizer?,
            chat_template: text("tokenizer.chat_template")?,
            name: text("general.name")?.unwrap_or_else(|| stem(path)),
            path: path.to_path_buf(),
            bytes: file.len(),
        })
    }

    fn load_directory(path: &Path, device: &Device) -> Result<Self, LoadError> {
        let json = required_json(&path.join("config.json"))?;
        let config = Config::from_hugging_face(&json).map_err(|fault| fault.within(&path.join("config.json")))?;
        let generation = optional_json(&path.join("generation_config.json"))?;
        let ends: Vec<u32> = [&json, &generation].into_iter().flat_map(|json| ids(&json["eos_token_id"])).collect();
        let directory = Directory::open(path)?;
        let weights = SafetensorsWeights { directory: &directory, config: &config, device };
        let (decoder, tokenizer) =
            rayon::join(|| Decoder::load(config.clone(), &weights, device), || Tokenizer::from_directory(path, &ends));
        Ok(Self {
            decoder: decoder?,
            tokenizer: tokenizer?,
            chat_template: chat_template(path)?,
            name: stem(path),
            path: path.to_path_buf(),
            bytes: directory.len(),
        })
    }
}

/// The file's name without its ending.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A token id or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(values) => values.iter().filter_map(id).collect(),
        value => id(value).into_iter().collect(),
    }
}

fn required_json(path: &Path) -> Result<Value, LoadError> {
    let bytes = std::fs::read(path).map_err(|e| Fault::Io(e).within(path))?;
    serde_json::from_slice(&bytes).map_err(|e| Fault::Malformed(format!("it is not JSON: {e}")).within(path))
}

/// The file's content; null where there is none.
fn optional_json(path: &Path) -> Result<Value, LoadError> {
    if path.is_file() { required_json(path) } else { Ok(Value::Null) }
}

/// From a file of its own, or from `tokenizer_config.json`, where it may be one of several by name.
fn chat_template(directory: &Path) -> Result<Option<String>, LoadError> {
    let own = directory.join("chat_template.jinja");
    if own.is_file() {
        return std::fs::read_to_string(&own).map(Some).map_err(|e| Fault::Io(e).within(&own));
    }
    let config = optional_json(&directory.join("tokenizer_config.json"))?;
    Ok(match &config["chat_template"] {
        Value::String(template) => Some(template.clone()),
        Value::Array(named) => {
            let default = named.iter().find(|entry| entry["name"] == "default").or(named.first());
            default.and_then(|entry| entry["template"].as_str()).map(String::from)
        }
        _ => None,
    })
}
