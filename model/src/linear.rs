//! Weight matrices of the decoder.
//!
//! A row of the input gives the same bits whatever the other rows of the call are.

use std::ops::Range;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{D, DType, Device, Result, Tensor};

/// A range of shared, immutable bytes: a piece of a mapped file, or of memory.
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Bytes {
    /// All bytes of `owner`.
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        let range = 0..(*owner).as_ref().len();
        Self { owner, range }
    }

    /// A part of these bytes; `None` where they do not hold it.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        (range.start <= range.end && range.end <= self.range.len()).then(|| Self {
            owner: self.owner.clone(),
            range: self.range.start + range.start..self.range.start + range.end,
        })
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

/// A quantised matrix as it lies in a file.
pub struct Quantized {
    /// How its blocks are packed.
    pub dtype: GgmlDType,
    /// Rows (outputs) and columns (inputs).
    pub shape: (usize, usize),
    /// The blocks, row after row.
    pub bytes: Bytes,
    /// Where it is to live.
    pub device: Device,
}

/// A matrix `[out, in]` with an optional bias `[out]`.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// From a float matrix `[out, in]`.
    pub fn dense(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        Ok(Self { weight: weight.to_dtype(DType::F32)?, bias })
    }

    /// From blocks.
    pub fn quantized(weight: Quantized, bias: Option<Tensor>) -> Result<Self> {
        let storage = QStorage::from_data(weight.bytes.as_ref().into(), &weight.device, weight.dtype)?;
        Ok(Self { weight: QTensor::new(storage, weight.shape)?.dequantize(&weight.device)?, bias })
    }

    /// `[rows, in]` to `[rows, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let rows = (0..x.dim(0)?)
            .map(|r| self.weight.broadcast_mul(&x.narrow(0, r, 1)?)?.sum(D::Minus1)?.unsqueeze(0))
            .collect::<Result<Vec<_>>>()?;
        let out = Tensor::cat(&rows, 0)?;
        match &self.bias {
            Some(bias) => out.broadcast_add(bias),
            None => Ok(out),
        }
    }

    /// Rows of the matrix, `[ids, in]`.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        self.weight.index_select(&Tensor::new(ids, self.weight.device())?, 0)
    }

    /// Columns of the matrix.
    pub fn in_features(&self) -> usize {
        self.weight.dims()[1]
    }

    /// Rows of the matrix.
    pub fn out_features(&self) -> usize {
        self.weight.dims()[0]
    }
}
