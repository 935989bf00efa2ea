//! Builds a decoder from a source of weights.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::Decoder;
use super::layer::{Layer, Mlp};
use super::normalize::Normalize;
use crate::config::{Config, Norm, Positions};
use crate::kernels::RopeTable;
use crate::linear::Linear;
use crate::weights::{Fault, LayerTensor, LoadError, Slot, TensorKind, WeightMatrix, WeightSource};

impl Decoder {
    /// Builds a decoder with the weights of `source`. `config` must have been validated.
    pub(crate) fn load(config: Config, source: &dyn WeightSource, device: &Device) -> Result<Self, LoadError> {
        let builder = Builder { config: &config, source };
        let embedding = builder.embedding()?;
        let positions = match config.positions {
            Positions::Learned => Some(builder.positions()?),
            Positions::Rotary { .. } => None,
        };
        let layers = (0..config.layers).map(|index| builder.layer(index)).collect::<Result<Vec<_>, _>>()?;
        let output_norm = builder.norm(Slot::OutputNorm, config.norm, config.hidden_size)?;
        let output = if config.tied_embeddings { None } else { Some(builder.output()?) };
        let rope = match config.rope_frequencies() {
            Some(frequencies) => {
                let table = RopeTable::new(&frequencies, config.context_length, device).map_err(in_memory)?;
                Some(Arc::new(table))
            }
            None => None,
        };
        let (device, scratch) = (device.clone(), Default::default());
        Ok(Self { device, embedding, positions, rope, layers, output_norm, output, config, scratch })
    }
}

/// Wraps an error that no file caused.
pub(crate) fn in_memory(error: candle_core::Error) -> LoadError {
    Fault::Tensor(error).in_file(Path::new("memory"))
}

/// Builds the parts of a decoder from a source of weights.
struct Builder<'a> {
    config: &'a Config,
    source: &'a dyn WeightSource,
}

