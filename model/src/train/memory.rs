//! Estimates the memory that a run will need, before it begins.

use candle_core::Device;

use super::network::{LoraConfig, TrainingMode};
use super::operations::Precision;
use crate::config::Config;
use crate::weights::peft;

/// Size of a number in bytes.
const F32_BYTES: usize = size_of::<f32>();
/// Rows of logits in memory together: the rows of a chunk times the number of copies.
const LOGIT_BUFFER_ROWS: usize = 256 * 4;

/// The estimated memory of a run, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct MemoryEstimate {
    /// Weights of the model and the adapter: f32, or bf16 if they are frozen and products are computed in bf16.
    pub weights: usize,
    /// Gradients and optimizer state of the trained parameters.
    pub training: usize,
    /// Activations of a row of tokens that are kept for the backward pass.
    pub activations: usize,
}

impl MemoryEstimate {
    /// Estimates the memory for rows of `context` tokens, slightly too high.
    pub fn estimate(
        config: &Config,
        mode: &TrainingMode,
        precision: Precision,
        context: usize,
        recompute: bool,
    ) -> Self {
        let matrices: usize = peft::layer_matrices(config).iter().map(|(_, out, inner)| out * inner).sum();
        let tables = config.vocab_size * config.hidden_size * if config.tied_embeddings { 1 } else { 2 };
        let trained = match mode {
            TrainingMode::Full => matrices + tables,
            TrainingMode::Lora(LoraConfig { rank, .. }) => {
                peft::layer_matrices(config).iter().map(|(_, out, inner)| rank * (out + inner)).sum()
            }
        };
        let adapter = if *mode == TrainingMode::Full { 0 } else { trained };
        // The gradient, its sum, two moments and temporaries of the optimizer step.
        let training = trained * 6;
        let low = precision == Precision::Bf16;
        let frozen = if low && *mode != TrainingMode::Full { F32_BYTES / 2 } else { F32_BYTES };
        // Each factor of a product also has a 16-bit copy.
        let activation = if low { F32_BYTES * 3 / 2 } else { F32_BYTES };
        Self {
            weights: (matrices + tables) * frozen + adapter * F32_BYTES,
            training: training * F32_BYTES,
            activations: (activation_count(config, context, recompute) + LOGIT_BUFFER_ROWS * config.vocab_size)
                * activation,
        }
    }

    /// The total in bytes.
    pub fn total(&self) -> usize {
        self.weights + self.training + self.activations
    }
}

/// Number of activations that are kept for a row.
fn activation_count(config: &Config, context: usize, recompute: bool) -> usize {
    let attention = config.query_width() + 2 * config.kv_width();
    let token = 12 * config.hidden_size + 10 * attention + 6 * config.intermediate_size;
    // Attention scores, probabilities and their gradients.
    let layer = context * (token + 4 * config.heads * context);
    if recompute { layer * 2 + config.layers * context * config.hidden_size } else { layer * (config.layers + 1) }
}

/// Free memory of a device in bytes, if it is known.
pub fn available_bytes(device: &Device) -> Option<usize> {
    #[cfg(feature = "cuda")]
    if device.is_cuda() {
        return candle_core::cuda_backend::cudarc::driver::result::mem_get_info().ok().map(|(free, _)| free);
    }
    if !device.is_cpu() {
        return None;
    }
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Makes the allocator keep freed memory instead of returning it to the system: each training step allocates the same
/// blocks again, and the system would clear every page of them first. Only for processes that do nothing but train.
pub fn retain_freed_memory() {
    // SAFETY: `mallopt` only takes numbers; a setting that it rejects has no effect.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        // Never map large blocks separately, and never shrink the heap.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_and_recomputation_need_less_memory() {
        let config = Config { layers: 12, ..Config::tiny() };
        let total =
            |mode: &TrainingMode, again| MemoryEstimate::estimate(&config, mode, Precision::F32, 256, again).total();
        let lora = TrainingMode::Lora(LoraConfig { rank: 4, ..LoraConfig::default() });
        assert!(total(&lora, false) < total(&TrainingMode::Full, false));
        assert!(total(&lora, true) < total(&lora, false));
        let low = |mode: &TrainingMode| MemoryEstimate::estimate(&config, mode, Precision::Bf16, 256, false).weights;
        assert!(low(&lora) < low(&TrainingMode::Full), "frozen weights have 16 bits");
    }
}
