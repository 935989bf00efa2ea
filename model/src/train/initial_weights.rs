//! Initial weights of a new model.

use candle_core::{DType, Device, Tensor};

use crate::decoder::{RandomWeights, in_memory};
use crate::weights::{LayerTensor, LoadError, Slot, TensorKind, WeightMatrix, WeightSource};

/// Standard deviation of embeddings and output, as in GPT-2 (Radford et al. 2019), with which logits begin near zero.
const EMBEDDING_STD: f64 = 0.02;

/// A source of initial weights: layers add nothing to the residual stream at first, embeddings are small, and norms are
/// the identity. All randomness comes from the seed.
pub(super) struct InitialWeights {
    random: RandomWeights,
}

impl InitialWeights {
    /// Creates the initial weights for a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { random: RandomWeights { seed } }
    }
}

impl WeightSource for InitialWeights {
    fn matrix(&self, slot: Slot, out: usize, inner: usize) -> Result<WeightMatrix, LoadError> {
        let factor = match slot {
            Slot::Layer(_, LayerTensor::AttentionOutput | LayerTensor::Down) => 0.0,
            Slot::Layer(..) | Slot::OutputNorm => 1.0,
            Slot::Embedding => EMBEDDING_STD * 3f64.sqrt(), // RandomWeights draws embeddings uniformly from -1..1
            Slot::Positions | Slot::Output => EMBEDDING_STD * (inner as f64).sqrt(),
        };
        match self.random.matrix(slot, out, inner)? {
            WeightMatrix::Dense(values) => (values * factor).map(WeightMatrix::Dense).map_err(in_memory),
            quantized @ WeightMatrix::Quantized(_) => Ok(quantized),
        }
    }

    fn vector(&self, _slot: Slot, kind: TensorKind, len: usize) -> Result<Tensor, LoadError> {
        let values = match kind {
            TensorKind::Weight => Tensor::ones(len, DType::F32, &Device::Cpu),
            TensorKind::Bias => Tensor::zeros(len, DType::F32, &Device::Cpu),
        };
        values.map_err(in_memory)
    }
}
