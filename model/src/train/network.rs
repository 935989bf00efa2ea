//! The decoder as it is trained: the same [`Config`], the same slots, with gradients.
//!
//! Everything is 32-bit float, but for products where the [`Precision`] says otherwise. A frozen matrix gives only the gradient of its
//! input; a low-rank adapter (LoRA, Hu et al. 2021) adds `scale * B(A x)` to it. Segments of a batch neither see each other nor share positions.

mod layer;
mod projection;
#[cfg(test)]
mod tests;

use std::ops::Range;

use candle_core::{DType, Device, Result as CandleResult, Tensor, Var};

use super::head::Output;
use super::operations::{self, Precision};
use crate::config::{Config, Norm, Positions};
use crate::weights::{TensorKind, LoadError, Slot, WeightSource};
use layer::Layer;
pub(super) use projection::Dropout;
use projection::{Build, Projection};

/// Which weights are trained.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Mode {
    /// All of them.
    Full,
    /// Low-rank additions to all matrices of the layers; the rest is frozen.
    Lora(Lora),
}

/// The shape of an adapter.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Lora {
    /// Rank of the additions.
    pub rank: usize,
    /// They count `alpha / rank`.
    pub alpha: f64,
    /// Share of the input's numbers that is left out while training, at random.
    pub dropout: f64,
}

impl Default for Lora {
    fn default() -> Self {
        Self { rank: 16, alpha: 32.0, dropout: 0.0 }
    }
}

impl Lora {
    /// What the product of both matrices is multiplied with.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }
}

/// What a trained tensor is in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A tensor of the model itself.
    Base(Slot, TensorKind),
    /// The first matrix of an adapter, `[rank, in]`.
    A(Slot),
    /// The second one, `[out, rank]`.
    B(Slot),
}

/// A tensor that is trained.
#[derive(Clone)]
pub(crate) struct Parameter {
    pub(crate) role: Role,
    pub(crate) var: Var,
}

/// Tokens that go through the network together.
pub(super) struct Batch<'a> {
    /// Segment after segment.
    pub(super) tokens: &'a [u32],
    /// Where each segment lies; together they cover all tokens.
    pub(super) segments: &'a [Range<usize>],
}

impl Batch<'_> {
    /// The position of each token in its segment.
    fn positions(&self) -> Vec<u32> {
        self.segments.iter().flat_map(|segment| 0..segment.len() as u32).collect()
    }
}

/// What all layers need of a batch.
struct Places<'a> {
    segments: &'a [Range<usize>],
    /// Cosines and sines of the rows, `[rows, 1, dim / 2]`.
    rope: Option<(Tensor, Tensor)>,
}

/// The network.
pub(crate) struct Network {
    config: Config,
    device: Device,
    embedding: Tensor, // [vocabulary, hidden]
    positions: Option<Tensor>,
    layers: Vec<Layer>,
    output_norm: Scale,
    output: Option<Tensor>, // none: tied to the embedding
    precision: Precision,
    parameters: Vec<Parameter>,
}

/// A norm with its weights.
struct Scale {
    kind: Norm,
    weight: Tensor,
    bias: Option<Tensor>,
    eps: f32,
}

impl Scale {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        match (self.kind, &self.bias) {
            (Norm::Layer, Some(bias)) => operations::layer_norm(x, &self.weight, bias, self.eps),
            _ => operations::rms_norm(x, &self.weight, self.eps),
        }
    }
}

impl Network {
    /// The model of `source`. `config` must have been checked. `seed` decides the first matrices of adapters.
    pub(crate) fn load(
        config: &Config,
        source: &dyn WeightSource,
        mode: &Mode,
        precision: Precision,
        seed: u64,
        device: &Device,
    ) -> Result<Self, LoadError> {
        let mut build = Build::new(config, source, mode, precision, seed, device);
        let (vocabulary, hidden) = (config.vocab_size, config.hidden_size);
        let embedding = build.matrix(Slot::Embedding, vocabulary, hidden)?;
        let positions = match config.positions {
            Positions::Learned => Some(build.matrix(Slot::Positions, config.context_length, hidden)?),
            Positions::Rotary { .. } => None,
        };
        let layers = (0..config.layers).map(|index| Layer::new(&mut build, index)).collect::<Result<_, _>>()?;
        let output_norm = build.scale(Slot::OutputNorm, config.norm, hidden)?;
        let output = match config.tied {
            true => None,
            false => Some(build.matrix(Slot::Output, vocabulary, hidden)?),
        };
        let parameters = build.parameters;
        Ok(Self {
            config: config.clone(),
            device: device.clone(),
            embedding,
            positions,
            layers,
            output_norm,
            output,
            precision,
            parameters,
        })
    }

    /// All tensors that are trained, in a fixed order.
    pub(crate) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// What it is.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Where it lives.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The embeddings of a batch, `[rows, hidden]`.
    pub(super) fn embed(&self, batch: &Batch) -> CandleResult<Tensor> {
        let look_up = |table: &Tensor, rows: &[u32]| {
            table.index_select(&Tensor::new(rows, &self.device)?, 0)?.to_dtype(DType::F32)
        };
        let x = look_up(&self.embedding, batch.tokens)?;
        match &self.positions {
            Some(table) => x + look_up(table, &batch.positions())?,
            None => Ok(x),
        }
    }

    /// The residual stream behind a layer.
    pub(super) fn layer(
        &self,
        index: usize,
        x: &Tensor,
        batch: &Batch,
        dropout: Option<Dropout>,
    ) -> CandleResult<Tensor> {
        let places = Places { segments: batch.segments, rope: self.rope(batch)? };
        self.layers[index].forward(x, &places, dropout)
    }

    /// The stream as the output matrix takes it.
    pub(super) fn normalise(&self, x: &Tensor) -> CandleResult<Tensor> {
        self.output_norm.forward(x)
    }

    /// What the stream is multiplied with in the end; gradients do not go through it.
    pub(super) fn output(&self) -> Output {
        let matrix = self.output.as_ref().unwrap_or(&self.embedding).detach();
        Output { matrix, precision: self.precision }
    }

    /// The trained tensor that is the output matrix, if it is trained.
    pub(super) fn output_parameter(&self) -> Option<usize> {
        let slot = if self.config.tied { Slot::Embedding } else { Slot::Output };
        self.parameters.iter().position(|parameter| parameter.role == Role::Base(slot, TensorKind::Weight))
    }

    /// Cosines and sines of the rows of a batch.
    fn rope(&self, batch: &Batch) -> CandleResult<Option<(Tensor, Tensor)>> {
        let Some(frequencies) = self.config.rope_frequencies() else { return Ok(None) };
        let positions = batch.positions();
        let angles = positions.iter().flat_map(|position| frequencies.iter().map(move |f| *position as f32 * f));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.map(|angle| (angle.cos(), angle.sin())).unzip();
        let tensor = |values| Tensor::from_vec(values, (positions.len(), 1, frequencies.len()), &self.device);
        Ok(Some((tensor(cos)?, tensor(sin)?)))
    }

    /// The logits of all rows, `[rows, vocabulary]`.
    #[cfg(test)]
    pub(super) fn logits(&self, batch: &Batch) -> CandleResult<Tensor> {
        let mut x = self.embed(batch)?;
        for index in 0..self.layers.len() {
            x = self.layer(index, &x, batch, None)?;
        }
        self.output().logits(&self.normalise(&x)?)
    }
}

/// In 32-bit floats on a device.
fn float(tensor: &Tensor, device: &Device) -> CandleResult<Tensor> {
    tensor.to_dtype(DType::F32)?.to_device(device)
}
