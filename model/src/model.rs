//! A model as a file holds it: decoder, tokenizer, chat template, name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use foretype_plugins::FimFormat;
use serde_json::Value;

use crate::config::Config;
use crate::decoder::Decoder;
use crate::tokenizer::Tokenizer;
use crate::weights::gguf::GgufFile;
use crate::weights::model_files::{self, ModelFiles};
use crate::weights::peft;
use crate::weights::safetensors::SafetensorsDirectory;
use crate::weights::{Fault, LoadError};

/// A loaded model. Immutable; shared by everything that runs it.
pub struct Model {
    /// The weights.
    pub decoder: Decoder,
    /// The vocabulary.
    pub tokenizer: Arc<Tokenizer>,
    /// How a conversation is written, as a Jinja template.
    pub chat_template: Option<String>,
    /// What it calls itself, or else the name of its file.
    pub name: String,
    /// The file or directory that it came from.
    pub path: PathBuf,
    /// Size of its weights in the file.
    pub bytes: u64,
    /// The adapter on top, and the model without it, which shares its weights.
    pub adapter: Option<(PathBuf, Arc<Model>)>,
}

impl Model {
    /// Loads a GGUF file, or a Hugging Face directory (`config.json`, `tokenizer.json`, `model.safetensors` or its shards).
    ///
    /// Errors name the file and what is wrong with it.
    pub fn load(path: &Path, device: &Device) -> Result<Self, LoadError> {
        let opened = ModelFiles::open(path)?;
        // The tokenizer takes as long to build as the weights take to check.
        let (decoder, model) = rayon::join(
            || Decoder::load(opened.config().clone(), &*opened.source(device), device),
            || ModelInfo::new(&opened, path),
        );
        let (decoder, ModelInfo { tokenizer, chat_template, name, bytes, .. }) = (decoder?, model?);
        let tokenizer = Arc::new(tokenizer);
        let model = Self { decoder, tokenizer, chat_template, name, path: path.to_path_buf(), bytes, adapter: None };
        crate::kernels::trim_heap();
        let (tokens, rows) = (model.tokenizer.vocab_size(), model.decoder.config().vocab_size);
        match tokens <= rows {
            true => Ok(model),
            false => Err(Fault::Malformed(format!("{tokens} tokens for an embedding of {rows}")).in_file(path)),
        }
    }

    /// The same model with an adapter in the format of PEFT on top (`adapter_config.json`, `adapter_model.safetensors`). It shares the
    /// weights of this one.
    ///
    /// # Errors
    /// If the adapter was made for another model, is damaged, or of a kind that is not supported (DoRA, whole modules, biases).
    pub fn with_adapter(self: &Arc<Self>, adapter: &Path) -> Result<Self, LoadError> {
        let parts = peft::PeftAdapter::open(adapter, self.decoder.config())?;
        let decoder = self.decoder.adapted(&parts).map_err(|e| Fault::Tensor(e).in_file(adapter))?;
        Ok(Self {
            decoder,
            tokenizer: self.tokenizer.clone(),
            chat_template: self.chat_template.clone(),
            name: self.name.clone(),
            path: self.path.clone(),
            bytes: self.bytes,
            adapter: Some((adapter.to_path_buf(), self.clone())),
        })
    }

    /// How this model wants a hole written; `None` for one that only writes from left to right.
    pub fn fim_format(&self) -> Option<&'static FimFormat> {
        self.tokenizer.fim_format(&self.name)
    }
}

/// What a model is beside its weights.
pub struct ModelInfo {
    /// The vocabulary.
    pub tokenizer: Tokenizer,
    /// How a conversation is written, as a Jinja template.
    pub chat_template: Option<String>,
    /// What it calls itself, or else the name of its file.
    pub name: String,
    /// Size of its weights in the file.
    pub bytes: u64,
    /// Its shape.
    pub config: Config,
}

impl ModelInfo {
    /// Reads all of a model but its weights.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        Self::new(&ModelFiles::open(path)?, path)
    }

    /// How this model wants a hole written; `None` for one that only writes from left to right.
    pub fn fim_format(&self) -> Option<&'static FimFormat> {
        self.tokenizer.fim_format(&self.name)
    }

    fn new(opened: &ModelFiles, path: &Path) -> Result<Self, LoadError> {
        match opened {
            ModelFiles::Gguf(file, config) => Self::from_gguf(file, config, path).map_err(|fault| fault.in_file(path)),
            ModelFiles::Directory(directory, config, json) => Self::from_directory(directory, config, json, path),
        }
    }

    fn from_gguf(file: &GgufFile, config: &Config, path: &Path) -> Result<Self, Fault> {
        let text = |key| -> Result<_, Fault> { Ok(file.optional_string(key)?.map(String::from)) };
        Ok(Self {
            tokenizer: Tokenizer::from_gguf(file)?,
            chat_template: text("tokenizer.chat_template")?,
            name: text("general.name")?.unwrap_or_else(|| file_stem(path)),
            bytes: file.len(),
            config: config.clone(),
        })
    }

    fn from_directory(directory: &SafetensorsDirectory, config: &Config, json: &Value, path: &Path) -> Result<Self, LoadError> {
        let generation = read_optional_json(&path.join("generation_config.json"))?;
        let ends: Vec<u32> = [json, &generation].into_iter().flat_map(|json| token_ids(&json["eos_token_id"])).collect();
        Ok(Self {
            tokenizer: Tokenizer::from_directory(path, &ends)?,
            chat_template: chat_template(path)?,
            name: file_stem(path),
            bytes: directory.len(),
            config: config.clone(),
        })
    }
}

/// The file's name without its ending.
fn file_stem(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A token id or a list of them.
fn token_ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(values) => values.iter().filter_map(id).collect(),
        value => id(value).into_iter().collect(),
    }
}

/// The file's content; null where there is none.
fn read_optional_json(path: &Path) -> Result<Value, LoadError> {
    if path.is_file() { model_files::read_json(path) } else { Ok(Value::Null) }
}

/// From a file of its own, or from `tokenizer_config.json`, where it may be one of several by name.
fn chat_template(directory: &Path) -> Result<Option<String>, LoadError> {
    let own = directory.join("chat_template.jinja");
    if own.is_file() {
        return std::fs::read_to_string(&own).map(Some).map_err(|e| Fault::Io(e).in_file(&own));
    }
    let config = read_optional_json(&directory.join("tokenizer_config.json"))?;
    Ok(match &config["chat_template"] {
        Value::String(template) => Some(template.clone()),
        Value::Array(named) => {
            let default = named.iter().find(|entry| entry["name"] == "default").or(named.first());
            default.and_then(|entry| entry["template"].as_str()).map(String::from)
        }
        _ => None,
    })
}
