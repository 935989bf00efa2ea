//! Matrices of a layer: trained, or frozen with an adapter; and how they come out of a file.

use std::path::Path;

use candle_core::{Device, Result as CandleResult, Tensor, Var};

use super::{Lora, Mode, Parameter, Precision, Role, Scale, float, operations};
use crate::config::{Config, Norm};
use crate::weights::{Fault, TensorKind, LoadError, Slot, WeightSource};
use foretype_plugins::random::Random;

/// A matrix `[out, in]` with its bias: frozen if it has an adapter, and trained if not.
pub(super) struct Projection {
    weight: Tensor,
    bias: Option<Tensor>,
    adapter: Option<Adapter>,
    precision: Precision,
}

/// A low-rank addition.
struct Adapter {
    a: Tensor, // [rank, in]
    b: Tensor, // [out, rank]
    scale: f64,
    dropout: f64,
    /// Distinguishes its random numbers from those of other matrices.
    number: u64,
}

/// What is left out of a step at random (Srivastava et al. 2014).
#[derive(Debug, Clone, Copy)]
pub(in crate::train) struct Dropout {
    /// From what the random numbers come.
    pub(in crate::train) seed: u64,
    /// The share of the numbers that attention and feed-forward add to the stream.
    pub(in crate::train) residual: f64,
}

impl Dropout {
    /// Zero where a number is left out; what stays is larger, so that the mean stays. `number` distinguishes the places of a network.
    pub(super) fn thin(self, x: &Tensor, share: f64, number: u64) -> CandleResult<Tensor> {
        if share == 0.0 {
            return Ok(x.clone());
        }
        let mut random = Random::new(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let kept = (1.0 / (1.0 - share)) as f32;
        let mask: Vec<f32> = (0..x.elem_count()).map(|_| if random.unit() < share { 0.0 } else { kept }).collect();
        x * Tensor::from_vec(mask, x.shape(), x.device())?
    }
}

impl Projection {
    pub(super) fn forward(&self, x: &Tensor, dropout: Option<Dropout>) -> CandleResult<Tensor> {
        let y = match &self.adapter {
            Some(adapter) => adapter.forward(x, &self.weight, dropout, self.precision)?,
            None => self.precision.multiply(x, &self.weight.t()?)?,
        };
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

impl Adapter {
    /// What the frozen matrix `weight` and the adapter make of `x` together.
    fn forward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        dropout: Option<Dropout>,
        precision: Precision,
    ) -> CandleResult<Tensor> {
        let Self { a, b, scale, .. } = self;
        match dropout.filter(|_| self.dropout > 0.0) {
            Some(dropout) => {
                let thinned = dropout.thin(x, self.dropout, self.number)?;
                operations::frozen(x, weight, precision)? + operations::low_rank(&thinned, a, b, *scale, precision)?
            }
            None => operations::adapted(x, weight, a, b, *scale, precision),
        }
    }
}

/// Takes the parts of a network out of a source.
pub(super) struct Build<'a> {
    pub(super) config: &'a Config,
    source: &'a dyn WeightSource,
    mode: &'a Mode,
    pub(super) precision: Precision,
    device: &'a Device,
    random: Random,
    pub(super) parameters: Vec<Parameter>,
}

impl<'a> Build<'a> {
    pub(super) fn new(
        config: &'a Config,
        source: &'a dyn WeightSource,
        mode: &'a Mode,
        precision: Precision,
        seed: u64,
        device: &'a Device,
    ) -> Self {
        Self { config, source, mode, precision, device, random: Random::new(seed), parameters: Vec::new() }
    }

    /// A matrix that is trained in the full mode alone.
    pub(super) fn matrix(&mut self, slot: Slot, out: usize, inner: usize) -> Result<Tensor, LoadError> {
        let weight = self.source.matrix(slot, out, inner)?.to_f32(self.device).map_err(in_memory)?;
        match self.mode {
            Mode::Full => self.train(Role::Base(slot, TensorKind::Weight), weight),
            Mode::Lora(_) => self.precision.kept(&weight),
        }
        .map_err(in_memory)
    }

    /// A vector that is trained in the full mode alone.
    pub(super) fn vector(&mut self, slot: Slot, kind: TensorKind, length: usize) -> Result<Tensor, LoadError> {
        let vector = self.source.vector(slot, kind, length)?;
        let vector = float(&vector, self.device).map_err(in_memory)?;
        self.own(Role::Base(slot, kind), vector).map_err(in_memory)
    }

    /// A norm.
    pub(super) fn scale(&mut self, slot: Slot, kind: Norm, length: usize) -> Result<Scale, LoadError> {
        let weight = self.vector(slot, TensorKind::Weight, length)?;
        let bias = match kind {
            Norm::Layer => Some(self.vector(slot, TensorKind::Bias, length)?),
            Norm::Rms => None,
        };
        Ok(Scale { kind, weight, bias, eps: self.config.norm_eps })
    }

    /// A matrix of a layer, which gets an adapter where there are any.
    pub(super) fn projection(
        &mut self,
        slot: Slot,
        out: usize,
        inner: usize,
        bias: bool,
    ) -> Result<Projection, LoadError> {
        let weight = self.matrix(slot, out, inner)?;
        let bias = match bias {
            true => Some(self.vector(slot, TensorKind::Bias, out)?),
            false => None,
        };
        let adapter = match self.mode.clone() {
            Mode::Full => None,
            Mode::Lora(lora) => Some(self.adapter(slot, out, inner, &lora).map_err(in_memory)?),
        };
        Ok(Projection { weight, bias, adapter, precision: self.precision })
    }

    /// A new adapter: the first matrix random, the second zero, so that it changes nothing yet.
    fn adapter(&mut self, slot: Slot, out: usize, inner: usize, lora: &Lora) -> CandleResult<Adapter> {
        // Uniform in +-1/sqrt(in), as a new linear layer of PyTorch and the adapters of PEFT.
        let bound = 1.0 / (inner as f64).sqrt();
        let values: Vec<f32> =
            (0..lora.rank * inner).map(|_| ((self.random.unit() * 2.0 - 1.0) * bound) as f32).collect();
        let a = self.train(Role::A(slot), Tensor::from_vec(values, (lora.rank, inner), self.device)?)?;
        let zeros = Tensor::zeros((out, lora.rank), a.dtype(), self.device)?;
        let b = self.train(Role::B(slot), zeros)?;
        Ok(Adapter { a, b, scale: lora.scale(), dropout: lora.dropout, number: self.parameters.len() as u64 })
    }

    /// A tensor of the model: trained in the full mode.
    fn own(&mut self, role: Role, tensor: Tensor) -> CandleResult<Tensor> {
        if *self.mode == Mode::Full { self.train(role, tensor) } else { Ok(tensor) }
    }

    fn train(&mut self, role: Role, tensor: Tensor) -> CandleResult<Tensor> {
        let var = Var::from_tensor(&tensor)?;
        let tensor = var.as_tensor().clone();
        self.parameters.push(Parameter { role, var });
        Ok(tensor)
    }
}

/// An error that no file is to blame for.
fn in_memory(error: candle_core::Error) -> LoadError {
    Fault::Tensor(error).in_file(Path::new("memory"))
}
