//! Linear projections of a layer, either trained or frozen with an adapter, and their construction from a weight
//! source.

use std::path::Path;

use candle_core::{DType, Device, Result as CandleResult, Tensor, Var};

use foretype_plugins::random::Random;

use super::mode::{LoraConfig, TrainingMode};
use super::norm::NormWeights;
use super::parameter::{Parameter, ParameterRole};
use crate::config::{Config, Norm};
use crate::train::operations::{self, Precision};
use crate::weights::{Fault, LoadError, Slot, TensorKind, WeightSource};

/// A matrix `[out, in]` with its bias. It is frozen if it has an adapter, and trained otherwise.
pub(super) struct Projection {
    weight: Tensor,
    bias: Option<Tensor>,
    adapter: Option<LoraAdapter>,
    precision: Precision,
}

/// A trained low-rank update of a frozen matrix.
struct LoraAdapter {
    a: Tensor, // [rank, in]
    b: Tensor, // [out, rank]
    scale: f64,
    dropout: f64,
    /// Distinguishes the adapter's random numbers from those of other adapters.
    number: u64,
}

/// Dropout of a training step (Srivastava et al. 2014).
#[derive(Debug, Clone, Copy)]
pub(in crate::train) struct Dropout {
    /// Seed of the random numbers.
    pub(in crate::train) seed: u64,
    /// Dropout probability of what attention and feed-forward network add to the residual stream.
    pub(in crate::train) residual: f64,
}

impl Dropout {
    /// Sets elements to zero with probability `share` and scales up the others, so that the mean stays the same.
    /// `number` distinguishes the places in the network where dropout is applied.
    pub(super) fn apply(self, x: &Tensor, share: f64, number: u64) -> CandleResult<Tensor> {
        if share == 0.0 {
            return Ok(x.clone());
        }
        let mut random = Random::new(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let scale = (1.0 / (1.0 - share)) as f32;
        let mask: Vec<f32> = (0..x.elem_count()).map(|_| if random.unit() < share { 0.0 } else { scale }).collect();
        x * Tensor::from_vec(mask, x.shape(), x.device())?
    }
}

impl Projection {
    /// Applies the projection.
    pub(super) fn forward(&self, x: &Tensor, dropout: Option<Dropout>) -> CandleResult<Tensor> {
        let y = match &self.adapter {
            Some(adapter) => adapter.forward(x, &self.weight, dropout, self.precision)?,
            None => self.precision.matmul(x, &self.weight.t()?)?,
        };
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

impl LoraAdapter {
    /// Applies the frozen matrix `weight` together with the adapter.
    fn forward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        dropout: Option<Dropout>,
        precision: Precision,
    ) -> CandleResult<Tensor> {
        let Self { a, b, scale, .. } = self;
        match dropout {
            Some(dropout) if self.dropout > 0.0 => {
                let dropped = dropout.apply(x, self.dropout, self.number)?;
                operations::frozen_matmul(x, weight, precision)?
                    + operations::low_rank_matmul(&dropped, a, b, *scale, precision)?
            }
            _ => operations::lora_matmul(x, weight, a, b, *scale, precision),
        }
    }
}

/// Builds the parts of a network from a source, and collects the parameters.
pub(super) struct NetworkBuilder<'a> {
    pub(super) config: &'a Config,
    source: &'a dyn WeightSource,
    mode: &'a TrainingMode,
    pub(super) precision: Precision,
    device: &'a Device,
    random: Random,
    pub(super) parameters: Vec<Parameter>,
}

impl<'a> NetworkBuilder<'a> {
    /// Creates a builder of a network with the weights of `source`.
    pub(super) fn new(
        config: &'a Config,
        source: &'a dyn WeightSource,
        mode: &'a TrainingMode,
        precision: Precision,
        seed: u64,
        device: &'a Device,
    ) -> Self {
        Self { config, source, mode, precision, device, random: Random::new(seed), parameters: Vec::new() }
    }

