//! Decoder for all supported model families, driven by a [`Config`].
//!
//! Weights are immutable, and the KV cache is an argument: each layer passes queries, keys and values of all rows of
//! the batch to [`Attend`] and receives the attention. Every operation computes each row alone, so a row's logits do
//! not depend on the rest of the batch. A [step](Decoder::step) is one forward pass over a batch, without tensors on
//! the CPU; [`Decoder::forward`] is the same over tensors.

mod adapter;
mod hidden_state;
mod layer;
mod load;
mod logits;
mod normalize;
mod random_weights;
mod scratch;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use candle_core::{Device, Result as CandleResult, Tensor};
use parking_lot::Mutex;

use crate::attend::Attend;
use crate::config::Config;
use crate::kernels::RopeTable;
use crate::linear::Linear;
use layer::Layer;
pub(crate) use load::in_memory;
pub(crate) use logits::{Logits, LogitsRow};
pub(crate) use normalize::Normalize;
pub(crate) use random_weights::RandomWeights;
use scratch::Scratch;
pub(crate) use step::LogitsRequest;

/// Reason that a forward pass gave no logits.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The abort callback returned true.
    #[error("the step was aborted")]
    Aborted,
    /// The input does not fit the model, or an operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// Weights of a model and the order in which they are applied.
pub struct Decoder {
    config: Config,
    device: Device,
    embedding: Linear,
    positions: Option<Tensor>, // [context, hidden]
    rope: Option<Arc<RopeTable>>,
    layers: Vec<Layer>,
    output_norm: Normalize,
    output: Option<Linear>, // None if tied to the embedding
    scratch: Mutex<Scratch>,
}

impl Decoder {
    /// Runs one step over tensors with any attention, for GPUs, as a reference in tests, and for training. Evaluates
    /// `tokens` at their `positions` and returns the logits `[rows, vocabulary]` of the rows in `logits_rows`.
    ///
    /// `abort` is called before each layer. After an abort or an error, only some layers may have been attended: the
    /// caller removes what its cache stored in this step.
    ///
    /// # Errors
    /// If the input does not fit the model, `abort` returns true, or a tensor operation fails.
    pub fn forward(
        &self,
        tokens: &[u32],
        positions: &[u32],
        logits_rows: &[usize],
        attend: &mut dyn Attend,
        abort: &dyn Fn() -> bool,
    ) -> Result<Tensor, ForwardError> {
        self.check(tokens, positions, logits_rows)?;
        let mut x = self.embed(tokens, positions)?; // [rows, hidden]
        for (index, layer) in self.layers.iter().enumerate() {
            if abort() {
                return Err(ForwardError::Aborted);
            }
            let attended = layer.attention(&x, index, positions, self.rope.as_deref(), attend)?;
            x = if index + 1 == self.layers.len() {
                // After the last attention, only the rows whose logits are requested are needed.
                layer.finish(&select_rows(&x, logits_rows)?, &select_rows(&attended, logits_rows)?)?
            } else {
                layer.finish(&x, &attended)?
            };
        }
        let x = self.output_norm.forward(&x)?;
        Ok(self.output_matrix().forward(&x)?)
    }

    /// Matrix that maps a hidden state to logits.
    fn output_matrix(&self) -> &Linear {
        self.output.as_ref().unwrap_or(&self.embedding)
    }

    /// Number of bytes of weights that a step reads on the CPU to find the argmax; 0 on another device.
    pub fn step_bytes(&self) -> usize {
        self.layers.iter().flat_map(Layer::matrices).chain([self.output_matrix()]).map(Linear::bytes_read).sum()
    }

    /// Configuration of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Device of the weights.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the embeddings of the tokens, `[rows, hidden]`.
    fn embed(&self, tokens: &[u32], positions: &[u32]) -> CandleResult<Tensor> {
        let x = self.embedding.rows(tokens)?;
        match &self.positions {
            Some(table) => x + table.index_select(&Tensor::new(positions, &self.device)?, 0)?,
            None => Ok(x),
        }
    }

    /// Checks that the rows fit the model, before anything is computed.
    fn check(&self, tokens: &[u32], positions: &[u32], logits_rows: &[usize]) -> CandleResult<()> {
        if tokens.is_empty() || tokens.len() != positions.len() {
            candle_core::bail!("a step of {} tokens at {} positions", tokens.len(), positions.len());
        }
        if let Some(token) = tokens.iter().find(|&&t| t as usize >= self.config.vocab_size) {
            candle_core::bail!("token {token} is outside the vocabulary of {}", self.config.vocab_size);
        }
        if let Some(position) = positions.iter().find(|&&p| p as usize >= self.config.context_length) {
            candle_core::bail!("position {position} is outside the context of {}", self.config.context_length);
        }
        if let Some(row) = logits_rows.iter().find(|&&row| row >= tokens.len()) {
            candle_core::bail!("row {row} of a step of {} does not exist", tokens.len());
        }
        Ok(())
    }
}

/// Selects `rows` of `x`; returns `x` itself if they are all of its rows.
fn select_rows(x: &Tensor, rows: &[usize]) -> CandleResult<Tensor> {
    if rows.iter().copied().eq(0..x.dim(0)?) {
        return Ok(x.clone());
    }
    if let &[row] = rows {
        return x.narrow(0, row, 1)?.contiguous();
    }
    let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    x.index_select(&Tensor::new(rows, x.device())?, 0)
}
