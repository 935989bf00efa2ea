//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A checkpoint is a folder `step-N` with the trained tensors, what the optimizer remembers and where the run was. It is
//! written beside its place and then renamed, so that a folder of that name is complete, whatever ends the program.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TrainError;
use super::network::{Network, Role};
use super::trainer::Trainer;
use crate::weights::peft::lora_tensor_names;
use crate::weights::safetensors::names::tensor_names;

/// Checkpoints that are kept.
const KEPT: usize = 2;
const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";

/// Where a run was.
#[derive(serde::Serialize, serde::Deserialize)]
struct State<P> {
    step: usize,
    position: P,
}

/// The name of a trained tensor in files.
pub(super) fn name(network: &Network, role: Role) -> String {
    let architecture = network.config().architecture;
    match role {
        Role::Base(slot, kind) => tensor_names(architecture, slot, kind).swap_remove(0),
        Role::A(slot) => {
            let [a, _] = lora_tensor_names(architecture, slot);
            a
        }
        Role::B(slot) => {
            let [_, b] = lora_tensor_names(architecture, slot);
            b
        }
    }
}

/// The complete checkpoints of a folder, the oldest first.
fn all(folder: &Path) -> Vec<(usize, PathBuf)> {
    let number = |entry: fs::DirEntry| {
        let step = entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok()?;
        Some((step, entry.path()))
    };
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(number).collect();
    found.sort();
    found
}

/// The newest checkpoint of a folder.
pub fn newest(folder: &Path) -> Option<PathBuf> {
    all(folder).pop().map(|(_, path)| path)
}

impl Trainer {
    /// Writes a checkpoint into `folder`, with the `position` of the rows to go on with, and removes all but the newest two. Gives its
    /// path.
    pub fn save<P: Serialize>(&self, folder: &Path, position: &P) -> Result<PathBuf, TrainError> {
        let (path, unfinished) = (folder.join(format!("step-{:07}", self.step)), folder.join("unfinished"));
        let written = self.write(&unfinished, position).and_then(|()| {
            // The same step may have been saved before a run was stopped.
            remove(&path)?;
            fs::rename(&unfinished, &path).map_err(TrainError::at(&path))
        });
        if let Err(error) = written {
            let _ = remove(&unfinished);
            return Err(error);
        }
        let mut old = all(folder);
        old.truncate(old.len().saturating_sub(KEPT));
        old.iter().try_for_each(|(_, path)| remove(path))?;
        Ok(path)
    }

    fn write<P: Serialize>(&self, folder: &Path, position: &P) -> Result<(), TrainError> {
        remove(folder)?;
        fs::create_dir_all(folder).map_err(TrainError::at(folder))?;
        let (mut weights, mut memories) = (HashMap::new(), HashMap::new());
        for (parameter, memory) in self.network.parameters().iter().zip(&self.optimizing.memories) {
            let name = name(&self.network, parameter.role);
            for (index, tensor) in memory.iter().enumerate() {
                memories.insert(format!("{name}.{index}"), tensor.clone());
            }
            weights.insert(name, parameter.var.as_detached_tensor());
        }
        store(&weights, &folder.join(WEIGHTS))?;
        store(&memories, &folder.join(OPTIMIZER))?;
        let state = State { step: self.step, position };
        let text = serde_json::to_vec_pretty(&state).map_err(|e| TrainError::at(folder)(e.into()))?;
        let path = folder.join(STATE);
        fs::write(&path, text).map_err(TrainError::at(&path))?;
        flush(&path)?;
        flush(folder)
    }

    /// Goes on where a checkpoint was written; gives the position of the rows. The trainer must have been made with the same base
    /// and plan.
    pub fn restore<P: DeserializeOwned>(&mut self, checkpoint: &Path) -> Result<P, TrainError> {
        let path = checkpoint.join(STATE);
        let text = fs::read(&path).map_err(TrainError::at(&path))?;
        let state: State<P> = serde_json::from_slice(&text).map_err(|e| TrainError::at(&path)(e.into()))?;
        let (weights, memories) = (load(&checkpoint.join(WEIGHTS))?, load(&checkpoint.join(OPTIMIZER))?);
        let device = self.network.device().clone();
        for (index, parameter) in self.network.parameters().iter().enumerate() {
            let name = name(&self.network, parameter.role);
            let shape = parameter.var.shape();
            parameter.var.set(&find(&weights, &name, shape, checkpoint, &device)?)?;
            for (number, memory) in self.optimizing.memories[index].iter_mut().enumerate() {
                *memory = find(&memories, &format!("{name}.{number}"), shape, checkpoint, &device)?;
            }
        }
        self.step = state.step;
        Ok(state.position)
    }
}

/// A tensor that must be there.
fn find(
    tensors: &HashMap<String, Tensor>,
    name: &str,
    shape: &candle_core::Shape,
    path: &Path,
    device: &Device,
) -> Result<Tensor, TrainError> {
    match tensors.get(name).filter(|tensor| tensor.shape() == shape) {
        Some(tensor) => Ok(tensor.to_device(device)?),
        None => Err(TrainError::Other { path: path.to_path_buf(), name: name.to_owned() }),
    }
}

/// Writes tensors and waits until they are on the disk.
pub(super) fn store(tensors: &HashMap<String, Tensor>, path: &Path) -> Result<(), TrainError> {
    candle_core::safetensors::save(tensors, path).map_err(|e| TrainError::at(path)(std::io::Error::other(e)))?;
    flush(path)
}

fn load(path: &Path) -> Result<HashMap<String, Tensor>, TrainError> {
    candle_core::safetensors::load(path, &Device::Cpu).map_err(|e| TrainError::at(path)(std::io::Error::other(e)))
}

fn flush(path: &Path) -> Result<(), TrainError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(TrainError::at(path))
}

fn remove(folder: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TrainError::at(folder)(error)),
        _ => Ok(()),
    }
}