    /// A matrix that is trained in full mode and frozen otherwise.
    pub(super) fn matrix(&mut self, slot: Slot, out: usize, inner: usize) -> Result<Tensor, LoadError> {
        let weight = self.source.matrix(slot, out, inner)?.into_f32(self.device).map_err(in_memory)?;
        match self.mode {
            TrainingMode::Full => self.train(ParameterRole::Base(slot, TensorKind::Weight), weight),
            TrainingMode::Lora(_) => self.precision.store_frozen(&weight),
        }
        .map_err(in_memory)
    }

    /// A vector that is trained in full mode and frozen otherwise.
    pub(super) fn vector(&mut self, slot: Slot, kind: TensorKind, length: usize) -> Result<Tensor, LoadError> {
        let vector = self.source.vector(slot, kind, length)?;
        let vector = vector.to_dtype(DType::F32).and_then(|x| x.to_device(self.device)).map_err(in_memory)?;
        self.model_tensor(ParameterRole::Base(slot, kind), vector).map_err(in_memory)
    }

    /// A norm.
    pub(super) fn norm(&mut self, slot: Slot, kind: Norm, length: usize) -> Result<NormWeights, LoadError> {
        let weight = self.vector(slot, TensorKind::Weight, length)?;
        let bias = match kind {
            Norm::Layer => Some(self.vector(slot, TensorKind::Bias, length)?),
            Norm::Rms => None,
        };
        Ok(NormWeights { kind, weight, bias, eps: self.config.norm_eps })
    }

    /// A matrix of a layer, with an adapter in LoRA mode.
    pub(super) fn projection(
        &mut self,
        slot: Slot,
        out: usize,
        inner: usize,
        bias: bool,
    ) -> Result<Projection, LoadError> {
        let weight = self.matrix(slot, out, inner)?;
        let bias = if bias { Some(self.vector(slot, TensorKind::Bias, out)?) } else { None };
        let adapter = match self.mode.clone() {
            TrainingMode::Full => None,
            TrainingMode::Lora(lora) => Some(self.adapter(slot, out, inner, &lora).map_err(in_memory)?),
        };
        Ok(Projection { weight, bias, adapter, precision: self.precision })
    }

    /// A new adapter: A is random and B is zero, so that it changes nothing at first.
    fn adapter(&mut self, slot: Slot, out: usize, inner: usize, lora: &LoraConfig) -> CandleResult<LoraAdapter> {
        // Uniform in ±1/sqrt(in), like new linear layers of PyTorch and adapters of PEFT.
        let bound = 1.0 / (inner as f64).sqrt();
        let values: Vec<f32> =
            (0..lora.rank * inner).map(|_| ((self.random.unit() * 2.0 - 1.0) * bound) as f32).collect();
        let a = self.train(ParameterRole::LoraA(slot), Tensor::from_vec(values, (lora.rank, inner), self.device)?)?;
        let zeros = Tensor::zeros((out, lora.rank), a.dtype(), self.device)?;
        let b = self.train(ParameterRole::LoraB(slot), zeros)?;
        Ok(LoraAdapter { a, b, scale: lora.scale(), dropout: lora.dropout, number: self.parameters.len() as u64 })
    }

    /// A tensor of the base model, which becomes a parameter in full mode.
    fn model_tensor(&mut self, role: ParameterRole, tensor: Tensor) -> CandleResult<Tensor> {
        if *self.mode == TrainingMode::Full { self.train(role, tensor) } else { Ok(tensor) }
    }

    fn train(&mut self, role: ParameterRole, tensor: Tensor) -> CandleResult<Tensor> {
        let var = Var::from_tensor(&tensor)?;
        let tensor = var.as_tensor().clone();
        self.parameters.push(Parameter { role, var });
        Ok(tensor)
    }
}

/// An error that concerns no file.
fn in_memory(error: candle_core::Error) -> LoadError {
    Fault::Tensor(error).in_file(Path::new("memory"))
}
