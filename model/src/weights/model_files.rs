//! A model's file or directory, opened: its shape and its weights, whichever the format.

use std::path::Path;

use candle_core::Device;
use serde_json::Value;

use super::gguf::GgufFile;
use super::gguf::source::GgufWeights;
use super::merge::MatrixLocation;
use super::safetensors::{SafetensorsDirectory, SafetensorsWeights};
use super::{Fault, LoadError, Slot, WeightSource};
use crate::config::Config;

/// What was opened.
pub(crate) enum ModelFiles {
    /// A GGUF file.
    Gguf(GgufFile, Config),
    /// A Hugging Face directory with its `config.json`.
    Directory(SafetensorsDirectory, Config, Value),
}

impl ModelFiles {
    /// Opens a GGUF file or a Hugging Face directory, reads all but the weights and checks it.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        if !path.is_dir() {
            let file = GgufFile::open(path)?;
            let config = Config::from_gguf(&file).map_err(|fault| fault.in_file(path))?;
            return Ok(Self::Gguf(file, config));
        }
        let json = read_json(&path.join("config.json"))?;
        let config = Config::from_hugging_face(&json).map_err(|fault| fault.in_file(&path.join("config.json")))?;
        Ok(Self::Directory(SafetensorsDirectory::open(path)?, config, json))
    }

    /// The model's shape.
    pub(crate) fn config(&self) -> &Config {
        match self {
            Self::Gguf(_, config) | Self::Directory(_, config, _) => config,
        }
    }

    /// Where a matrix lies in its files.
    pub(crate) fn locate(&self, slot: Slot) -> Result<MatrixLocation, LoadError> {
        let device = &Device::Cpu;
        match self {
            Self::Gguf(file, config) => GgufWeights { file, config, device }.locate(slot),
            Self::Directory(directory, config, _) => SafetensorsWeights { directory, config, device }.locate(slot),
        }
    }

    /// Its weights, for a device.
    pub(crate) fn source<'a>(&'a self, device: &'a Device) -> Box<dyn WeightSource + 'a> {
        match self {
            Self::Gguf(file, config) => Box::new(GgufWeights { file, config, device }),
            Self::Directory(directory, config, _) => Box::new(SafetensorsWeights { directory, config, device }),
        }
    }
}

/// A file of JSON.
pub(crate) fn read_json(path: &Path) -> Result<Value, LoadError> {
    let bytes = std::fs::read(path).map_err(|e| Fault::Io(e).in_file(path))?;
    serde_json::from_slice(&bytes).map_err(|e| Fault::Malformed(format!("it is not JSON: {e}")).in_file(path))
}
