//! The GPT line as one decoder, driven by its [`Config`].
//!
//! Weights are immutable. The KV cache is an argument: each layer hands queries, keys and values of all rows of the step
//! to [`Attend`] and gets the attention's output. Every operation treats each row alone, so a row's logits do not depend
//! on the rows that share the step.

mod adapter;
mod layer;
mod load;
mod logits;
mod hidden_state;
mod step;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

use candle_core::{Device, Result as CandleResult, Tensor};

use crate::attend::Attend;
use crate::config::{Config, Norm};
use crate::kernels::{self, Kernels, RopeTable};
use crate::linear::Linear;
use layer::Layer;
pub(crate) use load::{Random, in_memory};
pub(crate) use logits::{Logits, LogitsRow};
pub(crate) use step::LogitsRequest;

/// Why a forward pass gave no logits.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// `abort` answered true.
    #[error("the step was abandoned")]
    Aborted,
    /// The input does not fit the model, or an operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// A model's weights and the order in which they are applied.
pub struct Decoder {
    config: Config,
    device: Device,
    embedding: Linear,
    positions: Option<Tensor>, // [context, hidden]
    rope: Option<Arc<RopeTable>>,
    layers: Vec<Layer>,
    output_norm: Normalize,
    output: Option<Linear>, // none: tied to the embedding
    scratch: Mutex<step::Scratch>,
}

/// A norm with its weights.
#[derive(Clone)]
pub(crate) struct Normalize {
    kind: Norm,
    weight: Tensor,
    bias: Option<Tensor>,
    eps: f32,
    /// Weight and bias on the host.
    values: (Vec<f32>, Vec<f32>),
}

impl Normalize {
    /// From a weight and, for a [`Norm::Layer`], a bias.
    fn new(kind: Norm, weight: Tensor, bias: Option<Tensor>, eps: f32) -> CandleResult<Self> {
        let values = (weight.to_vec1()?, bias.as_ref().map_or(Ok(Vec::new()), Tensor::to_vec1)?);
        Ok(Self { kind, weight, bias, eps, values })
    }

    /// One row on the CPU.
    fn row(&self, kernels: &Kernels, x: &[f32], out: &mut [f32]) {
        let (weight, bias) = (&self.values.0, &self.values.1);
        // SAFETY: the kernels are those of a set that is here.
        unsafe {
            match self.kind {
                Norm::Layer => (kernels.layer_norm)(x, weight, bias, self.eps, out),
                Norm::Rms => (kernels.rms_norm)(x, weight, self.eps, out),
            }
        }
    }

    /// Over the last dimension.
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        match (self.kind, &self.bias) {
            (Norm::Layer, Some(bias)) => kernels::layer_norm(x, &self.weight, bias, self.eps),
            _ => kernels::rms_norm(x, &self.weight, self.eps),
        }
    }
}

impl Decoder {
    /// One step over tensors, with any attention: `tokens` at their `positions`, and the logits `[wanted, vocabulary]` of the rows in
    /// `wanted`. For other devices than the CPU, for references and for training.
    ///
    /// `abort` is read before each layer. After an abort or an error, layers may or may not have been attended: the caller
    /// takes back what its cache stored in this step.
    pub fn forward(
        &self,
        tokens: &[u32],
        positions: &[u32],
        wanted: &[usize],
        attend: &mut dyn Attend,
        abort: &dyn Fn() -> bool,
    ) -> Result<Tensor, ForwardError> {
        self.check(tokens, positions, wanted)?;
        let mut x = self.embed(tokens, positions)?; // [rows, hidden]
        for (index, layer) in self.layers.iter().enumerate() {
            if abort() {
                return Err(ForwardError::Aborted);
            }
            let attended = layer.attention(&x, index, positions, self.rope.as_deref(), attend)?;
            x = if index + 1 == self.layers.len() {
                // Nothing after the last attention needs the rows that nobody asked for.
                layer.finish(&pick(&x, wanted)?, &pick(&attended, wanted)?)?
            } else {
                layer.finish(&x, &attended)?
            };
        }
        let x = self.output_norm.forward(&x)?;
        Ok(self.output_matrix().forward(&x)?)
    }

    /// Gives a state its logits.
    fn output_matrix(&self) -> &Linear {
        self.output.as_ref().unwrap_or(&self.embedding)
    }

    /// Bytes of weights that a step reads on the CPU to find the likeliest token, whatever its rows; 0 on another device.
    pub fn step_bytes(&self) -> usize {
        self.layers.iter().flat_map(Layer::matrices).chain([self.output_matrix()]).map(Linear::bytes).sum()
    }

    /// What it is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where its weights live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Embeddings of the tokens, `[rows, hidden]`.
    fn embed(&self, tokens: &[u32], positions: &[u32]) -> CandleResult<Tensor> {
        let x = self.embedding.rows(tokens)?;
        match &self.positions {
            Some(table) => x + table.index_select(&Tensor::new(positions, &self.device)?, 0)?,
            None => Ok(x),
        }
    }

    /// Refuses rows that do not fit the model, before anything is computed.
    fn check(&self, tokens: &[u32], positions: &[u32], wanted: &[usize]) -> CandleResult<()> {
        if tokens.is_empty() || tokens.len() != positions.len() {
            candle_core::bail!("a step of {} tokens at {} positions", tokens.len(), positions.len());
        }
        if let Some(token) = tokens.iter().find(|&&t| t as usize >= self.config.vocab_size) {
            candle_core::bail!("token {token} is outside the vocabulary of {}", self.config.vocab_size);
        }
        if let Some(position) = positions.iter().find(|&&p| p as usize >= self.config.context_length) {
            candle_core::bail!("position {position} is outside the context of {}", self.config.context_length);
        }
        if let Some(row) = wanted.iter().find(|&&row| row >= tokens.len()) {
            candle_core::bail!("row {row} of a step of {} was asked for", tokens.len());
        }
        Ok(())
    }
}

/// The rows of `x` in `wanted`; `x` itself where that is all of it.
fn pick(x: &Tensor, wanted: &[usize]) -> CandleResult<Tensor> {
    if wanted.len() == x.dim(0)? && wanted.iter().enumerate().all(|(i, &row)| i == row) {
        return Ok(x.clone());
    }
    if let &[row] = wanted {
        return x.narrow(0, row, 1)?.contiguous();
    }
    let rows: Vec<u32> = wanted.iter().map(|&row| row as u32).collect();
    x.index_select(&Tensor::new(rows, x.device())?, 0)
}
