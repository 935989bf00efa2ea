//! The decoder with gradients, for the same [`Config`] and tensor slots as inference.
//!
//! Everything is f32, except for products where the [`Precision`] says otherwise. A frozen matrix only propagates the
//! gradient of its input; a low-rank adapter (LoRA, Hu et al. 2021) adds `scale * B(A x)` to it. Segments of a batch do
//! not attend to each other, and positions begin at 0 in each.

mod batch;
mod layer;
mod mode;
mod norm;
mod parameter;
mod projection;
#[cfg(test)]
mod tests;

use candle_core::{DType, Device, Result as CandleResult, Tensor};

use super::lm_head::LmHead;
use super::operations::Precision;
use crate::config::{Config, Positions};
use crate::weights::{LoadError, Slot, TensorKind, WeightSource};
pub(super) use batch::TrainBatch;
pub use mode::{LoraConfig, TrainingMode};
pub(crate) use parameter::{Parameter, ParameterRole};
pub(super) use projection::Dropout;

use batch::BatchPositions;
use layer::TrainableLayer;
use norm::NormWeights;
use projection::NetworkBuilder;

/// A decoder with trainable parameters.
pub(crate) struct Network {
    config: Config,
    device: Device,
    embedding: Tensor, // [vocabulary, hidden]
    positions: Option<Tensor>,
    layers: Vec<TrainableLayer>,
    output_norm: NormWeights,
    output: Option<Tensor>, // none: tied to the embedding
    precision: Precision,
    parameters: Vec<Parameter>,
}

impl Network {
    /// Loads a model from `source`. `config` must have been validated. `seed` determines the initial matrices of
    /// adapters.
    pub(crate) fn load(
        config: &Config,
        source: &dyn WeightSource,
        mode: &TrainingMode,
        precision: Precision,
        seed: u64,
        device: &Device,
    ) -> Result<Self, LoadError> {
        let mut build = NetworkBuilder::new(config, source, mode, precision, seed, device);
        let (vocabulary, hidden) = (config.vocab_size, config.hidden_size);
        let embedding = build.matrix(Slot::Embedding, vocabulary, hidden)?;
        let positions = match config.positions {
            Positions::Learned => Some(build.matrix(Slot::Positions, config.context_length, hidden)?),
            Positions::Rotary { .. } => None,
        };
        let layers =
            (0..config.layers).map(|index| TrainableLayer::new(&mut build, index)).collect::<Result<_, _>>()?;
        let output_norm = build.norm(Slot::OutputNorm, config.norm, hidden)?;
        let output =
            if config.tied_embeddings { None } else { Some(build.matrix(Slot::Output, vocabulary, hidden)?) };
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

    /// All trained parameters, in a fixed order.
    pub(crate) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The model's configuration.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The device of all tensors.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The embeddings of a batch, `[rows, hidden]`.
    pub(super) fn embed(&self, batch: &TrainBatch) -> CandleResult<Tensor> {
        let look_up = |table: &Tensor, rows: &[u32]| {
            table.index_select(&Tensor::new(rows, &self.device)?, 0)?.to_dtype(DType::F32)
        };
        let x = look_up(&self.embedding, batch.tokens)?;
        match &self.positions {
            Some(table) => x + look_up(table, &batch.positions())?,
            None => Ok(x),
        }
    }

    /// Applies a layer to the residual stream `[rows, hidden]`.
    pub(super) fn layer(
        &self,
        index: usize,
        x: &Tensor,
        batch: &TrainBatch,
        dropout: Option<Dropout>,
    ) -> CandleResult<Tensor> {
        let positions = BatchPositions { segments: batch.segments, rope: self.rope_tables(batch)? };
        self.layers[index].forward(x, &positions, dropout)
    }

    /// Applies the final norm to the residual stream.
    pub(super) fn final_norm(&self, x: &Tensor) -> CandleResult<Tensor> {
        self.output_norm.forward(x)
    }

    /// The output matrix, detached from the graph: its gradient is computed separately.
    pub(super) fn lm_head(&self) -> LmHead {
        let matrix = self.output.as_ref().unwrap_or(&self.embedding).detach();
        LmHead { matrix, precision: self.precision }
    }

    /// Index of the parameter that is the output matrix, if it is trained.
    pub(super) fn lm_head_parameter(&self) -> Option<usize> {
        let slot = if self.config.tied_embeddings { Slot::Embedding } else { Slot::Output };
        self.parameters.iter().position(|parameter| parameter.role == ParameterRole::Base(slot, TensorKind::Weight))
    }

    /// Cosines and sines of the rotary angles of a batch, `[rows, 1, dim / 2]` each; `None` for learned positions.
    fn rope_tables(&self, batch: &TrainBatch) -> CandleResult<Option<(Tensor, Tensor)>> {
        let Some(frequencies) = self.config.rope_frequencies() else { return Ok(None) };
        let positions = batch.positions();
        let angles = positions.iter().flat_map(|position| frequencies.iter().map(move |f| *position as f32 * f));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.map(|angle| (angle.cos(), angle.sin())).unzip();
        let tensor = |values| Tensor::from_vec(values, (positions.len(), 1, frequencies.len()), &self.device);
        Ok(Some((tensor(cos)?, tensor(sin)?)))
    }

    /// The logits of all rows, `[rows, vocabulary]`.
    #[cfg(test)]
    pub(super) fn logits(&self, batch: &TrainBatch) -> CandleResult<Tensor> {
        let mut x = self.embed(batch)?;
        for index in 0..self.layers.len() {
            x = self.layer(index, &x, batch, None)?;
        }
        self.lm_head().logits(&self.final_norm(&x)?)
    }
}
