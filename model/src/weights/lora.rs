//! The matrices of a LoRA adapter (Hu et al. 2021).

use std::ops::Range;

use candle_core::{Result as CandleResult, Tensor};

/// The low-rank update `scale * B A` of one weight matrix.
pub(crate) struct LoraWeights {
    /// `[rank, in]`
    pub(crate) a: Tensor,
    /// `[out, rank]`
    pub(crate) b: Tensor,
    pub(crate) scale: f64,
}

impl LoraWeights {
    /// The part of the update that changes these rows of the weight matrix.
    pub(crate) fn slice_outputs(&self, rows: Range<usize>) -> CandleResult<Self> {
        let b = self.b.narrow(0, rows.start, rows.len())?.contiguous()?;
        Ok(Self { a: self.a.clone(), b, scale: self.scale })
    }

    /// Adds the update to a weight matrix `[out, in]`.
    pub(super) fn apply_to(&self, weight: &Tensor) -> CandleResult<Tensor> {
        weight + (self.b.matmul(&self.a)? * self.scale)?
    }
}
