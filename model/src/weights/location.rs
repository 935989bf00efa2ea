//! Location and element order of a matrix in a model file, and its encoding for that file.

use std::ops::Range;
use std::path::PathBuf;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Result as CandleResult, Tensor};

/// Location and encoding of a matrix.
pub(crate) struct MatrixLocation {
    /// The file.
    pub(crate) path: PathBuf,
    /// The byte range in the file.
    pub(crate) range: Range<usize>,
    pub(crate) dtype: GgmlDType,
    pub(crate) order: ElementOrder,
}

/// Order of a matrix's elements in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElementOrder {
    /// Rows one after the other.
    RowMajor,
    /// Columns one after the other, as in GPT-2 checkpoints.
    ColumnMajor,
    /// Rows one after the other, with the two halves of each of this many heads interleaved.
    InterleavedHeads(usize),
}

impl MatrixLocation {
    /// Encodes a matrix `[out, in]` as the file stores it.
    pub(super) fn encode(&self, weight: &Tensor) -> CandleResult<Vec<u8>> {
        let weight = match self.order {
            ElementOrder::RowMajor => weight.clone(),
            ElementOrder::ColumnMajor => weight.t()?.contiguous()?,
            ElementOrder::InterleavedHeads(heads) => interleave_heads(weight, heads)?,
        };
        let flat = weight.flatten_all()?;
        Ok(match self.dtype {
            GgmlDType::F32 => flat.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect(),
            GgmlDType::F16 => {
                let values = flat.to_dtype(DType::F16)?.to_vec1::<half::f16>()?;
                values.into_iter().flat_map(half::f16::to_le_bytes).collect()
            }
            GgmlDType::BF16 => {
                let values = flat.to_dtype(DType::BF16)?.to_vec1::<half::bf16>()?;
                values.into_iter().flat_map(half::bf16::to_le_bytes).collect()
            }
            dtype => QTensor::quantize(&weight, dtype)?.data()?.into_owned(),
        })
    }
}

/// Interleaves the halves of each head: row `j * dim/2 + i` of a head moves to row `2i + j`.
pub(super) fn interleave_heads(weight: &Tensor, heads: usize) -> CandleResult<Tensor> {
    let rows = weight.dim(0)?;
    let dim = rows / heads;
    let from = (0..rows).map(|row| (row / dim * dim + row % 2 * (dim / 2) + row % dim / 2) as u32);
    weight.index_select(&Tensor::new(from.collect::<Vec<_>>(), weight.device())?, 0)
}
