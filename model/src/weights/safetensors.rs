//! Weights of a Hugging Face directory: one safetensors file, or several shards with an index.
//!
//! Files are memory-mapped. The `safetensors` crate checks each header against its file: offsets in order, without gaps
//! or overlaps, and sizes that fit the shapes.

pub(crate) mod names;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};

use super::location::{ElementOrder, MatrixLocation};
use super::{Fault, LoadError, Slot, TensorKind, WeightMatrix, WeightSource, validate};
use crate::config::{Architecture, Config};

/// The mapped weight files of a directory and an index of their tensors.
pub(crate) struct SafetensorsDirectory {
    path: PathBuf,
    files: Vec<Shard>,
    tensors: HashMap<String, usize>, // index in `files`
}

/// One weight file.
struct Shard {
    path: PathBuf,
    map: Mmap,
    data_offset: usize, // where tensor data begins
    metadata: Metadata,
}

impl SafetensorsDirectory {
    /// Maps the files listed in `model.safetensors.index.json`, or else `model.safetensors`.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let files =
            shard_names(path)?.iter().map(|name| Shard::open(&path.join(name))).collect::<Result<Vec<_>, _>>()?;
        let mut tensors = HashMap::new();
        for (index, file) in files.iter().enumerate() {
            for name in file.metadata.tensors().into_keys() {
                if tensors.insert(name.clone(), index).is_some() {
                    return Err(Fault::Malformed(format!("the tensor '{name}' is in two files")).in_file(&file.path));
                }
            }
        }
        Ok(Self { path: path.to_path_buf(), files, tensors })
    }

    /// Size of all files in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.files.iter().map(|file| file.map.len() as u64).sum()
    }

    /// The file and entry of the first of these names that exists.
    fn find(&self, names: &[String]) -> Option<(&str, &Shard, &TensorInfo)> {
        names.iter().find_map(|name| {
            let (name, &index) = self.tensors.get_key_value(name)?;
            let file = &self.files[index];
            Some((name.as_str(), file, file.metadata.info(name)?))
        })
    }
}

/// The names of the weight files of a directory.
fn shard_names(directory: &Path) -> Result<Vec<String>, LoadError> {
    let index = directory.join("model.safetensors.index.json");
    if !index.is_file() {
        return Ok(vec!["model.safetensors".into()]);
    }
    let read = || -> Result<Vec<String>, Fault> {
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&index)?).map_err(|e| Fault::Malformed(e.to_string()))?;
        let map = json.get("weight_map").and_then(|map| map.as_object());
        let map = map.ok_or_else(|| Fault::Missing("the field 'weight_map'".into()))?;
        let names: Option<Vec<&str>> = map.values().map(|value| value.as_str()).collect();
        let mut names =
            names.ok_or_else(|| Fault::Malformed("the field 'weight_map' does not map to file names".into()))?;
        names.sort_unstable();
        names.dedup();
        match names.iter().find(|name| name.contains(['/', '\\']) || **name == "..") {
            Some(name) => Err(Fault::Malformed(format!("'{name}' is not the name of a file in the same directory"))),
            None => Ok(names.into_iter().map(String::from).collect()),
        }
    };
    read().map_err(|fault| fault.in_file(&index))
}

