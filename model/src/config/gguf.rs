//! Reads a [`Config`] from the metadata of a GGUF file.

use super::{Activation, Architecture, Config, Norm, Positions, RopeScaling};
use crate::weights::Fault;
use crate::weights::gguf::GgufFile;

impl Config {
    /// Reads the configuration from the metadata and from which tensors are present: the metadata does not tell which
    /// biases a model has.
    pub(crate) fn from_gguf(file: &GgufFile) -> Result<Self, Fault> {
        let name = file.string("general.architecture")?;
        let architecture = architecture(name)?;
        let keys = ArchitectureKeys { file, name };
        let (hidden_size, heads) = (keys.size("embedding_length")?, keys.size("attention.head_count")?);
        let layer_norm =
            matches!(architecture, Architecture::Gpt2 | Architecture::GptBigCode | Architecture::StarCoder2);
        let epsilon = if layer_norm { "attention.layer_norm_epsilon" } else { "attention.layer_norm_rms_epsilon" };
        let gated = file.has_tensor("blk.0.ffn_gate.weight");
        let fused_qkv = file.has_tensor("blk.0.attn_qkv.weight");
        let head_dim = keys.size_or("attention.key_length", hidden_size.checked_div(heads).unwrap_or(0))?;
        if keys.size_or("attention.value_length", head_dim)? != head_dim {
            return Err(Fault::Unsupported("a value head size that differs from the key head size".into()));
        }
        Self {
            architecture,
            vocab_size: file.rows("token_embd.weight")?,
            hidden_size,
            layers: keys.size("block_count")?,
            heads,
            kv_heads: keys.size_or("attention.head_count_kv", heads)?,
            head_dim,
            intermediate_size: keys.size("feed_forward_length")?,
            context_length: keys.size("context_length")?.min(keys.sliding_window()?),
            norm: if layer_norm { Norm::Layer } else { Norm::Rms },
            norm_eps: keys.float_or(epsilon, 1e-5)? as f32,
            positions: keys.positions(architecture, head_dim)?,
            activation: if gated { Activation::Silu } else { Activation::GeluTanh },
            gated,
            fused_qkv,
            qkv_bias: file.has_tensor(if fused_qkv { "blk.0.attn_qkv.bias" } else { "blk.0.attn_q.bias" }),
            out_bias: file.has_tensor("blk.0.attn_output.bias"),
            mlp_bias: file.has_tensor("blk.0.ffn_up.bias"),
            qk_norm: file.has_tensor("blk.0.attn_q_norm.weight"),
            tied_embeddings: !file.has_tensor("output.weight"),
        }
        .validated()
    }
}

fn architecture(name: &str) -> Result<Architecture, Fault> {
    Ok(match name {
        "gpt2" => Architecture::Gpt2,
        "starcoder" => Architecture::GptBigCode,
        "llama" => Architecture::Llama,
        "qwen2" => Architecture::Qwen2,
        "qwen3" => Architecture::Qwen3,
        "starcoder2" => Architecture::StarCoder2,
        other => return Err(Fault::Unsupported(format!("the architecture '{other}'"))),
    })
}

/// Accessor of metadata under the architecture's prefix.
struct ArchitectureKeys<'a> {
    file: &'a GgufFile,
    name: &'a str,
}

impl ArchitectureKeys<'_> {
    fn key(&self, rest: &str) -> String {
        format!("{}.{rest}", self.name)
    }

    fn size(&self, rest: &str) -> Result<usize, Fault> {
        let key = self.key(rest);
        self.file.size(&key)?.ok_or(Fault::Missing(format!("the key '{key}'")))
    }

    fn size_or(&self, rest: &str, default: usize) -> Result<usize, Fault> {
        Ok(self.file.size(&self.key(rest))?.unwrap_or(default))
    }

    fn float_or(&self, rest: &str, default: f64) -> Result<f64, Fault> {
        Ok(self.file.float(&self.key(rest))?.unwrap_or(default))
    }

    /// The sliding attention window in tokens, within which full attention is exact; `usize::MAX` if there is none.
    fn sliding_window(&self) -> Result<usize, Fault> {
        Ok(match self.size_or("attention.sliding_window", 0)? {
            0 => usize::MAX,
            window => window,
        })
    }

    fn positions(&self, architecture: Architecture, head_dim: usize) -> Result<Positions, Fault> {
        if matches!(architecture, Architecture::Gpt2 | Architecture::GptBigCode) {
            return Ok(Positions::Learned);
        }
        if self.size_or("rope.dimension_count", head_dim)? != head_dim {
            return Err(Fault::Unsupported("partial rotary positions (a rotation of only a part of each head)".into()));
        }
        let theta = self.float_or("rope.freq_base", 10_000.0)?;
        Ok(Positions::Rotary { theta, scaling: self.scaling()? })
    }

    fn scaling(&self) -> Result<RopeScaling, Fault> {
        if self.file.has_tensor("rope_freqs.weight") {
            return Ok(RopeScaling::Factors(self.file.read_f32_vector("rope_freqs.weight")?));
        }
        match self.file.optional_string(&self.key("rope.scaling.type"))? {
            None | Some("none") => Ok(RopeScaling::None),
            Some("linear") => Ok(RopeScaling::Linear { factor: self.float_or("rope.scaling.factor", 1.0)? }),
            Some(other) => Err(Fault::Unsupported(format!("the rope scaling '{other}'"))),
        }
    }
}
