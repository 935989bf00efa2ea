//! Norms with gradients.

use candle_core::{Result as CandleResult, Tensor};

use crate::config::Norm;
use crate::train::operations;

/// A norm with its weights.
pub(super) struct NormWeights {
    pub(super) kind: Norm,
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
    pub(super) eps: f32,
}

impl NormWeights {
    /// Normalises the last dimension.
    pub(super) fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        match (self.kind, &self.bias) {
            (Norm::Layer, Some(bias)) => operations::layer_norm(x, &self.weight, bias, self.eps),
            _ => operations::rms_norm(x, &self.weight, self.eps),
        }
    }
}
