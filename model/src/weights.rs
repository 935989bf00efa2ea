//! Weights as a file holds them: named slots, whatever the format calls them, and the errors of untrusted files.
//!
//! [`gguf`] and [`safetensors`] each implement [`Source`]; the decoder is built from a source and never sees a file.

mod validate;
pub(crate) mod gguf;
pub(crate) mod merge;
pub(crate) mod model_files;
pub(crate) mod peft;
pub(crate) mod safetensors;
pub(crate) mod storage;

use std::path::{Path, PathBuf};

use candle_core::quantized::{QStorage, QTensor};
use candle_core::{DType, Device, Tensor};

use storage::QuantizedMatrix;

/// A model that could not be loaded: which file, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct LoadError {
    /// The file at fault.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It could not be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It breaks its own format: cut short, sizes that do not fit, text that does not parse.
    #[error("{0}")]
    Malformed(String),
    /// Something that a model needs is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// It is well formed, and this program does not implement it.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A tensor could not be put in place.
    #[error("{0}")]
    Tensor(#[from] candle_core::Error),
}

impl Fault {
    /// The same fault, with the file that has it.
    pub fn in_file(self, path: &Path) -> LoadError {
        LoadError { path: path.to_path_buf(), fault: self }
    }
}

/// A place in the model that a tensor fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// `[vocabulary, hidden]`.
    Embedding,
    /// `[context, hidden]`, learned positions.
    Positions,
    /// The norm before the output.
    OutputNorm,
    /// `[vocabulary, hidden]`, where it is not the embedding.
    Output,
    /// A place in one layer.
    Layer(usize, LayerTensor),
}

/// A place in a layer that a tensor fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerTensor {
    AttentionNorm,
    /// Query, key and value in one matrix, in that order of rows.
    FusedQkv,
    Query,
    Key,
    Value,
    QueryNorm,
    KeyNorm,
    AttentionOutput,
    MlpNorm,
    Gate,
    Up,
    Down,
}

/// Which of a slot's tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TensorKind {
    Weight,
    Bias,
}

/// A weight matrix `[out, in]` as it lies in the file.
pub(crate) enum WeightMatrix {
    /// In f32, f16 or bf16.
    Dense(Tensor),
    /// In blocks.
    Quantized(QuantizedMatrix),
}

impl WeightMatrix {
    /// In 32-bit floats on a device.
    pub(crate) fn to_f32(self, device: &Device) -> candle_core::Result<Tensor> {
        match self {
            Self::Dense(weight) => weight.to_dtype(DType::F32)?.to_device(device),
            Self::Quantized(weight) => {
                let storage = QStorage::from_data(weight.bytes.as_ref().into(), &Device::Cpu, weight.dtype)?;
                let values = QTensor::new(storage, weight.shape)?.dequantize(&Device::Cpu)?;
                weight.bytes.release();
                values.to_device(device)
            }
        }
    }
}

/// Where a decoder's weights come from. Shapes are checked: what comes back has the shape that was asked for.
pub(crate) trait WeightSource {
    /// The weight matrix of a slot, `[out, in]`.
    fn matrix(&self, slot: Slot, out: usize, inner: usize) -> Result<WeightMatrix, LoadError>;
    /// A vector of a slot, in f32.
    fn vector(&self, slot: Slot, kind: TensorKind, len: usize) -> Result<Tensor, LoadError>;
}
