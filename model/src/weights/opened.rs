//! A model's file or directory, opened: its shape and its weights, whichever the format.

use std::path::Path;

use candle_core::Device;
use serde_json::Value;

use super::gguf::Gguf;
use super::gguf::source::GgufWeights;
use super::merge::Place;
use super::safetensors::{Directory, SafetensorsWeights};
use super::{Fault, LoadError, Slot, Source};
use crate::config::Config;

/// What was opened.
pub(crate) enum Opened {
    /// A GGUF file.
    Gguf(Gguf, Config),
    /// A Hugging Face directory with its `config.json`.
    Directory(Directory, Config, Value),
}

impl Opened {
    /// Opens a GGUF file or a Hugging Face directory, reads all but the weights and checks it.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        if !path.is_dir() {
            let file = Gguf::open(path)?;
            let config = Config::from_gguf(&file).map_err(|fault| fault.within(path))?;
            return Ok(Self::Gguf(file, config));
        }
        let json = json(&path.join("config.json"))?;
        let config = Config::from_hugging_face(&json).map_err(|fault| fault.within(&path.join("config.json")))?;
        Ok(Self::Directory(Directory::open(path)?, config, json))
    }

    /// The model's shape.
    pub(crate) fn config(&self) -> &Config {
        match self {
            Self::Gguf(_, config) | Self::Directory(_, config, _) => config,
        }
    }

    /// Where a matrix lies in its files.
    pub(crate) fn place(&self, slot: Slot) -> Result<Place, LoadError> {
        let device = &Device::Cpu;
        match self {
            Self::Gguf(file, config) => GgufWeights { file, config, device }.place(slot),
            Self::Directory(directory, config, _) => SafetensorsWeights { directory, config, device }.place(slot),
        }
    }

    /// Its weights, for a device.
    pub(crate) fn source<'a>(&'a self, device: &'a Device) -> Box<dyn Source + 'a> {
        match self {
            Self::Gguf(file, config) => Box::new(GgufWeights { file, config, device }),
            Self::Directory(directory, config, _) => Box::new(SafetensorsWeights { directory, config, device }),
        }
    }
}

/// A file of JSON.
pub(crate) fn json(path: &Path) -> Result<Value, LoadError> {
    let bytes = std::fs::read(path).map_err(|e| Fault::Io(e).within(path))?;
    serde_json::from_slice(&bytes).map_err(|e| Fault::Malformed(format!("it is not JSON: {e}")).within(path))
}
