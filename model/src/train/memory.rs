//! How much memory a run will take, before it begins.

use candle_core::Device;

use super::network::{Lora, Mode};
use super::operations::Precision;
use crate::config::Config;
use crate::weights::peft;

/// Bytes of a number.
const FLOAT: usize = size_of::<f32>();
/// Rows whose logits are in memory together, times the copies of them.
const LOGITS: usize = 256 * 4;

/// What a run takes, in bytes, by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// The weights of the model in 32 bits, or in 16 where they are frozen and products are; with an adapter.
    pub weights: usize,
    /// Gradients of what is trained and what the optimizer remembers of it.
    pub training: usize,
    /// What the layers keep of a row of tokens for the way back.
    pub activations: usize,
}

impl Memory {
    /// An estimate for rows of `context` tokens, a little high.
    pub fn estimate(config: &Config, mode: &Mode, precision: Precision, context: usize, recompute: bool) -> Self {
        let matrices: usize = peft::layer_matrices(config).iter().map(|(_, out, inner)| out * inner).sum();
        let tables = config.vocab_size * config.hidden_size * if config.tied { 1 } else { 2 };
        let trained = match mode {
            Mode::Full => matrices + tables,
            Mode::Lora(Lora { rank, .. }) => {
                peft::layer_matrices(config).iter().map(|(_, out, inner)| rank * (out + inner)).sum()
            }
        };
        let adapter = if *mode == Mode::Full { 0 } else { trained };
        // A gradient, its sum, two moments and what a step computes on the way.
        let training = trained * 6;
        let low = precision == Precision::Bf16;
        let frozen = if low && *mode != Mode::Full { FLOAT / 2 } else { FLOAT };
        // Beside each factor of a product stands what of it has 16 bits.
        let activation = if low { FLOAT * 3 / 2 } else { FLOAT };
        Self {
            weights: (matrices + tables) * frozen + adapter * FLOAT,
            training: training * FLOAT,
            activations: (activations(config, context, recompute) + LOGITS * config.vocab_size) * activation,
        }
    }

    /// All of it.
    pub fn total(&self) -> usize {
        self.weights + self.training + self.activations
    }
}

/// Numbers that are kept of a row.
fn activations(config: &Config, context: usize, recompute: bool) -> usize {
    let attention = config.query_width() + 2 * config.kv_width();
    let token = 12 * config.hidden_size + 10 * attention + 6 * config.intermediate_size;
    // Scores, shares and their gradients.
    let layer = context * (token + 4 * config.heads * context);
    if recompute { layer * 2 + config.layers * context * config.hidden_size } else { layer * (config.layers + 1) }
}

/// Bytes that a device can still give, where it says so.
pub fn available(device: &Device) -> Option<usize> {
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

/// Lets this process keep memory that was freed, instead of giving it back to the system and taking it anew: each step takes
/// the same pieces again, and the system would clear every page of them first. For programs that do nothing but train.
pub fn keep_freed() {
    // SAFETY: the settings are numbers; where one is refused, nothing changes.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        // Nothing is mapped on its own, and the end of the heap stays.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_takes_less_than_all_and_computing_again_less_than_keeping() {
        let config = Config { layers: 12, ..Config::tiny() };
        let total = |mode: &Mode, again| Memory::estimate(&config, mode, Precision::F32, 256, again).total();
        let lora = Mode::Lora(Lora { rank: 4, ..Lora::default() });
        assert!(total(&lora, false) < total(&Mode::Full, false));
        assert!(total(&lora, true) < total(&lora, false));
        let low = |mode: &Mode| Memory::estimate(&config, mode, Precision::Bf16, 256, false).weights;
        assert!(low(&lora) < low(&Mode::Full), "what is frozen has 16 bits");
    }
}
