//! Converts a [`Config`] to a Hugging Face `config.json`, so that other programs can load models trained here.

use serde_json::{Value, json};

use super::{Activation, Architecture, Config, Positions, RopeScaling};

impl Config {
    /// The content of a `config.json` that parses to the same [`Config`].
    pub(crate) fn to_hugging_face(&self) -> Value {
        let (model_type, class) = match self.architecture {
            Architecture::Gpt2 => ("gpt2", "GPT2LMHeadModel"),
            Architecture::GptBigCode => ("gpt_bigcode", "GPTBigCodeForCausalLM"),
            Architecture::Llama => ("llama", "LlamaForCausalLM"),
            Architecture::Qwen2 => ("qwen2", "Qwen2ForCausalLM"),
            Architecture::Qwen3 => ("qwen3", "Qwen3ForCausalLM"),
            Architecture::StarCoder2 => ("starcoder2", "Starcoder2ForCausalLM"),
        };
        let mut json = match self.positions {
            Positions::Learned => self.learned_position_json(),
            Positions::Rotary { .. } => self.rotary_json(),
        };
        json["model_type"] = json!(model_type);
        json["architectures"] = json!([class]);
        json["vocab_size"] = json!(self.vocab_size);
        json["tie_word_embeddings"] = json!(self.tied_embeddings);
        json["torch_dtype"] = json!("bfloat16");
        json
    }

    fn learned_position_json(&self) -> Value {
        json!({
            "n_embd": self.hidden_size,
            "n_head": self.heads,
            "n_layer": self.layers,
            "n_inner": self.intermediate_size,
            "n_positions": self.context_length,
            "layer_norm_epsilon": self.norm_eps,
            "activation_function": self.activation.name(),
            "multi_query": self.architecture == Architecture::GptBigCode,
        })
    }

    fn rotary_json(&self) -> Value {
        let mut json = json!({
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "max_position_embeddings": self.context_length,
            "hidden_act": self.activation.name(),
        });
        match self.architecture {
            Architecture::StarCoder2 => {
                json["use_bias"] = json!(self.qkv_bias);
                json["norm_epsilon"] = json!(self.norm_eps);
            }
            _ => {
                json["attention_bias"] = json!(self.qkv_bias);
                json["mlp_bias"] = json!(self.mlp_bias);
                json["rms_norm_eps"] = json!(self.norm_eps);
            }
        }
        if let Positions::Rotary { theta, scaling } = &self.positions {
            json["rope_theta"] = json!(theta);
            json["rope_scaling"] = scaling.to_json();
        }
        json
    }
}

impl Activation {
    fn name(self) -> &'static str {
        match self {
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_pytorch_tanh",
            Self::Relu => "relu",
        }
    }
}

impl RopeScaling {
    fn to_json(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
            Self::Llama3 { factor, low_freq_factor: low, high_freq_factor: high, original_context: original } => {
                json!({
                    "rope_type": "llama3",
                    "factor": factor,
                    "low_freq_factor": low,
                    "high_freq_factor": high,
                    "original_max_position_embeddings": original,
                })
            }
            // GGUF's table has no counterpart here: an unknown type keeps readers from taking the model for an unscaled
            // one.
            Self::Factors(_) => json!({ "rope_type": "factors" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Norm;

    #[test]
    fn a_written_configuration_is_read_back_unchanged() {
        let tiny = Config::tiny();
        let learned = Config {
            architecture: Architecture::Gpt2,
            norm: Norm::Layer,
            kv_heads: 4,
            positions: Positions::Learned,
            activation: Activation::GeluTanh,
            gated: false,
            fused_qkv: true,
            qkv_bias: true,
            out_bias: true,
            mlp_bias: true,
            ..tiny.clone()
        };
        let big_code = Config { architecture: Architecture::GptBigCode, kv_heads: 1, ..learned.clone() };
        let star_coder = Config {
            architecture: Architecture::StarCoder2,
            fused_qkv: false,
            positions: tiny.positions.clone(),
            ..learned.clone()
        };
        let scaling =
            RopeScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context: 128.0 };
        let scaled =
            Config { positions: Positions::Rotary { theta: 5e5, scaling }, tied_embeddings: false, ..tiny.clone() };
        let qwen2 = Config { architecture: Architecture::Qwen2, qkv_bias: true, ..tiny.clone() };
        let qwen3 = Config { architecture: Architecture::Qwen3, qk_norm: true, ..tiny.clone() };
        for config in [tiny, Config { ..learned }, big_code, star_coder, scaled, qwen2, qwen3] {
            let read = Config::from_hugging_face(&config.to_hugging_face()).expect("it was just written");
            assert_eq!(read, config, "{:?}", config.architecture);
        }
    }
}
