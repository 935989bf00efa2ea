//! The shape of a model: one description for the whole GPT line, whichever file it was read from.
//!
//! `config.json` is read in [`hugging_face`], GGUF metadata in [`gguf`]; both end in the same checked [`Config`], from
//! which the decoder is built. A value that this crate does not implement is refused, never ignored.

pub(crate) mod gguf;
pub(crate) mod hugging_face;
#[cfg(test)]
mod tests;
mod to_hugging_face;

use crate::weights::Fault;

/// A family of models. It decides the names of tensors in files; the arithmetic is decided by [`Config`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// GPT-2: learned positions, LayerNorm, GELU, one fused projection.
    Gpt2,
    /// GPTBigCode (StarCoder, SantaCoder): GPT-2 with one KV head.
    GptBigCode,
    /// Llama and what shares its layout (SmolLM, Code Llama, DeepSeek-Coder).
    Llama,
    /// Qwen2 and Qwen2.5: Llama with biases on query, key and value.
    Qwen2,
    /// Qwen3: Llama with a norm on each query and key head.
    Qwen3,
    /// StarCoder2: rotary positions with LayerNorm, GELU and biases.
    StarCoder2,
}

/// How a layer's input is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Root mean square, scale only.
    Rms,
    /// Mean and variance, scale and bias.
    Layer,
}

/// The nonlinearity of the feed-forward part.
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

/// How a model knows the order of its tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum Positions {
    /// A learned vector per position, added to the embedding.
    Learned,
    /// Queries and keys rotated by their position (RoFormer, Su et al. 2021), halves paired: dimension `i` with `i + dim/2`.
    Rotary {
        /// The base of the frequencies.
        theta: f64,
        /// How the frequencies were changed to reach a longer context.
        scaling: RopeScaling,
    },
}

/// A change of the rotary frequencies for longer contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// As trained.
    None,
    /// All frequencies divided by a factor (Chen et al. 2023).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3: long wavelengths divided by `factor`, short ones kept, a ramp between.
    Llama3 {
        /// The divisor of the long wavelengths.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low_freq_factor: f64,
        /// Wavelengths below `original / high` are kept.
        high_freq_factor: f64,
        /// The context length of the first training.
        original_context: f64,
    },
    /// One divisor per frequency, as GGUF files carry them (`rope_freqs.weight`).
    Factors(Vec<f32>),
}

/// Everything that decides the arithmetic of a decoder. Checked before anything is allocated by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The family.
    pub architecture: Architecture,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Width of the feed-forward part.
    pub intermediate_size: usize,
    /// Longest sequence, in tokens. A sliding attention window lowers it, so that full attention stays exact.
    pub context_length: usize,
    /// Kind of norm.
    pub norm: Norm,
    /// Added to the variance.
    pub norm_eps: f32,
    /// Kind of positions.
    pub positions: Positions,
    /// Nonlinearity.
    pub activation: Activation,
    /// Whether the feed-forward part has a gate: `down(activation(gate(x)) * up(x))`.
    pub gated: bool,
    /// Whether query, key and value are one matrix in the file.
    pub fused_qkv: bool,
    /// Biases on query, key and value.
    pub qkv_bias: bool,
    /// Bias on the attention's output.
    pub out_bias: bool,
    /// Biases in the feed-forward part.
    pub mlp_bias: bool,
    /// RMS norm on each query and key head.
    pub qk_norm: bool,
    /// Whether the output matrix is the embedding.
    pub tied: bool,
}

/// No dimension of a model of this line comes near; a product of two still fits a `usize` by far.
const MAX_DIMENSION: usize = 1 << 24;
/// Longer contexts are cut to this many tokens: tables by position stay small.
const MAX_CONTEXT_TOKENS: usize = 1 << 20;

impl Config {
    /// Numbers that the model has learned, but for biases and norms.
    pub fn parameter_count(&self) -> usize {
        let embeddings = self.vocab_size * self.hidden_size * if self.tied { 1 } else { 2 };
        let attention = 2 * self.hidden_size * self.head_dim * (self.heads + self.kv_heads);
        let feed_forward = self.hidden_size * self.intermediate_size * if self.gated { 3 } else { 2 };
        embeddings + self.layers * (attention + feed_forward)
    }

    /// A small Llama-like model, for tests: change fields from here.
    pub fn tiny() -> Self {
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
            tied: true,
        }
    }

    /// Width of all query heads together.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key heads together, and of all value heads.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Refuses sizes that cannot be a model's, so that later arithmetic on them neither overflows nor divides by zero.
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

    /// The angle per position of each pair of dimensions, `[head_dim / 2]`; `None` for learned positions.
    pub fn rope_frequencies(&self) -> Option<Vec<f32>> {
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
    /// The changed frequency of pair `i`.
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
