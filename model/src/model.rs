//! A loaded model: decoder, tokenizer, chat template and name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use foretype_plugins::FimFormat;
use serde_json::Value;

use crate::config::Config;
use crate::decoder::Decoder;
use crate::tokenizer::Tokenizer;
use crate::weights::gguf::GgufFile;
use crate::weights::json::read_json;
use crate::weights::model_files::ModelFiles;
use crate::weights::peft;
use crate::weights::safetensors::SafetensorsDirectory;
use crate::weights::{Fault, LoadError};

/// A loaded model. It is immutable and shared by everything that runs it.
pub struct Model {
    /// The weights.
    pub decoder: Decoder,
    /// The vocabulary.
    pub tokenizer: Arc<Tokenizer>,
    /// The Jinja template that formats a conversation.
    pub chat_template: Option<String>,
    /// The model's name in its metadata, or else the name of its file.
    pub name: String,
    /// The file or directory that the model was loaded from.
    pub path: PathBuf,
    /// Size of the weight files in bytes.
    pub bytes: u64,
    /// The path of the applied adapter and the model without it, which shares the weights.
    pub adapter: Option<(PathBuf, Arc<Model>)>,
}

impl Model {
    /// Loads a GGUF file, or a Hugging Face directory (`config.json`, `tokenizer.json`, `model.safetensors` or shards).
    ///
    /// # Errors
    /// Fails if a file is missing, unreadable or malformed, or if the model is not supported. The error names the file.
    pub fn load(path: &Path, device: &Device) -> Result<Self, LoadError> {
        let files = ModelFiles::open(path)?;
        // Building the tokenizer takes as long as checking the weights, so both run in parallel.
        let (decoder, model) = rayon::join(
            || Decoder::load(files.config().clone(), &*files.source(device), device),
            || ModelInfo::new(&files, path),
        );
        let (decoder, ModelInfo { tokenizer, chat_template, name, bytes, .. }) = (decoder?, model?);
        let tokenizer = Arc::new(tokenizer);
        let model = Self { decoder, tokenizer, chat_template, name, path: path.to_path_buf(), bytes, adapter: None };
        crate::kernels::trim_heap();
        let (tokens, rows) = (model.tokenizer.vocab_size(), model.decoder.config().vocab_size);
        if tokens > rows {
            let mismatch = format!("the tokenizer has {tokens} tokens, but the embedding has only {rows} rows");
            return Err(Fault::Malformed(mismatch).in_file(path));
        }
        Ok(model)
    }

    /// Applies a LoRA adapter in the format of PEFT (`adapter_config.json`, `adapter_model.safetensors`) on top of this
    /// model. The returned model shares the weights of this one.
    ///
    /// # Errors
    /// Fails if the adapter was made for another model, is damaged, or is of an unsupported kind (DoRA, fully trained
    /// modules, biases).
    pub fn with_adapter(self: &Arc<Self>, adapter: &Path) -> Result<Self, LoadError> {
        let weights = peft::PeftAdapter::open(adapter, self.decoder.config())?;
        let decoder = self.decoder.adapted(&weights).map_err(|e| Fault::Tensor(e).in_file(adapter))?;
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

    /// The model's fill-in-the-middle format; `None` for a model that can only continue text.
    pub fn fim_format(&self) -> Option<&'static FimFormat> {
        self.tokenizer.fim_format(&self.name)
    }
}

/// A model's description: everything but its weights.
pub struct ModelInfo {
    /// The vocabulary.
    pub tokenizer: Tokenizer,
    /// The Jinja template that formats a conversation.
    pub chat_template: Option<String>,
    /// The model's name in its metadata, or else the name of its file.
    pub name: String,
    /// Size of the weight files in bytes.
    pub bytes: u64,
    /// Architecture and dimensions.
    pub config: Config,
}

impl ModelInfo {
    /// Reads everything of a model but its weights.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        Self::new(&ModelFiles::open(path)?, path)
    }

    /// The model's fill-in-the-middle format; `None` for a model that can only continue text.
    pub fn fim_format(&self) -> Option<&'static FimFormat> {
        self.tokenizer.fim_format(&self.name)
    }

    fn new(files: &ModelFiles, path: &Path) -> Result<Self, LoadError> {
        match files {
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

    fn from_directory(
        directory: &SafetensorsDirectory,
        config: &Config,
        json: &Value,
        path: &Path,
    ) -> Result<Self, LoadError> {
        let generation = read_optional_json(&path.join("generation_config.json"))?;
        let ends: Vec<u32> =
            [json, &generation].into_iter().flat_map(|json| token_ids(&json["eos_token_id"])).collect();
        Ok(Self {
            tokenizer: Tokenizer::from_directory(path, &ends)?,
            chat_template: chat_template(path)?,
            name: file_stem(path),
            bytes: directory.len(),
            config: config.clone(),
        })
    }
}

/// The name of a file without its extension.
fn file_stem(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Parses a token id or a list of token ids.
fn token_ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(values) => values.iter().filter_map(id).collect(),
        value => id(value).into_iter().collect(),
    }
}

/// Reads a JSON file; null if there is no such file.
fn read_optional_json(path: &Path) -> Result<Value, LoadError> {
    if path.is_file() { read_json(path) } else { Ok(Value::Null) }
}

/// Reads the chat template from `chat_template.jinja`, or else from `tokenizer_config.json`, which may have several
/// named ones.
fn chat_template(directory: &Path) -> Result<Option<String>, LoadError> {
    let template = directory.join("chat_template.jinja");
    if template.is_file() {
        return std::fs::read_to_string(&template).map(Some).map_err(|e| Fault::Io(e).in_file(&template));
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
