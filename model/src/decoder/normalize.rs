//! Normalisation of activations: RMS norm or layer norm.

use candle_core::{Result, Tensor};

use crate::config::Norm;
use crate::kernels::{self, Kernels};

/// Normalisation with its weights.
#[derive(Clone)]
pub(crate) struct Normalize {
    kind: Norm,
    weight: Tensor,
    bias: Option<Tensor>,
    eps: f32,
    /// Weight and bias in host memory; the bias is empty if there is none.
    host_weight: Vec<f32>,
    host_bias: Vec<f32>,
}

impl Normalize {
    /// Creates a norm from a weight and, for a [`Norm::Layer`], a bias.
    pub(super) fn new(kind: Norm, weight: Tensor, bias: Option<Tensor>, eps: f32) -> Result<Self> {
        let host_weight = weight.to_vec1()?;
        let host_bias = match &bias {
            Some(bias) => bias.to_vec1()?,
            None => Vec::new(),
        };
        Ok(Self { kind, weight, bias, eps, host_weight, host_bias })
    }

    /// Normalises one row on the CPU.
    pub(super) fn row(&self, kernels: &Kernels, x: &[f32], out: &mut [f32]) {
        let (weight, bias) = (&self.host_weight, &self.host_bias);
        // SAFETY: the processor supports the kernels' set.
        unsafe {
            match self.kind {
                Norm::Layer => (kernels.layer_norm)(x, weight, bias, self.eps, out),
                Norm::Rms => (kernels.rms_norm)(x, weight, self.eps, out),
            }
        }
    }

    /// Normalises the last dimension of a tensor.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match (self.kind, &self.bias) {
            (Norm::Layer, Some(bias)) => kernels::layer_norm(x, &self.weight, bias, self.eps),
            _ => kernels::rms_norm(x, &self.weight, self.eps),
        }
    }
}
