//! What a run leaves for use: an adapter in the format of PEFT, or a model as a Hugging Face directory.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::TrainError;
use super::checkpoint::{name, store};
use super::network::{Lora, Mode, Network, Role};
use super::operations::Precision;
use super::trainer::{Base, Trainer};
use crate::config::{Architecture, Config};
use crate::weights::{Slot, peft};

impl Trainer {
    /// Writes what was trained into `folder`: with [`Mode::Lora`] an adapter, which `base` names the base model of; with
    /// [`Mode::Full`] the weights of a whole model, beside which the caller puts the tokenizer.
    ///
    /// Files appear in the folder when they are complete.
    pub fn export(&self, folder: &Path, base: &str) -> Result<(), TrainError> {
        write(&self.network, self.mode(), folder, base)
    }
}

/// Writes a model as it is, quantised or not, into `folder` as the weights of a Hugging Face directory.
pub fn write_model(model: &Base, folder: &Path) -> Result<(), TrainError> {
    write(&model.network(&Mode::Full, Precision::F32, 0, &Device::Cpu)?, &Mode::Full, folder, "")
}

fn write(network: &Network, mode: &Mode, folder: &Path, base: &str) -> Result<(), TrainError> {
    fs::create_dir_all(folder).map_err(TrainError::at(folder))?;
    let config = network.config();
    let (weights, settings, values) = match mode {
        Mode::Lora(Lora { rank, alpha, dropout }) => {
            (peft::ADAPTER_WEIGHTS_FILE, peft::ADAPTER_CONFIG_FILE, peft::adapter_config(config, base, *rank, *alpha, *dropout))
        }
        Mode::Full => ("model.safetensors", "config.json", config.to_hugging_face()),
    };
    let tensors = network.parameters().iter().map(|parameter| {
        let tensor = as_in_files(config, parameter.role, parameter.var.as_detached_tensor())?;
        Ok((name(network, parameter.role), tensor))
    });
    put(folder, weights, |path| store(&tensors.collect::<Result<HashMap<_, _>, TrainError>>()?, path))?;
    put(folder, settings, |path| fs::write(path, format!("{values:#}\n")).map_err(TrainError::at(path)))
}

/// GPT-2 keeps the matrices of its layers transposed; whole models are written in 16 bits.
fn as_in_files(config: &Config, role: Role, tensor: Tensor) -> Result<Tensor, TrainError> {
    let turned = config.architecture == Architecture::Gpt2 && tensor.rank() == 2;
    Ok(match role {
        Role::A(_) | Role::B(_) => tensor,
        Role::Base(Slot::Layer(..), _) if turned => tensor.t()?.contiguous()?.to_dtype(DType::BF16)?,
        Role::Base(..) => tensor.to_dtype(DType::BF16)?,
    })
}

/// Lets a file be written beside its place and moves it there.
fn put(folder: &Path, name: &str, write: impl FnOnce(&Path) -> Result<(), TrainError>) -> Result<(), TrainError> {
    let (path, unfinished) = (folder.join(name), folder.join(format!("{name}.unfinished")));
    let written = write(&unfinished).and_then(|()| fs::rename(&unfinished, &path).map_err(TrainError::at(&path)));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}
