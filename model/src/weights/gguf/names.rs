//! Tensor names in GGUF files, which are the same for all architectures.

use crate::weights::{LayerTensor, Slot, TensorKind};

/// The name of a slot's tensor.
pub(super) fn tensor_name(slot: Slot, kind: TensorKind) -> String {
    let kind = match kind {
        TensorKind::Weight => "weight",
        TensorKind::Bias => "bias",
    };
    match slot {
        Slot::Embedding => format!("token_embd.{kind}"),
        Slot::Positions => format!("position_embd.{kind}"),
        Slot::OutputNorm => format!("output_norm.{kind}"),
        Slot::Output => format!("output.{kind}"),
        Slot::Layer(index, part) => format!("blk.{index}.{}.{kind}", layer_tensor_name(part)),
    }
}

fn layer_tensor_name(part: LayerTensor) -> &'static str {
    match part {
        LayerTensor::AttentionNorm => "attn_norm",
        LayerTensor::FusedQkv => "attn_qkv",
        LayerTensor::Query => "attn_q",
        LayerTensor::Key => "attn_k",
        LayerTensor::Value => "attn_v",
        LayerTensor::QueryNorm => "attn_q_norm",
        LayerTensor::KeyNorm => "attn_k_norm",
        LayerTensor::AttentionOutput => "attn_output",
        LayerTensor::MlpNorm => "ffn_norm",
        LayerTensor::Gate => "ffn_gate",
        LayerTensor::Up => "ffn_up",
        LayerTensor::Down => "ffn_down",
    }
}
