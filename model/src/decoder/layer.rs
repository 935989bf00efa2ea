//! One layer: attention and feed-forward part, each on a normalised input and added to the residual stream.

use candle_core::{Result, Tensor};

use super::{Attend, Normalize};
use crate::config::Activation;
use crate::kernels::{self, RopeTable};
use crate::linear::Linear;

/// The weights of one layer.
pub(crate) struct Layer {
    pub(super) attention_norm: Normalize,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) head_norms: Option<(Normalize, Normalize)>, // of queries, of keys
    pub(super) attention_out: Linear,
    pub(super) mlp_norm: Normalize,
    pub(super) mlp: Mlp,
    pub(super) head_dim: usize,
}

/// The feed-forward part.
pub(crate) struct Mlp {
    pub(super) gate: Option<Linear>,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) activation: Activation,
}

impl Layer {
    /// The attention of all rows, before the output matrix: `[rows, hidden]` to `[rows, heads * dim]`.
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

    /// The rest of the layer: the attention's output joins the residual stream `x`, then the feed-forward part does.
    pub(super) fn finish(&self, x: &Tensor, attended: &Tensor) -> Result<Tensor> {
        let x = (x + self.attention_out.forward(attended)?)?;
        let y = self.mlp.forward(&self.mlp_norm.forward(&x)?)?;
        x + y
    }

    /// `[rows, heads * dim]` as `[rows, heads, dim]`.
    fn heads(&self, x: Tensor) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        x.reshape((rows, width / self.head_dim, self.head_dim))
    }
}

impl Mlp {
    /// `[rows, hidden]` to `[rows, hidden]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let up = self.up.forward(x)?;
        let inner = match &self.gate {
            Some(gate) if self.activation == Activation::Silu => kernels::swiglu(&gate.forward(x)?, &up)?,
            Some(gate) => (self.activation.apply(&gate.forward(x)?)? * up)?,
            None => self.activation.apply(&up)?,
        };
        self.down.forward(&inner)
    }
}

impl Activation {
    /// Element by element.
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Silu => x.silu(),
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::Relu => x.relu(),
        }
    }
}
