//! Mixed precision.

use candle_core::{DType, Result, Tensor};
use serde::{Deserialize, Serialize};

/// The number format of matrix products in training (mixed precision, Micikevicius et al. 2018; bf16, Kalamkar et al.
/// 2019). Trained weights, optimizer state, norms, softmax and losses are always f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// bf16: factors and results have 16 bits, but sums are accumulated in f32. Frozen weights are stored in 16 bits as
    /// well. The CPU has no such products; there, numbers are rounded to bf16, which is slower than f32.
    Bf16,
}

impl Precision {
    /// The matrix product of `a` and `b`, with gradients of both.
    pub(in crate::train) fn matmul(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match self {
            Self::F32 => a.matmul(b),
            Self::Bf16 if a.device().is_cpu() => round_to_bf16(&round_to_bf16(a)?.matmul(&round_to_bf16(b)?)?),
            Self::Bf16 => a.to_dtype(DType::BF16)?.matmul(&b.to_dtype(DType::BF16)?)?.to_dtype(DType::F32),
        }
    }

    /// Converts a frozen matrix to its storage format.
    pub(in crate::train) fn store_frozen(self, matrix: &Tensor) -> Result<Tensor> {
        match self {
            Self::Bf16 if !matrix.device().is_cpu() => matrix.to_dtype(DType::BF16),
            _ => Ok(matrix.clone()),
        }
    }
}

/// Rounds values, and in the backward pass gradients, to bf16.
fn round_to_bf16(x: &Tensor) -> Result<Tensor> {
    x.to_dtype(DType::BF16)?.to_dtype(DType::F32)
}
