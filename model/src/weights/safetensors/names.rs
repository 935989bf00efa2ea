//! Tensor names in Hugging Face checkpoints, by architecture.

use crate::config::Architecture;
use crate::weights::{LayerTensor, Slot, TensorKind};

/// The names that a slot's tensor may have, the usual one first; the oldest checkpoints lack the prefix.
pub(crate) fn tensor_names(architecture: Architecture, slot: Slot, kind: TensorKind) -> Vec<String> {
    let learned = matches!(architecture, Architecture::Gpt2 | Architecture::GptBigCode);
    let kind = match kind {
        TensorKind::Weight => "weight",
        TensorKind::Bias => "bias",
    };
    let (prefix, rest) = match (slot, learned) {
        (Slot::Output, _) => return vec![format!("lm_head.{kind}")],
        (Slot::Embedding, true) => ("transformer.", format!("wte.{kind}")),
        (Slot::Embedding, false) => ("model.", format!("embed_tokens.{kind}")),
        (Slot::Positions, _) => ("transformer.", format!("wpe.{kind}")),
        (Slot::OutputNorm, true) => ("transformer.", format!("ln_f.{kind}")),
        (Slot::OutputNorm, false) => ("model.", format!("norm.{kind}")),
        (Slot::Layer(index, part), true) => {
            ("transformer.", format!("h.{index}.{}.{kind}", learned_position_name(part)))
        }
        (Slot::Layer(index, part), false) => {
            ("model.", format!("layers.{index}.{}.{kind}", rotary_position_name(architecture, part)))
        }
    };
    vec![format!("{prefix}{rest}"), rest]
}

/// Names in GPT-2 and GPTBigCode, which have learned positions.
fn learned_position_name(part: LayerTensor) -> &'static str {
    match part {
        LayerTensor::AttentionNorm => "ln_1",
        LayerTensor::FusedQkv => "attn.c_attn",
        LayerTensor::AttentionOutput => "attn.c_proj",
        LayerTensor::MlpNorm => "ln_2",
        LayerTensor::Up => "mlp.c_fc",
        LayerTensor::Down => "mlp.c_proj",
        other => rotary_position_name(Architecture::Llama, other),
    }
}

/// Names in the architectures with rotary positions.
fn rotary_position_name(architecture: Architecture, part: LayerTensor) -> &'static str {
    let star_coder = architecture == Architecture::StarCoder2;
    match part {
        LayerTensor::AttentionNorm => "input_layernorm",
        LayerTensor::FusedQkv => "self_attn.qkv_proj",
        LayerTensor::Query => "self_attn.q_proj",
        LayerTensor::Key => "self_attn.k_proj",
        LayerTensor::Value => "self_attn.v_proj",
        LayerTensor::QueryNorm => "self_attn.q_norm",
        LayerTensor::KeyNorm => "self_attn.k_norm",
        LayerTensor::AttentionOutput => "self_attn.o_proj",
        LayerTensor::MlpNorm => "post_attention_layernorm",
        LayerTensor::Gate => "mlp.gate_proj",
        LayerTensor::Up if star_coder => "mlp.c_fc",
        LayerTensor::Down if star_coder => "mlp.c_proj",
        LayerTensor::Up => "mlp.up_proj",
        LayerTensor::Down => "mlp.down_proj",
    }
}
