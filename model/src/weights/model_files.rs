//! The open file or directory of a model, whichever its format.

use std::path::Path;

use candle_core::Device;
use serde_json::Value;

use super::gguf::GgufFile;
use super::gguf::source::GgufWeights;
use super::json::read_json;
use super::location::MatrixLocation;
use super::safetensors::{SafetensorsDirectory, SafetensorsWeights};
use super::{LoadError, Slot, WeightSource};
use crate::config::Config;

/// A model's open files.
pub(crate) enum ModelFiles {
    /// A GGUF file.
    Gguf(GgufFile, Config),
    /// A Hugging Face directory with its `config.json`.
    Directory(SafetensorsDirectory, Config, Value),
}

impl ModelFiles {
    /// Opens a GGUF file or a Hugging Face directory, and reads and checks everything but the weights.
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

    /// Location of a matrix.
    pub(crate) fn locate(&self, slot: Slot) -> Result<MatrixLocation, LoadError> {
        let device = &Device::Cpu;
        match self {
            Self::Gguf(file, config) => GgufWeights { file, config, device }.locate(slot),
            Self::Directory(directory, config, _) => SafetensorsWeights { directory, config, device }.locate(slot),
        }
    }

    /// The weights, to be read for a device.
    pub(crate) fn source<'a>(&'a self, device: &'a Device) -> Box<dyn WeightSource + 'a> {
        match self {
            Self::Gguf(file, config) => Box::new(GgufWeights { file, config, device }),
            Self::Directory(directory, config, _) => Box::new(SafetensorsWeights { directory, config, device }),
        }
    }
}
