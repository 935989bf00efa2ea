//! The names of tensors in Hugging Face checkpoints, by family.

use crate::config::Architecture;
use crate::weights::{Kind, Part, Slot};

/// The names that a slot's tensor may have, the usual one first: the oldest checkpoints lack the prefix.
pub(crate) fn names(architecture: Architecture, slot: Slot, kind: Kind) -> Vec<String> {
    let learned = matches!(architecture, Architecture::Gpt2 | Architecture::GptBigCode);
    let kind = match kind {
        Kind::Weight => "weight",
        Kind::Bias => "bias",
    };
    let (prefix, rest) = match (slot, learned) {
        (Slot::Output, _) => return vec![format!("lm_head.{kind}")],
        (Slot::Embedding, true) => ("transformer.", format!("wte.{kind}")),
        (Slot::Embedding, false) => ("model.", format!("embed_tokens.{kind}")),
        (Slot::Positions, _) => ("transformer.", format!("wpe.{kind}")),
        (Slot::OutputNorm, true) => ("transformer.", format!("ln_f.{kind}")),
        (Slot::OutputNorm, false) => ("model.", format!("norm.{kind}")),
        (Slot::Layer(index, part), true) => ("transformer.", format!("h.{index}.{}.{kind}", learned_part(part))),
        (Slot::Layer(index, part), false) => {
            ("model.", format!("layers.{index}.{}.{kind}", rotary_part(architecture, part)))
        }
    };
    vec![format!("{prefix}{rest}"), rest]
}

/// GPT-2 and GPTBigCode.
fn learned_part(part: Part) -> &'static str {
    match part {
        Part::AttentionNorm => "ln_1",
        Part::Fused => "attn.c_attn",
        Part::AttentionOut => "attn.c_proj",
        Part::MlpNorm => "ln_2",
        Part::Up => "mlp.c_fc",
        Part::Down => "mlp.c_proj",
        other => rotary_part(Architecture::Llama, other),
    }
}

/// The families with rotary positions.
fn rotary_part(architecture: Architecture, part: Part) -> &'static str {
    let star_coder = architecture == Architecture::StarCoder2;
    match part {
        Part::AttentionNorm => "input_layernorm",
        Part::Fused => "self_attn.qkv_proj",
        Part::Query => "self_attn.q_proj",
        Part::Key => "self_attn.k_proj",
        Part::Value => "self_attn.v_proj",
        Part::QueryNorm => "self_attn.q_norm",
        Part::KeyNorm => "self_attn.k_norm",
        Part::AttentionOut => "self_attn.o_proj",
        Part::MlpNorm => "post_attention_layernorm",
        Part::Gate => "mlp.gate_proj",
        Part::Up if star_coder => "mlp.c_fc",
        Part::Down if star_coder => "mlp.c_proj",
        Part::Up => "mlp.up_proj",
        Part::Down => "mlp.down_proj",
    }
}
