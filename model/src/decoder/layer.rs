//! Transformer layer: attention and MLP, each on a normalised input and added to the residual stream.

use candle_core::{Result, Tensor};

use super::normalize::Normalize;
use crate::attend::Attend;
use crate::config::Activation;
use crate::kernels::{self, Kernels, RopeTable};
use crate::linear::Linear;

/// Weights of one layer.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(super) attention_norm: Normalize,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) head_norms: Option<(Normalize, Normalize)>, // of queries and of keys
    pub(super) attention_out: Linear,
    pub(super) mlp_norm: Normalize,
    pub(super) mlp: Mlp,
    pub(super) head_dim: usize,
}

/// Weights of the feed-forward network.
#[derive(Clone)]
pub(crate) struct Mlp {
    pub(super) gate: Option<Linear>,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) activation: Activation,
}

impl Layer {
    /// Iterates over the matrices of the layer.
    pub(super) fn matrices(&self) -> impl Iterator<Item = &Linear> {
        let Mlp { gate, up, down, .. } = &self.mlp;
        [&self.query, &self.key, &self.value, &self.attention_out, up, down].into_iter().chain(gate)
    }

    /// Computes the attention of all rows before its output projection: `[rows, hidden]` to `[rows, heads * dim]`.
    pub(super) fn attention(
        &self,
        x: &Tensor,
        index: usize,
        positions: &[u32],
        rope: Option<&RopeTable>,
        attend: &mut dyn Attend,
    ) -> Result<Tensor> {
        let x = self.attention_norm.forward(x)?;
        let mut q = self.heads(self.query.forward(&x)?)?;
        let mut k = self.heads(self.key.forward(&x)?)?;
        let v = self.heads(self.value.forward(&x)?)?;
        if let Some((query_norm, key_norm)) = &self.head_norms {
            q = query_norm.forward(&q)?;
            k = key_norm.forward(&k)?;
        }
        if let Some(table) = rope {
            q = kernels::rope(&q, positions, table)?;
            k = kernels::rope(&k, positions, table)?;
        }
        attend.attend(index, &q, &k, &v)
    }

    /// Adds the attention's output projection and then the MLP to the residual stream `x`.
    pub(super) fn finish(&self, x: &Tensor, attended: &Tensor) -> Result<Tensor> {
        let x = (x + self.attention_out.forward(attended)?)?;
        let y = self.mlp.forward(&self.mlp_norm.forward(&x)?)?;
        x + y
    }

    /// Reshapes `[rows, heads * dim]` to `[rows, heads, dim]`.
    fn heads(&self, x: Tensor) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        x.reshape((rows, width / self.head_dim, self.head_dim))
    }
}

impl Mlp {
    /// Maps `[rows, hidden]` to `[rows, hidden]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let up = self.up.forward(x)?;
        let hidden = match &self.gate {
            Some(gate) if self.activation == Activation::Silu => kernels::swiglu(&gate.forward(x)?, &up)?,
            Some(gate) => (self.activation.apply(&gate.forward(x)?)? * up)?,
            None => self.activation.apply(&up)?,
        };
        self.down.forward(&hidden)
    }
}

impl Activation {
    /// Applies the function to each element and multiplies by `up`, if that is not empty.
    pub(super) fn apply_row(self, kernels: &Kernels, x: &mut [f32], up: &[f32]) {
        match self {
            // SAFETY: the processor supports the kernels' set.
            Self::Silu => unsafe { (kernels.silu)(x, up) },
            Self::Gelu => apply_elementwise(x, up, gelu),
            Self::GeluTanh => apply_elementwise(x, up, gelu_tanh),
            Self::Relu => apply_elementwise(x, up, |x| x.max(0.0)),
        }
    }

    /// Applies the function to each element.
    pub(crate) fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Silu => x.silu(),
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::Relu => x.relu(),
        }
    }
}

/// Applies `function` to each element and multiplies by `up`, if that is not empty.
fn apply_elementwise(x: &mut [f32], up: &[f32], function: impl Fn(f32) -> f32) {
    for x in &mut *x {
        *x = function(*x);
    }
    for (x, up) in x.iter_mut().zip(up) {
        *x *= up;
    }
}

/// GELU by the error function (Hendrycks and Gimpel 2016).
fn gelu(x: f32) -> f32 {
    let erf = candle_core::cpu::erf::erf_f64(f64::from(x) * std::f64::consts::FRAC_1_SQRT_2);
    x * 0.5 * (1.0 + erf as f32)
}

/// GELU by its tanh approximation.
fn gelu_tanh(x: f32) -> f32 {
    let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}
