//! The choice of the weights that are trained.

/// The set of trained weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TrainingMode {
    /// All weights.
    Full,
    /// Low-rank adapters of all matrices of the layers; the model itself is frozen.
    Lora(LoraConfig),
}

/// Configuration of a LoRA adapter.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LoraConfig {
    /// Rank of the updates.
    pub rank: usize,
    /// Updates are scaled by `alpha / rank`.
    pub alpha: f64,
    /// Probability with which an input element is dropped during training.
    pub dropout: f64,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 16, alpha: 32.0, dropout: 0.0 }
    }
}

impl LoraConfig {
    /// The factor of the product of both matrices.
    pub(crate) fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }
}
