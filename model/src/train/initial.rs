//! The weights of a new model before its first step.

use candle_core::{DType, Device, Tensor};

use crate::decoder::{Random, in_memory};
use crate::weights::{TensorKind, LoadError, WeightMatrix, LayerTensor, Slot, WeightSource};

/// Standard deviation of embeddings and output, as GPT-2's (Radford et al. 2019): logits begin near zero.
const EMBEDDING: f64 = 0.02;

/// Layers add nothing to the residual stream at first, embeddings are small, norms change nothing; all chance comes from the
/// seed.
pub(super) struct Initial {
    random: Random,
}

impl Initial {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random { seed } }
    }
}

impl WeightSource for Initial {
    fn matrix(&self, slot: Slot, out: usize, inner: usize) -> Result<WeightMatrix, LoadError> {
        let factor = match slot {
            Slot::Layer(_, LayerTensor::AttentionOutput | LayerTensor::Down) => 0.0,
            Slot::Layer(..) | Slot::OutputNorm => 1.0,
            Slot::Embedding => EMBEDDING * 3f64.sqrt(), // the source's embeddings lie evenly in -1..1
            Slot::Positions | Slot::Output => EMBEDDING * (inner as f64).sqrt(),
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
