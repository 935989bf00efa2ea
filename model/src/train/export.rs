//! Exports trained weights: an adapter in the format of PEFT, or a model as a Hugging Face directory.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::TrainError;
use super::checkpoint::{save_tensors, tensor_name};
use super::network::{LoraConfig, Network, ParameterRole, TrainingMode};
use super::operations::Precision;
use super::trainer::{BaseModel, Trainer};
use crate::config::{Architecture, Config};
use crate::weights::{Slot, peft};

impl Trainer {
    /// Writes the trained weights to `folder`: with [`TrainingMode::Lora`] an adapter whose configuration names `base`
    /// as the base model; with [`TrainingMode::Full`] a whole model, to which the caller must add the tokenizer.
    ///
    /// Files appear in the directory only when they are complete.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn export(&self, folder: &Path, base: &str) -> Result<(), TrainError> {
        write_network(&self.network, self.mode(), folder, base)
    }
}

/// Writes the weights of an untrained model, dequantised if necessary, to `folder` as those of a Hugging Face
/// directory.
///
/// # Errors
/// Fails if the model cannot be loaded or a file cannot be written.
pub fn write_model(model: &BaseModel, folder: &Path) -> Result<(), TrainError> {
    write_network(
        &model.network(&TrainingMode::Full, Precision::F32, 0, &Device::Cpu)?,
        &TrainingMode::Full,
        folder,
        "",
    )
}

fn write_network(network: &Network, mode: &TrainingMode, folder: &Path, base: &str) -> Result<(), TrainError> {
    fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let config = network.config();
    let (weights, settings, values) = match mode {
        TrainingMode::Lora(LoraConfig { rank, alpha, dropout }) => (
            peft::ADAPTER_WEIGHTS_FILE,
            peft::ADAPTER_CONFIG_FILE,
            peft::adapter_config(config, base, *rank, *alpha, *dropout),
        ),
        TrainingMode::Full => ("model.safetensors", "config.json", config.to_hugging_face()),
    };
    let tensors = network.parameters().iter().map(|parameter| {
        let tensor = to_file_layout(config, parameter.role, parameter.var.as_detached_tensor())?;
        Ok((tensor_name(network, parameter.role), tensor))
    });
    write_atomically(folder, weights, |path| {
        save_tensors(&tensors.collect::<Result<HashMap<_, _>, TrainError>>()?, path)
    })?;
    write_atomically(folder, settings, |path| fs::write(path, format!("{values:#}\n")).map_err(TrainError::io(path)))
}

/// Converts a tensor to its layout in files: whole models are stored as bf16, and GPT-2 stores the matrices of its
/// layers transposed.
fn to_file_layout(config: &Config, role: ParameterRole, tensor: Tensor) -> Result<Tensor, TrainError> {
    let transposed = config.architecture == Architecture::Gpt2 && tensor.rank() == 2;
    Ok(match role {
        ParameterRole::LoraA(_) | ParameterRole::LoraB(_) => tensor,
        ParameterRole::Base(Slot::Layer(..), _) if transposed => tensor.t()?.contiguous()?.to_dtype(DType::BF16)?,
        ParameterRole::Base(..) => tensor.to_dtype(DType::BF16)?,
    })
}

/// Writes a file under another name and then renames it.
fn write_atomically(
    folder: &Path,
    name: &str,
    write: impl FnOnce(&Path) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let (path, unfinished) = (folder.join(name), folder.join(format!("{name}.unfinished")));
    let written = write(&unfinished).and_then(|()| fs::rename(&unfinished, &path).map_err(TrainError::io(&path)));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}
