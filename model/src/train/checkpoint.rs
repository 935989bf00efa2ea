//! Checkpoints: everything that a run needs to resume as if it had never stopped.
//!
//! A checkpoint is a directory `step-N` with the trained tensors, the optimizer state and the position in the data. It
//! is written under another name and then renamed, so a directory of that name is always complete, even after a crash.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TrainError;
use super::network::{Network, ParameterRole};
use super::trainer::Trainer;
use crate::weights::peft::lora_tensor_names;
use crate::weights::safetensors::names::tensor_names;

/// Number of checkpoints to keep.
const MAX_CHECKPOINTS: usize = 2;
const WEIGHTS_FILE: &str = "weights.safetensors";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
const STATE_FILE: &str = "state.json";

/// The progress of a run.
#[derive(serde::Serialize, serde::Deserialize)]
struct CheckpointState<P> {
    step: usize,
    position: P,
}

/// The name of a trained parameter in files.
pub(super) fn tensor_name(network: &Network, role: ParameterRole) -> String {
    let architecture = network.config().architecture;
    match role {
        ParameterRole::Base(slot, kind) => tensor_names(architecture, slot, kind).swap_remove(0),
        ParameterRole::LoraA(slot) => {
            let [a, _] = lora_tensor_names(architecture, slot);
            a
        }
        ParameterRole::LoraB(slot) => {
            let [_, b] = lora_tensor_names(architecture, slot);
            b
        }
    }
}

/// The complete checkpoints in a directory with their steps, the oldest first.
fn list_checkpoints(folder: &Path) -> Vec<(usize, PathBuf)> {
    let step_and_path = |entry: fs::DirEntry| {
        let step = entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok()?;
        Some((step, entry.path()))
    };
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(step_and_path).collect();
    found.sort();
    found
}

/// The newest checkpoint in a directory.
pub(super) fn newest(folder: &Path) -> Option<PathBuf> {
    list_checkpoints(folder).pop().map(|(_, path)| path)
}

impl Trainer {
    /// Writes a checkpoint to `folder`, with the `position` in the data at which to resume, and removes all but the
    /// newest two. Returns its path.
    ///
    /// # Errors
    /// Fails if a file cannot be written or an old checkpoint cannot be removed.
    pub(crate) fn save<P: Serialize>(&self, folder: &Path, position: &P) -> Result<PathBuf, TrainError> {
        let (path, unfinished) = (folder.join(format!("step-{:07}", self.step)), folder.join("unfinished"));
        let written = self.write(&unfinished, position).and_then(|()| {
            // An earlier run may already have saved this step.
            remove_directory(&path)?;
            fs::rename(&unfinished, &path).map_err(TrainError::io(&path))
        });
        if let Err(error) = written {
            let _ = remove_directory(&unfinished);
            return Err(error);
        }
        let mut old = list_checkpoints(folder);
        old.truncate(old.len().saturating_sub(MAX_CHECKPOINTS));
        for (_, old_path) in &old {
            remove_directory(old_path)?;
        }
        Ok(path)
    }

    fn write<P: Serialize>(&self, folder: &Path, position: &P) -> Result<(), TrainError> {
        remove_directory(folder)?;
        fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        let (mut weights, mut memories) = (HashMap::new(), HashMap::new());
        for (parameter, memory) in self.network.parameters().iter().zip(&self.optimizer_state.moments) {
            let name = tensor_name(&self.network, parameter.role);
            for (index, tensor) in memory.iter().enumerate() {
                memories.insert(format!("{name}.{index}"), tensor.clone());
            }
            weights.insert(name, parameter.var.as_detached_tensor());
        }
        save_tensors(&weights, &folder.join(WEIGHTS_FILE))?;
        save_tensors(&memories, &folder.join(OPTIMIZER_FILE))?;
        let state = CheckpointState { step: self.step, position };
        let text = serde_json::to_vec_pretty(&state).map_err(|e| TrainError::io(folder)(e.into()))?;
        let path = folder.join(STATE_FILE);
        fs::write(&path, text).map_err(TrainError::io(&path))?;
        sync_to_disk(&path)?;
        sync_to_disk(folder)
    }

    /// Restores the state of a checkpoint and returns the position in the data. The trainer must have been created with
    /// the same base model and plan.
    ///
    /// # Errors
    /// Fails if a file cannot be read, or if the checkpoint was written by a run with another base model or plan.
    pub(crate) fn restore<P: DeserializeOwned>(&mut self, checkpoint: &Path) -> Result<P, TrainError> {
        let path = checkpoint.join(STATE_FILE);
        let text = fs::read(&path).map_err(TrainError::io(&path))?;
        let state: CheckpointState<P> = serde_json::from_slice(&text).map_err(|e| TrainError::io(&path)(e.into()))?;
        let (weights, memories) =
            (load_tensors(&checkpoint.join(WEIGHTS_FILE))?, load_tensors(&checkpoint.join(OPTIMIZER_FILE))?);
        let device = self.network.device().clone();
        for (index, parameter) in self.network.parameters().iter().enumerate() {
            let name = tensor_name(&self.network, parameter.role);
            let shape = parameter.var.shape();
            parameter.var.set(&find_tensor(&weights, &name, shape, checkpoint, &device)?)?;
            for (number, memory) in self.optimizer_state.moments[index].iter_mut().enumerate() {
                *memory = find_tensor(&memories, &format!("{name}.{number}"), shape, checkpoint, &device)?;
            }
        }
        self.step = state.step;
        Ok(state.position)
    }
}

/// Finds a tensor of the right shape and moves it to the device.
fn find_tensor(
    tensors: &HashMap<String, Tensor>,
    name: &str,
    shape: &candle_core::Shape,
    path: &Path,
    device: &Device,
) -> Result<Tensor, TrainError> {
    match tensors.get(name).filter(|tensor| tensor.shape() == shape) {
        Some(tensor) => Ok(tensor.to_device(device)?),
        None => Err(TrainError::CheckpointMismatch { path: path.to_path_buf(), name: name.to_owned() }),
    }
}

/// Writes tensors to a file and syncs it to disk.
pub(super) fn save_tensors(tensors: &HashMap<String, Tensor>, path: &Path) -> Result<(), TrainError> {
    candle_core::safetensors::save(tensors, path).map_err(|e| TrainError::io(path)(std::io::Error::other(e)))?;
    sync_to_disk(path)
}

fn load_tensors(path: &Path) -> Result<HashMap<String, Tensor>, TrainError> {
    candle_core::safetensors::load(path, &Device::Cpu).map_err(|e| TrainError::io(path)(std::io::Error::other(e)))
}

fn sync_to_disk(path: &Path) -> Result<(), TrainError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(TrainError::io(path))
}

fn remove_directory(folder: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TrainError::io(folder)(error)),
        _ => Ok(()),
    }
}
