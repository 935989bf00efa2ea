//! Reads a [`Config`] from a Hugging Face `config.json`.

use std::path::Path;

use serde_json::Value;

use super::{Activation, Architecture, Config, Norm, Positions, RopeScaling};
use crate::weights::json::read_json;
use crate::weights::{Fault, LoadError};

impl Config {
    /// Reads and validates a `config.json`.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is malformed, or describes a model that is not supported.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        Self::from_hugging_face(&read_json(path)?).map_err(|fault| fault.in_file(path))
    }

    /// Reads and validates the content of a `config.json`.
    pub(crate) fn from_hugging_face(json: &Value) -> Result<Self, Fault> {
        let fields = JsonFields(json);
        let architecture = architecture(fields.text("model_type")?)?;
        match architecture {
            Architecture::Gpt2 | Architecture::GptBigCode => {
                learned_position_config(architecture, &fields)?.validated()
            }
            _ => rotary_config(architecture, &fields)?.validated(),
        }
    }
}

fn architecture(model_type: &str) -> Result<Architecture, Fault> {
    Ok(match model_type {
        "gpt2" => Architecture::Gpt2,
        "gpt_bigcode" => Architecture::GptBigCode,
        "llama" => Architecture::Llama,
        "qwen2" => Architecture::Qwen2,
        "qwen3" => Architecture::Qwen3,
        "starcoder2" => Architecture::StarCoder2,
        other => return Err(Fault::Unsupported(format!("the model type '{other}'"))),
    })
}

/// Reads the old field names of GPT-2 and GPTBigCode.
fn learned_position_config(architecture: Architecture, fields: &JsonFields) -> Result<Config, Fault> {
    let big_code = architecture == Architecture::GptBigCode;
    if big_code && !fields.flag_or("multi_query", true)? {
        return Err(Fault::Unsupported("GPTBigCode without multi-query attention".into()));
    }
    if fields.flag_or("scale_attn_by_inverse_layer_idx", false)? || !fields.flag_or("scale_attn_weights", true)? {
        return Err(Fault::Unsupported("a non-standard attention scale".into()));
    }
    let (hidden_size, heads) = (fields.size("n_embd")?, fields.size("n_head")?);
    Ok(Config {
        architecture,
        vocab_size: fields.size("vocab_size")?,
        hidden_size,
        layers: fields.size("n_layer")?,
        heads,
        kv_heads: if big_code { 1 } else { heads },
        head_dim: hidden_size.checked_div(heads).unwrap_or(0),
        intermediate_size: fields.size_or("n_inner", 4 * hidden_size)?,
        context_length: fields.size("n_positions")?,
        norm: Norm::Layer,
        norm_eps: fields.float_or("layer_norm_epsilon", 1e-5)? as f32,
        positions: Positions::Learned,
        activation: activation(fields.text_or("activation_function", "gelu_new")?)?,
        gated: false,
        fused_qkv: true,
        qkv_bias: true,
        out_bias: true,
        mlp_bias: true,
        qk_norm: false,
        tied_embeddings: fields.flag_or("tie_word_embeddings", true)?,
    })
}

/// Reads the field names of the architectures with rotary positions.
fn rotary_config(architecture: Architecture, fields: &JsonFields) -> Result<Config, Fault> {
    let (hidden_size, heads) = (fields.size("hidden_size")?, fields.size("num_attention_heads")?);
    let star_coder = architecture == Architecture::StarCoder2;
    let bias = if star_coder { fields.flag_or("use_bias", true)? } else { fields.flag_or("attention_bias", false)? };
    let epsilon = if star_coder { ("norm_epsilon", 1e-5) } else { ("rms_norm_eps", 1e-6) };
    Ok(Config {
        architecture,
        vocab_size: fields.size("vocab_size")?,
        hidden_size,
        layers: fields.size("num_hidden_layers")?,
        heads,
        kv_heads: fields.size_or("num_key_value_heads", heads)?,
        head_dim: fields.size_or("head_dim", hidden_size.checked_div(heads).unwrap_or(0))?,
        intermediate_size: fields.size("intermediate_size")?,
        context_length: fields.size("max_position_embeddings")?.min(sliding_window(architecture, fields)?),
        norm: if star_coder { Norm::Layer } else { Norm::Rms },
        norm_eps: fields.float_or(epsilon.0, epsilon.1)? as f32,
        positions: rotary_positions(fields)?,
        activation: activation(fields.text_or("hidden_act", if star_coder { "gelu_pytorch_tanh" } else { "silu" })?)?,
        gated: !star_coder,
        fused_qkv: false,
        qkv_bias: bias || architecture == Architecture::Qwen2,
        out_bias: bias && architecture != Architecture::Qwen2,
        mlp_bias: if star_coder { bias } else { fields.flag_or("mlp_bias", false)? },
        qk_norm: architecture == Architecture::Qwen3,
        tied_embeddings: fields.flag_or("tie_word_embeddings", star_coder)?,
    })
}

