//! Architecture and dimensions of a model: one description for all supported architectures and file formats.
//!
//! [`hugging_face`] reads `config.json` and [`gguf`] reads GGUF metadata. Both produce the same validated [`Config`],
//! from which the decoder is built. A value that this crate does not implement is rejected, never ignored.

pub(crate) mod gguf;
pub(crate) mod hugging_face;
#[cfg(test)]
mod tests;
mod to_hugging_face;

use crate::weights::Fault;

/// A model family. It determines the names of tensors in files; the arithmetic is determined by [`Config`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// GPT-2: learned positions, LayerNorm, GELU, one fused projection.
    Gpt2,
    /// GPTBigCode (StarCoder, SantaCoder): GPT-2 with one KV head.
    GptBigCode,
    /// Llama and models that share its layout (SmolLM, Code Llama, DeepSeek-Coder).
    Llama,
    /// Qwen2 and Qwen2.5: Llama with biases on query, key and value.
    Qwen2,
    /// Qwen3: Llama with a norm on each query and key head.
    Qwen3,
    /// StarCoder2: rotary positions with LayerNorm, GELU and biases.
    StarCoder2,
}

/// The normalisation of a layer's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// RMSNorm: root mean square, scale only.
    Rms,
    /// LayerNorm: mean and variance, scale and bias.
    Layer,
}

/// The nonlinearity of the feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// GELU by the error function.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// The encoding of token positions.
#[derive(Debug, Clone, PartialEq)]
pub enum Positions {
    /// A learned vector per position, added to the embedding.
    Learned,
    /// Rotary embeddings (RoFormer, Su et al. 2021) of queries and keys, which pair dimension `i` with `i + dim/2`.
    Rotary {
        /// The base of the frequencies.
        theta: f64,
        /// The scaling of the frequencies for a longer context.
        scaling: RopeScaling,
    },
}

/// A scaling of the rotary frequencies for longer contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// No scaling.
    None,
    /// All frequencies divided by a factor (Chen et al. 2023).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3: the frequencies of long wavelengths are divided by `factor`, those of short ones are kept, with a ramp
    /// between.
    Llama3 {
        /// The divisor of the long wavelengths.
        factor: f64,
        /// Wavelengths above `original_context / low_freq_factor` are scaled.
        low_freq_factor: f64,
        /// Wavelengths below `original_context / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// The context length of the original training, in tokens.
        original_context: f64,
    },
    /// One divisor per frequency, as stored in GGUF files (`rope_freqs.weight`).
    Factors(Vec<f32>),
}

/// Everything that determines the arithmetic of a decoder. It is validated before anything is allocated from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The model family.
    pub architecture: Architecture,
    /// Number of rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward network.
    pub intermediate_size: usize,
    /// Maximum sequence length in tokens. It is capped at the sliding attention window, within which full attention is
    /// exact.
    pub context_length: usize,
    /// Type of norm.
    pub norm: Norm,
    /// Epsilon that norms add to the variance.
    pub norm_eps: f32,
    /// Encoding of positions.
    pub positions: Positions,
    /// Nonlinearity of the feed-forward network.
    pub activation: Activation,
    /// True if the feed-forward network has a gate: `down(activation(gate(x)) * up(x))`.
    pub gated: bool,
    /// True if query, key and value are one matrix in the file.
    pub fused_qkv: bool,
    /// True if query, key and value have biases.
    pub qkv_bias: bool,
    /// True if the attention output has a bias.
    pub out_bias: bool,
    /// True if the feed-forward network has biases.
    pub mlp_bias: bool,
    /// True if each query and key head has an RMS norm.
    pub qk_norm: bool,
    /// True if the output matrix is the embedding.
    pub tied_embeddings: bool,
}

/// Upper limit of every dimension, far above those of real models. A product of two still fits a `usize`.
const MAX_DIMENSION: usize = 1 << 24;
/// Upper limit of the context length, which keeps tables by position small.
const MAX_CONTEXT_TOKENS: usize = 1 << 20;

