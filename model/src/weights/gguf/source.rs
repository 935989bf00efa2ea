//! Tensors of a GGUF file as a decoder's weights. Quantised blocks stay in the mapped file.

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, Tensor};

use super::tensors::TensorInfo;
use super::{GgufFile, names};
use crate::config::{Architecture, Config};
use crate::weights::location::{ElementOrder, MatrixLocation};
use crate::weights::storage::{Bytes, QuantizedMatrix};
use crate::weights::validate;
use crate::weights::{Fault, LayerTensor, LoadError, Slot, TensorKind, WeightMatrix, WeightSource};

/// The weights of a GGUF file, read for one device.
pub(crate) struct GgufWeights<'a> {
    pub(crate) file: &'a GgufFile,
    pub(crate) config: &'a Config,
    pub(crate) device: &'a Device,
}

impl GgufFile {
    /// The bytes of a tensor, checked to be finite.
    fn bytes(&self, name: &str, info: &TensorInfo) -> Result<Bytes, Fault> {
        let bytes =
            self.bytes.slice(info.range.clone()).ok_or_else(|| Fault::Missing(format!("the tensor '{name}'")))?;
        if !validate::is_finite(info.dtype, bytes.as_ref()) {
            return Err(Fault::Malformed(format!("the tensor '{name}' contains an infinite or NaN value")));
        }
        Ok(bytes)
    }

    /// Reads a short vector as f32.
    pub(crate) fn read_f32_vector(&self, name: &str) -> Result<Vec<f32>, Fault> {
        let info = self.tensor(name)?;
        let bytes = self.bytes(name, info)?;
        Ok(float_tensor(name, info, bytes.as_ref(), &Device::Cpu)?.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
    }
}

/// Reads an unquantised tensor in the file's float type.
fn float_tensor(name: &str, info: &TensorInfo, bytes: &[u8], device: &Device) -> Result<Tensor, Fault> {
    let dtype = match info.dtype {
        GgmlDType::F32 => DType::F32,
        GgmlDType::F16 => DType::F16,
        GgmlDType::BF16 => DType::BF16,
        other => return Err(Fault::Malformed(format!("the tensor '{name}' is {other:?}, not floats"))),
    };
    Ok(Tensor::from_raw_buffer(bytes, dtype, &info.shape, device)?)
}

impl GgufWeights<'_> {
    /// Looks up a tensor and checks its shape.
    fn tensor_with_shape(&self, name: &str, shape: &[usize]) -> Result<(&TensorInfo, Bytes), Fault> {
        let info = self.file.tensor(name)?;
        if info.shape != shape {
            let found = &info.shape;
            return Err(Fault::Malformed(format!("the tensor '{name}' has the shape {found:?}, expected {shape:?}")));
        }
        Ok((info, self.file.bytes(name, info)?))
    }

    /// Location of a matrix in the file.
    pub(crate) fn locate(&self, slot: Slot) -> Result<MatrixLocation, LoadError> {
        let find = || -> Result<MatrixLocation, Fault> {
            let info = self.file.tensor(&names::tensor_name(slot, TensorKind::Weight))?;
            let order =
                interleaved_heads(self.config, slot).map_or(ElementOrder::RowMajor, ElementOrder::InterleavedHeads);
            Ok(MatrixLocation { path: self.file.path.clone(), range: info.range.clone(), dtype: info.dtype, order })
        };
        find().map_err(|fault| fault.in_file(&self.file.path))
    }

    fn read_matrix(&self, slot: Slot, out: usize, inner: usize) -> Result<WeightMatrix, Fault> {
        let name = names::tensor_name(slot, TensorKind::Weight);
        let (info, mut bytes) = self.tensor_with_shape(&name, &[out, inner])?;
        if let Some(heads) = interleaved_heads(self.config, slot) {
            bytes = Bytes::new(std::sync::Arc::new(deinterleave_heads(bytes.as_ref(), heads, out)));
        }
        match info.dtype {
            GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 => {
                Ok(WeightMatrix::Dense(float_tensor(&name, info, bytes.as_ref(), self.device)?))
            }
            dtype => {
                let shape = (out, inner);
                Ok(WeightMatrix::Quantized(QuantizedMatrix { dtype, shape, bytes, device: self.device.clone() }))
            }
        }
    }

    fn read_vector(&self, slot: Slot, kind: TensorKind, len: usize) -> Result<Tensor, Fault> {
        let name = names::tensor_name(slot, kind);
        let (info, mut bytes) = self.tensor_with_shape(&name, &[len])?;
        if let Some(heads) = interleaved_heads(self.config, slot) {
            bytes = Bytes::new(std::sync::Arc::new(deinterleave_heads(bytes.as_ref(), heads, len)));
        }
        Ok(float_tensor(&name, info, bytes.as_ref(), self.device)?.to_dtype(DType::F32)?)
    }
}

impl WeightSource for GgufWeights<'_> {
    fn matrix(&self, slot: Slot, out: usize, inner: usize) -> Result<WeightMatrix, LoadError> {
        self.read_matrix(slot, out, inner).map_err(|fault| fault.in_file(&self.file.path))
    }

    fn vector(&self, slot: Slot, kind: TensorKind, len: usize) -> Result<Tensor, LoadError> {
        self.read_vector(slot, kind, len).map_err(|fault| fault.in_file(&self.file.path))
    }
}

/// The number of heads whose rows must be reordered, or `None` if the slot needs no reordering: GGUF files of the Llama
/// architecture pair neighbouring dimensions for rotary positions, while this crate pairs the two halves of a head.
pub(super) fn interleaved_heads(config: &Config, slot: Slot) -> Option<usize> {
    match slot {
        Slot::Layer(_, LayerTensor::Query) if config.architecture == Architecture::Llama => Some(config.heads),
        Slot::Layer(_, LayerTensor::Key) if config.architecture == Architecture::Llama => Some(config.kv_heads),
        _ => None,
    }
}

/// Reorders the rows of each head, even rows first: row `2i + j` of a head moves to row `j * dim/2 + i`.
fn deinterleave_heads(bytes: &[u8], heads: usize, rows: usize) -> Vec<u8> {
    let (row, dim) = (bytes.len() / rows, rows / heads);
    let mut out = Vec::with_capacity(bytes.len());
    for head in bytes.chunks_exact(row * dim) {
        for first in [0, 1] {
            for i in (first..dim).step_by(2) {
                out.extend_from_slice(&head[i * row..(i + 1) * row]);
            }
        }
    }
    out
}
