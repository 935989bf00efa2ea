//! In which numbers products are computed.

use candle_core::{DType, Result, Tensor};
use serde::{Deserialize, Serialize};

/// In which numbers the products of a run are computed. Whatever it is, weights that are trained, what the optimizer remembers,
/// norms, softmax and losses are 32-bit floats (mixed precision, Micikevicius et al. 2018; bf16, Kalamkar et al. 2019).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// Both factors and the result have 16 bits, with the exponent of a 32-bit float; sums within a product have 32. What is
    /// frozen is kept in 16 bits, too. The CPU has no such products: there numbers are rounded to them, which takes longer.
    Bf16,
}

impl Precision {
    /// `a b`, with the gradients of both.
    pub(in crate::train) fn multiply(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match self {
            Self::F32 => a.matmul(b),
            Self::Bf16 if a.device().is_cpu() => rounded(&rounded(a)?.matmul(&rounded(b)?)?),
            Self::Bf16 => a.to_dtype(DType::BF16)?.matmul(&b.to_dtype(DType::BF16)?)?.to_dtype(DType::F32),
        }
    }

    /// A matrix that is not trained, as it is kept.
    pub(in crate::train) fn kept(self, matrix: &Tensor) -> Result<Tensor> {
        match self {
            Self::Bf16 if !matrix.device().is_cpu() => matrix.to_dtype(DType::BF16),
            _ => Ok(matrix.clone()),
        }
    }
}

/// 32-bit floats that 16 bits can hold; so are their gradients.
fn rounded(x: &Tensor) -> Result<Tensor> {
    x.to_dtype(DType::BF16)?.to_dtype(DType::F32)
}
