//! Weights in model files: tensor slots that are named alike in every format, and the errors of untrusted files.
//!
//! [`gguf`] and [`safetensors`] each implement [`WeightSource`]; a decoder is built from a source and never sees a
//! file.

mod error;
pub(crate) mod gguf;
pub(crate) mod json;
mod location;
pub(crate) mod lora;
pub(crate) mod merge;
pub(crate) mod model_files;
pub(crate) mod peft;
pub(crate) mod safetensors;
pub(crate) mod storage;
mod validate;

use candle_core::quantized::{QStorage, QTensor};
use candle_core::{DType, Device, Tensor};

pub use error::{Fault, LoadError};

use storage::QuantizedMatrix;

/// A position in the model that a tensor fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// `[vocabulary, hidden]`.
    Embedding,
    /// `[context, hidden]`, learned positions.
    Positions,
    /// The final norm, before the output matrix.
    OutputNorm,
    /// `[vocabulary, hidden]`, in models whose output matrix is not the embedding.
    Output,
    /// A tensor of the layer with this index.
    Layer(usize, LayerTensor),
}

/// A position in a layer that a tensor fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerTensor {
    AttentionNorm,
    /// Query, key and value in one matrix, stacked in that order.
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

/// The weight or the bias of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TensorKind {
    Weight,
    Bias,
}

/// A weight matrix `[out, in]` as the file stores it.
pub(crate) enum WeightMatrix {
    /// f32, f16 or bf16.
    Dense(Tensor),
    /// Quantised blocks.
    Quantized(QuantizedMatrix),
}

impl WeightMatrix {
    /// Converts the matrix to f32 on a device.
    pub(crate) fn into_f32(self, device: &Device) -> candle_core::Result<Tensor> {
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

/// A source of a decoder's weights. Implementations check shapes, so a tensor always has the requested shape.
pub(crate) trait WeightSource {
    /// The weight matrix of a slot, `[out, in]`.
    fn matrix(&self, slot: Slot, out: usize, inner: usize) -> Result<WeightMatrix, LoadError>;
    /// A vector of a slot, `[len]` in f32.
    fn vector(&self, slot: Slot, kind: TensorKind, len: usize) -> Result<Tensor, LoadError>;
}