impl Config {
    /// Number of parameters, not counting biases and norms.
    pub fn parameter_count(&self) -> usize {
        let embeddings = self.vocab_size * self.hidden_size * if self.tied_embeddings { 1 } else { 2 };
        let attention = 2 * self.hidden_size * self.head_dim * (self.heads + self.kv_heads);
        let feed_forward = self.hidden_size * self.intermediate_size * if self.gated { 3 } else { 2 };
        embeddings + self.layers * (attention + feed_forward)
    }

    /// A small Llama-like model for tests, which override single fields.
    #[cfg(test)]
    pub(crate) fn tiny() -> Self {
        Self {
            architecture: Architecture::Llama,
            vocab_size: 272,
            hidden_size: 64,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 16,
            intermediate_size: 96,
            context_length: 512,
            norm: Norm::Rms,
            norm_eps: 1e-6,
            positions: Positions::Rotary { theta: 10_000.0, scaling: RopeScaling::None },
            activation: Activation::Silu,
            gated: true,
            fused_qkv: false,
            qkv_bias: false,
            out_bias: false,
            mlp_bias: false,
            qk_norm: false,
            tied_embeddings: true,
        }
    }

    /// Total width of all query heads.
    pub(crate) fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Total width of all key heads, which is also that of all value heads.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Rejects dimensions that no model can have, so that later arithmetic on them neither overflows nor divides by
    /// zero.
    pub(crate) fn validated(mut self) -> Result<Self, Fault> {
        let sizes = [
            ("vocabulary size", self.vocab_size),
            ("hidden size", self.hidden_size),
            ("number of heads", self.heads),
            ("number of KV heads", self.kv_heads),
            ("head size", self.head_dim),
            ("feed-forward size", self.intermediate_size),
            ("number of layers", self.layers.saturating_mul(MAX_DIMENSION / 4096)),
            ("query width", self.heads.saturating_mul(self.head_dim)),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0 || *size > MAX_DIMENSION) {
            return Err(Fault::Malformed(format!("the {name} is zero or too large")));
        }
        if self.context_length == 0 {
            return Err(Fault::Malformed("the context length is zero".into()));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Fault::Malformed(format!("{} heads cannot share {} KV heads", self.heads, self.kv_heads)));
        }
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0) {
            return Err(Fault::Malformed("the norm's epsilon is not a small positive number".into()));
        }
        if let Positions::Rotary { theta, .. } = &self.positions {
            if !self.head_dim.is_multiple_of(2) {
                return Err(Fault::Malformed(format!(
                    "rotary positions need an even head size, not {}",
                    self.head_dim
                )));
            }
            if !(theta.is_finite() && *theta > 0.0) {
                return Err(Fault::Malformed("the rotary base is not a positive number".into()));
            }
            if self.rope_frequencies().is_none_or(|f| f.iter().any(|f| !f.is_finite())) {
                return Err(Fault::Malformed("the rotary scaling gives no usable frequencies".into()));
            }
        }
        self.context_length = self.context_length.min(MAX_CONTEXT_TOKENS);
        Ok(self)
    }

    /// Angle in radians per position for each pair of dimensions, `[head_dim / 2]`; `None` for learned positions and
    /// for scaling factors of the wrong length.
    pub(crate) fn rope_frequencies(&self) -> Option<Vec<f32>> {
        let Positions::Rotary { theta, scaling } = &self.positions else { return None };
        let half = self.head_dim / 2;
        if let RopeScaling::Factors(factors) = scaling
            && factors.len() != half
        {
            return None;
        }
        let plain = |i: usize| theta.powf(-2.0 * i as f64 / self.head_dim as f64);
        Some((0..half).map(|i| scaling.apply(plain(i), i) as f32).collect())
    }
}

impl RopeScaling {
    /// Scales the frequency of pair `i`.
    fn apply(&self, frequency: f64, i: usize) -> f64 {
        match self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Factors(factors) => frequency / f64::from(factors[i]),
            Self::Llama3 { factor, low_freq_factor: low, high_freq_factor: high, original_context: original } => {
                let turns = original * frequency / std::f64::consts::TAU;
                let keep = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                (1.0 - keep) * frequency / factor + keep * frequency
            }
        }
    }
}
