//! The names of tensors in GGUF files: the same for all families.

use crate::weights::{Kind, Part, Slot};

/// The name of a slot's tensor.
pub(super) fn name(slot: Slot, kind: Kind) -> String {
    let kind = match kind {
        Kind::Weight => "weight",
        Kind::Bias => "bias",
    };
    match slot {
        Slot::Embedding => format!("token_embd.{kind}"),
        Slot::Positions => format!("position_embd.{kind}"),
        Slot::OutputNorm => format!("output_norm.{kind}"),
        Slot::Output => format!("output.{kind}"),
        Slot::Layer(index, part) => format!("blk.{index}.{}.{kind}", part_name(part)),
    }
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::AttentionNorm => "attn_norm",
        Part::Fused => "attn_qkv",
        Part::Query => "attn_q",
        Part::Key => "attn_k",
        Part::Value => "attn_v",
        Part::QueryNorm => "attn_q_norm",
        Part::KeyNorm => "attn_k_norm",
        Part::AttentionOut => "attn_output",
        Part::MlpNorm => "ffn_norm",
        Part::Gate => "ffn_gate",
        Part::Up => "ffn_up",
        Part::Down => "ffn_down",
    }
}