/// The sliding attention window in tokens, within which full attention is exact; `usize::MAX` if there is none.
fn sliding_window(architecture: Architecture, fields: &JsonFields) -> Result<usize, Fault> {
    let used = match architecture {
        Architecture::Qwen2 | Architecture::Qwen3 => fields.flag_or("use_sliding_window", false)?,
        _ => true,
    };
    if used { fields.size_or("sliding_window", usize::MAX) } else { Ok(usize::MAX) }
}

/// Reads base and scaling, which are at the top level or, in newer files, in `rope_parameters`.
fn rotary_positions(fields: &JsonFields) -> Result<Positions, Fault> {
    let missing = Value::Null;
    let object = |name| fields.0.get(name).filter(|value| value.is_object());
    let scaling = JsonFields(object("rope_parameters").or_else(|| object("rope_scaling")).unwrap_or(&missing));
    let theta = scaling.float_or("rope_theta", fields.float_or("rope_theta", 10_000.0)?)?;
    let kind = scaling.text_or("rope_type", scaling.text_or("type", "default")?)?;
    let scaling = match kind {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: scaling.float("factor")? },
        "llama3" => RopeScaling::Llama3 {
            factor: scaling.float("factor")?,
            low_freq_factor: scaling.float("low_freq_factor")?,
            high_freq_factor: scaling.float("high_freq_factor")?,
            original_context: scaling.float("original_max_position_embeddings")?,
        },
        other => return Err(Fault::Unsupported(format!("the rope scaling '{other}'"))),
    };
    Ok(Positions::Rotary { theta, scaling })
}

fn activation(name: &str) -> Result<Activation, Fault> {
    Ok(match name {
        "silu" | "swish" => Activation::Silu,
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        other => return Err(Fault::Unsupported(format!("the activation '{other}'"))),
    })
}

/// Accessor of the fields of a JSON object. A null field counts as absent.
struct JsonFields<'a>(&'a Value);

impl<'a> JsonFields<'a> {
    fn read<T>(&self, name: &str, what: &str, as_type: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, Fault> {
        match self.0.get(name).filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => {
                as_type(value).map(Some).ok_or_else(|| Fault::Malformed(format!("the field '{name}' is not {what}")))
            }
        }
    }

    fn size_or(&self, name: &str, default: usize) -> Result<usize, Fault> {
        let size = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        Ok(self.read(name, "a size", size)?.unwrap_or(default))
    }

    fn size(&self, name: &str) -> Result<usize, Fault> {
        self.required(name)?;
        self.size_or(name, 0)
    }

    fn float_or(&self, name: &str, default: f64) -> Result<f64, Fault> {
        Ok(self.read(name, "a number", Value::as_f64)?.unwrap_or(default))
    }

    fn float(&self, name: &str) -> Result<f64, Fault> {
        self.required(name)?;
        self.float_or(name, 0.0)
    }

    fn flag_or(&self, name: &str, default: bool) -> Result<bool, Fault> {
        Ok(self.read(name, "true or false", Value::as_bool)?.unwrap_or(default))
    }

    fn text_or(&self, name: &str, default: &'a str) -> Result<&'a str, Fault> {
        Ok(self.read(name, "a string", Value::as_str)?.unwrap_or(default))
    }

    fn text(&self, name: &str) -> Result<&'a str, Fault> {
        self.required(name)?;
        self.text_or(name, "")
    }

    fn required(&self, name: &str) -> Result<(), Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Err(Fault::Missing(format!("the field '{name}'"))),
            Some(_) => Ok(()),
        }
    }
}
