//! A decoder layer with gradients.

use candle_core::{Result as CandleResult, Tensor};

use super::batch::BatchPositions;
use super::norm::NormWeights;
use super::projection::{Dropout, NetworkBuilder, Projection};
use crate::config::{Activation, Norm};
use crate::train::operations::{self, Precision};
use crate::weights::{LayerTensor, LoadError, Slot};

/// The weights of a layer.
pub(super) struct TrainableLayer {
    index: usize,
    attention_norm: NormWeights,
    attention: TrainableAttention,
    mlp_norm: NormWeights,
    mlp: TrainableMlp,
}

struct TrainableAttention {
    /// Query, key and value, or one fused projection.
    inputs: Vec<Projection>,
    head_norms: Option<(NormWeights, NormWeights)>,
    out: Projection,
    heads: usize,
    kv_heads: usize,
    dim: usize,
    precision: Precision,
}

struct TrainableMlp {
    gate: Option<Projection>,
    up: Projection,
    down: Projection,
    activation: Activation,
}

impl TrainableLayer {
    /// Creates the layer.
    pub(super) fn new(build: &mut NetworkBuilder, index: usize) -> Result<Self, LoadError> {
        let (norm, hidden) = (build.config.norm, build.config.hidden_size);
        Ok(Self {
            index,
            attention_norm: build.norm(Slot::Layer(index, LayerTensor::AttentionNorm), norm, hidden)?,
            attention: TrainableAttention::new(build, index)?,
            mlp_norm: build.norm(Slot::Layer(index, LayerTensor::MlpNorm), norm, hidden)?,
            mlp: TrainableMlp::new(build, index)?,
        })
    }

    /// Maps `[rows, hidden]` to `[rows, hidden]`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        positions: &BatchPositions,
        dropout: Option<Dropout>,
    ) -> CandleResult<Tensor> {
        let drop_out = |y: Tensor, number| match dropout {
            Some(dropout) => dropout.apply(&y, dropout.residual, (self.index * 2 + number) as u64),
            None => Ok(y),
        };
        let attended = self.attention.forward(&self.attention_norm.forward(x)?, positions, dropout)?;
        let x = (x + drop_out(attended, 0)?)?;
        let y = self.mlp.forward(&self.mlp_norm.forward(&x)?, dropout)?;
        x + drop_out(y, 1)?
    }
}

impl TrainableAttention {
    fn new(build: &mut NetworkBuilder, index: usize) -> Result<Self, LoadError> {
        let config = build.config;
        let (hidden, query, kv) = (config.hidden_size, config.query_width(), config.kv_width());
        let slot = |part| Slot::Layer(index, part);
        let inputs = if config.fused_qkv {
            vec![build.projection(slot(LayerTensor::FusedQkv), query + 2 * kv, hidden, config.qkv_bias)?]
        } else {
            [(LayerTensor::Query, query), (LayerTensor::Key, kv), (LayerTensor::Value, kv)]
                .into_iter()
                .map(|(part, out)| build.projection(slot(part), out, hidden, config.qkv_bias))
                .collect::<Result<_, _>>()?
        };
        let mut head_norm = |part| build.norm(slot(part), Norm::Rms, config.head_dim);
        let head_norms = if config.qk_norm {
            Some((head_norm(LayerTensor::QueryNorm)?, head_norm(LayerTensor::KeyNorm)?))
        } else {
            None
        };
        let out = build.projection(slot(LayerTensor::AttentionOutput), hidden, query, config.out_bias)?;
        let (heads, kv_heads, dim, precision) = (config.heads, config.kv_heads, config.head_dim, build.precision);
        Ok(Self { inputs, head_norms, out, heads, kv_heads, dim, precision })
    }

    fn forward(&self, x: &Tensor, positions: &BatchPositions, dropout: Option<Dropout>) -> CandleResult<Tensor> {
        let [mut q, mut k, v] = self.project(x, dropout)?;
        if let Some((query_norm, key_norm)) = &self.head_norms {
            q = query_norm.forward(&q)?;
            k = key_norm.forward(&k)?;
        }
        if let Some((cos, sin)) = &positions.rope {
            q = operations::rope(&q, cos, sin)?;
            k = operations::rope(&k, cos, sin)?;
        }
        let [q, k, v] = [q, k, v].map(|x| x.transpose(0, 1)); // [heads, rows, dim]
        let (q, k, v) = (q?, k?, v?);
        let attended = positions.segments.iter().map(|segment| {
            let cut = |x: &Tensor| x.narrow(1, segment.start, segment.len());
            operations::causal_attention(&cut(&q)?, &cut(&k)?, &cut(&v)?, self.precision)
        });
        let attended = Tensor::cat(&attended.collect::<CandleResult<Vec<_>>>()?, 1)?;
        let rows = attended.dim(1)?;
        self.out.forward(&attended.transpose(0, 1)?.reshape((rows, self.heads * self.dim))?, dropout)
    }

    /// Projects to queries, keys and values, `[rows, heads, dim]` each.
    fn project(&self, x: &Tensor, dropout: Option<Dropout>) -> CandleResult<[Tensor; 3]> {
        let (query, kv) = (self.heads * self.dim, self.kv_heads * self.dim);
        let all = self.inputs.iter().map(|input| input.forward(x, dropout)).collect::<CandleResult<Vec<_>>>()?;
        let [q, k, v] = match &all[..] {
            [q, k, v] => [q.clone(), k.clone(), v.clone()],
            [all, ..] => [all.narrow(1, 0, query)?, all.narrow(1, query, kv)?, all.narrow(1, query + kv, kv)?],
            [] => candle_core::bail!("a layer without projections"),
        };
        let rows = x.dim(0)?;
        let heads = |x: Tensor, heads| x.contiguous()?.reshape((rows, heads, self.dim));
        Ok([heads(q, self.heads)?, heads(k, self.kv_heads)?, heads(v, self.kv_heads)?])
    }
}

impl TrainableMlp {
    fn new(build: &mut NetworkBuilder, index: usize) -> Result<Self, LoadError> {
        let config = build.config;
        let (hidden, inner, bias) = (config.hidden_size, config.intermediate_size, config.mlp_bias);
        let slot = |part| Slot::Layer(index, part);
        let gate =
            if config.gated { Some(build.projection(slot(LayerTensor::Gate), inner, hidden, bias)?) } else { None };
        let up = build.projection(slot(LayerTensor::Up), inner, hidden, bias)?;
        let down = build.projection(slot(LayerTensor::Down), hidden, inner, bias)?;
        Ok(Self { gate, up, down, activation: config.activation })
    }

    fn forward(&self, x: &Tensor, dropout: Option<Dropout>) -> CandleResult<Tensor> {
        let up = self.up.forward(x, dropout)?;
        let inner = match &self.gate {
            Some(gate) if self.activation == Activation::Silu => operations::swiglu(&gate.forward(x, dropout)?, &up)?,
            Some(gate) => (self.activation.apply(&gate.forward(x, dropout)?)? * up)?,
            None => self.activation.apply(&up)?,
        };
        self.down.forward(&inner, dropout)
    }
}