impl Builder<'_> {
    fn layer(&self, index: usize) -> Result<Layer, LoadError> {
        let config = self.config;
        let slot = |part| Slot::Layer(index, part);
        let [query, key, value] = self.projections(index)?;
        let head_norms = if config.qk_norm {
            Some((
                self.norm(slot(LayerTensor::QueryNorm), Norm::Rms, config.head_dim)?,
                self.norm(slot(LayerTensor::KeyNorm), Norm::Rms, config.head_dim)?,
            ))
        } else {
            None
        };
        let out = slot(LayerTensor::AttentionOutput);
        Ok(Layer {
            attention_norm: self.norm(slot(LayerTensor::AttentionNorm), config.norm, config.hidden_size)?,
            query,
            key,
            value,
            head_norms,
            attention_out: self.linear(out, config.hidden_size, config.query_width(), config.out_bias)?,
            mlp_norm: self.norm(slot(LayerTensor::MlpNorm), config.norm, config.hidden_size)?,
            mlp: self.mlp(index)?,
            head_dim: config.head_dim,
        })
    }

    fn mlp(&self, index: usize) -> Result<Mlp, LoadError> {
        let Config { hidden_size: hidden, intermediate_size: intermediate, mlp_bias: bias, .. } = *self.config;
        let slot = |part| Slot::Layer(index, part);
        let gate = if self.config.gated {
            Some(self.linear(slot(LayerTensor::Gate), intermediate, hidden, bias)?)
        } else {
            None
        };
        let up = self.linear(slot(LayerTensor::Up), intermediate, hidden, bias)?;
        let down = self.linear(slot(LayerTensor::Down), hidden, intermediate, bias)?;
        Ok(Mlp { gate, up, down, activation: self.config.activation })
    }

    /// Builds the embedding. If it is not tied to the output matrix, it is a table.
    fn embedding(&self) -> Result<Linear, LoadError> {
        match self.source.matrix(Slot::Embedding, self.config.vocab_size, self.config.hidden_size)? {
            WeightMatrix::Quantized(weight) if !self.config.tied_embeddings => Linear::table(weight).map_err(in_memory),
            matrix => matrix.vocabulary().map_err(in_memory),
        }
    }

    /// Builds the output matrix of a model that is not tied to the embedding.
    fn output(&self) -> Result<Linear, LoadError> {
        let matrix = self.source.matrix(Slot::Output, self.config.vocab_size, self.config.hidden_size)?;
        matrix.vocabulary().map_err(in_memory)
    }

    /// Builds the query, key and value matrices. A fused matrix is split by rows, without copying.
    fn projections(&self, index: usize) -> Result<[Linear; 3], LoadError> {
        let config = self.config;
        let (query, kv, bias) = (config.query_width(), config.kv_width(), config.qkv_bias);
        if !config.fused_qkv {
            let slot = |part| Slot::Layer(index, part);
            return Ok([
                self.linear(slot(LayerTensor::Query), query, config.hidden_size, bias)?,
                self.linear(slot(LayerTensor::Key), kv, config.hidden_size, bias)?,
                self.linear(slot(LayerTensor::Value), kv, config.hidden_size, bias)?,
            ]);
        }
        let slot = Slot::Layer(index, LayerTensor::FusedQkv);
        let all = query + 2 * kv;
        let matrix = self.source.matrix(slot, all, config.hidden_size)?;
        let bias = if bias { Some(self.source.vector(slot, TensorKind::Bias, all)?) } else { None };
        let slice = |rows: Range<usize>| matrix.slice_rows(bias.as_ref(), rows).map_err(in_memory);
        Ok([slice(0..query)?, slice(query..query + kv)?, slice(query + kv..all)?])
    }

    fn linear(&self, slot: Slot, outputs: usize, inputs: usize, bias: bool) -> Result<Linear, LoadError> {
        let bias = if bias { Some(self.source.vector(slot, TensorKind::Bias, outputs)?) } else { None };
        self.source.matrix(slot, outputs, inputs)?.linear(bias).map_err(in_memory)
    }

    fn norm(&self, slot: Slot, kind: Norm, len: usize) -> Result<Normalize, LoadError> {
        let bias = match kind {
            Norm::Layer => Some(self.source.vector(slot, TensorKind::Bias, len)?),
            Norm::Rms => None,
        };
        let weight = self.source.vector(slot, TensorKind::Weight, len)?;
        Normalize::new(kind, weight, bias, self.config.norm_eps).map_err(in_memory)
    }

    /// Builds the learned position embeddings, `[context, hidden]` in f32.
    fn positions(&self) -> Result<Tensor, LoadError> {
        let (context, hidden) = (self.config.context_length, self.config.hidden_size);
        let table = self.linear(Slot::Positions, context, hidden, false)?;
        let all: Vec<u32> = (0..context as u32).collect();
        table.rows(&all).map_err(in_memory)
    }
}

impl WeightMatrix {
    fn linear(self, bias: Option<Tensor>) -> candle_core::Result<Linear> {
        match self {
            Self::Dense(weight) => Linear::dense(weight, bias),
            Self::Quantized(weight) => Linear::quantized(weight, bias),
        }
    }

    /// Builds the output matrix of a model.
    fn vocabulary(self) -> candle_core::Result<Linear> {
        match self {
            Self::Dense(weight) => Linear::dense(weight, None),
            Self::Quantized(weight) => Linear::vocabulary(weight),
        }
    }

    /// Builds a layer from a range of rows.
    fn slice_rows(&self, bias: Option<&Tensor>, rows: Range<usize>) -> candle_core::Result<Linear> {
        let bias = bias.map(|bias| bias.narrow(0, rows.start, rows.len())?.contiguous()).transpose()?;
        match self {
            Self::Dense(weight) => Linear::dense(weight.narrow(0, rows.start, rows.len())?.contiguous()?, bias),
            Self::Quantized(weight) => Linear::quantized(weight.slice_rows(rows)?, bias),
        }
    }
}
