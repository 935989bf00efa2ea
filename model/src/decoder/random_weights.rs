//! Random weights that depend only on a seed: the start of training, and the models of tests.

use std::hash::Hasher;

use candle_core::{Device, Tensor};
use fnv::FnvHasher;
use foretype_plugins::random::Random;

use super::in_memory;
use crate::weights::{LayerTensor, LoadError, Slot, TensorKind, WeightMatrix, WeightSource};

#[cfg(test)]
impl super::Decoder {
    /// Builds a decoder on the CPU with random weights that depend only on the seed.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub(crate) fn random(config: &crate::Config, seed: u64) -> Result<Self, LoadError> {
        let config = config.clone().validated().map_err(|fault| fault.in_file(std::path::Path::new("random")))?;
        Self::load(config, &RandomWeights { seed }, &Device::Cpu)
    }
}

/// Weights from a random seed: small matrices around zero, norms around one.
pub(crate) struct RandomWeights {
    pub(crate) seed: u64,
}

impl RandomWeights {
    /// Returns values in -1..1 that depend only on the seed, the slot and the kind (FNV-1a of their names, then
    /// SplitMix64).
    fn values(&self, slot: Slot, kind: TensorKind, count: usize) -> impl Iterator<Item = f32> {
        let name = seed_name(slot, kind);
        let mut hasher = FnvHasher::with_key(self.seed);
        hasher.write(name.as_bytes());
        let mut random = Random::new(hasher.finish());
        std::iter::repeat_with(move || 2.0 * random.unit_f32() - 1.0).take(count)
    }
}

/// Returns the name that a tensor has in the seed of its random weights.
///
/// Tests depend on the weights, so the names are fixed: a renamed variant keeps its old name here.
fn seed_name(slot: Slot, kind: TensorKind) -> String {
    match slot {
        Slot::Layer(index, LayerTensor::FusedQkv) => format!("Layer({index}, Fused) {kind:?}"),
        Slot::Layer(index, LayerTensor::AttentionOutput) => format!("Layer({index}, AttentionOut) {kind:?}"),
        slot => format!("{slot:?} {kind:?}"),
    }
}

impl WeightSource for RandomWeights {
    fn matrix(&self, slot: Slot, outputs: usize, inputs: usize) -> Result<WeightMatrix, LoadError> {
        let scale = if slot == Slot::Embedding { 1.0 } else { (3.0 / inputs as f32).sqrt() };
        let values: Vec<f32> = self.values(slot, TensorKind::Weight, outputs * inputs).map(|x| x * scale).collect();
        Tensor::from_vec(values, (outputs, inputs), &Device::Cpu).map(WeightMatrix::Dense).map_err(in_memory)
    }

    fn vector(&self, slot: Slot, kind: TensorKind, len: usize) -> Result<Tensor, LoadError> {
        let mean = if kind == TensorKind::Weight { 1.0 } else { 0.0 };
        let values: Vec<f32> = self.values(slot, kind, len).map(|x| mean + 0.1 * x).collect();
        Tensor::from_vec(values, len, &Device::Cpu).map_err(in_memory)
    }
}