impl Shard {
    fn open(path: &Path) -> Result<Self, LoadError> {
        let read = || -> Result<Self, Fault> {
            let file = std::fs::File::open(path)?;
            // SAFETY: the map is only read; `GgufFile::open` explains what truncation by another process would do.
            let map = unsafe { Mmap::map(&file)? };
            let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| Fault::Malformed(e.to_string()))?;
            Ok(Self { path: path.to_path_buf(), data_offset: header + 8, map, metadata })
        };
        read().map_err(|fault| fault.in_file(path))
    }

    /// Reads a tensor and checks its shape.
    fn tensor(&self, name: &str, info: &TensorInfo, shape: &[usize], device: &Device) -> Result<Tensor, Fault> {
        if info.shape != shape {
            let found = &info.shape;
            return Err(Fault::Malformed(format!("the tensor '{name}' has the shape {found:?}, expected {shape:?}")));
        }
        let (dtype, packing) = match info.dtype {
            Dtype::F32 => (DType::F32, GgmlDType::F32),
            Dtype::F16 => (DType::F16, GgmlDType::F16),
            Dtype::BF16 => (DType::BF16, GgmlDType::BF16),
            other => return Err(Fault::Unsupported(format!("the type {other:?} of the tensor '{name}'"))),
        };
        let (start, end) = info.data_offsets;
        let bytes = self.map.get(self.data_offset + start..self.data_offset + end);
        let bytes =
            bytes.ok_or_else(|| Fault::Malformed(format!("the tensor '{name}' extends past the end of the file")))?;
        if !validate::is_finite(packing, bytes) {
            return Err(Fault::Malformed(format!("the tensor '{name}' contains an infinite or NaN value")));
        }
        Ok(Tensor::from_raw_buffer(bytes, dtype, shape, device)?)
    }
}

/// The weights of a directory, read for one device.
pub(crate) struct SafetensorsWeights<'a> {
    pub(crate) directory: &'a SafetensorsDirectory,
    pub(crate) config: &'a Config,
    pub(crate) device: &'a Device,
}

impl SafetensorsWeights<'_> {
    fn read(&self, slot: Slot, kind: TensorKind, shape: &[usize]) -> Result<Tensor, LoadError> {
        let names = names::tensor_names(self.config.architecture, slot, kind);
        let Some((name, file, info)) = self.directory.find(&names) else {
            return Err(Fault::Missing(format!("the tensor '{}'", names[0])).in_file(&self.directory.path));
        };
        file.tensor(name, info, shape, self.device).map_err(|fault| fault.in_file(&file.path))
    }

    /// Location of a matrix in its file.
    pub(crate) fn locate(&self, slot: Slot) -> Result<MatrixLocation, LoadError> {
        let names = names::tensor_names(self.config.architecture, slot, TensorKind::Weight);
        let Some((name, file, info)) = self.directory.find(&names) else {
            return Err(Fault::Missing(format!("the tensor '{}'", names[0])).in_file(&self.directory.path));
        };
        let dtype = match info.dtype {
            Dtype::F32 => GgmlDType::F32,
            Dtype::F16 => GgmlDType::F16,
            Dtype::BF16 => GgmlDType::BF16,
            other => {
                return Err(
                    Fault::Unsupported(format!("the type {other:?} of the tensor '{name}'")).in_file(&file.path)
                );
            }
        };
        let (start, end) = info.data_offsets;
        let order = if self.is_transposed(slot) { ElementOrder::ColumnMajor } else { ElementOrder::RowMajor };
        Ok(MatrixLocation {
            path: file.path.clone(),
            range: file.data_offset + start..file.data_offset + end,
            dtype,
            order,
        })
    }

    /// GPT-2 checkpoints store the matrices of the layers transposed.
    fn is_transposed(&self, slot: Slot) -> bool {
        self.config.architecture == Architecture::Gpt2 && matches!(slot, Slot::Layer(..))
    }
}

impl WeightSource for SafetensorsWeights<'_> {
    fn matrix(&self, slot: Slot, out: usize, inner: usize) -> Result<WeightMatrix, LoadError> {
        let transposed = self.is_transposed(slot);
        let weight = self.read(slot, TensorKind::Weight, &if transposed { [inner, out] } else { [out, inner] })?;
        let weight = if transposed { weight.t().and_then(|t| t.contiguous()) } else { Ok(weight) };
        weight.map(WeightMatrix::Dense).map_err(|e| Fault::Tensor(e).in_file(&self.directory.path))
    }

    fn vector(&self, slot: Slot, kind: TensorKind, len: usize) -> Result<Tensor, LoadError> {
        let vector = self.read(slot, kind, &[len])?;
        vector.to_dtype(DType::F32).map_err(|e| Fault::Tensor(e).in_file(&self.directory.path))
    }
}
