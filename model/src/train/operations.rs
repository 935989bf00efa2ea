//! Differentiable operations that candle lacks.
//!
//! Candle's `softmax_last_dim`, `rms_norm`, `layer_norm` and `rope` silently drop the gradient, and a product with a
//! frozen matrix computes the gradient of that matrix anyway. On the CPU, the most expensive operations here are a
//! single pass over memory each ([`fused`], [`matmul`], [`rope`](mod@rope)). On other devices, and as references in the
//! tests, they are composed of candle's own operations.

mod cpu_op;
mod fused;
mod matmul;
mod precision;
mod rope;
#[cfg(test)]
mod tests;

use candle_core::{D, Result, Tensor};

pub use precision::Precision;

use cpu_op::CpuOp;
use matmul::{FrozenMatmul, LoraMatmul};

/// Multiplies `[rows, in]` by a frozen matrix `[out, in]` to `[rows, out]`. Only the input gets a gradient.
pub(super) fn frozen_matmul(x: &Tensor, weight: &Tensor, precision: Precision) -> Result<Tensor> {
    if x.device().is_cpu() && precision == Precision::Bf16 {
        return precision.matmul(x, &weight.detach().t()?);
    }
    x.apply_op1(FrozenMatmul { weight: weight.clone(), precision })
}

/// Like [`frozen_matmul`], plus the low-rank update of an adapter `a` `[rank, in]`, `b` `[out, rank]`. Input and
/// adapter get gradients.
pub(super) fn lora_matmul(
    x: &Tensor,
    weight: &Tensor,
    a: &Tensor,
    b: &Tensor,
    scale: f64,
    precision: Precision,
) -> Result<Tensor> {
    if x.device().is_cpu() && precision == Precision::F32 {
        return x.apply_op3(a, b, CpuOp(LoraMatmul { weight: weight.clone(), scale }));
    }
    frozen_matmul(x, weight, precision)? + low_rank_matmul(x, a, b, scale, precision)?
}

/// `scale (x a^T) b^T`.
pub(super) fn low_rank_matmul(x: &Tensor, a: &Tensor, b: &Tensor, scale: f64, precision: Precision) -> Result<Tensor> {
    precision.matmul(&(precision.matmul(x, &a.t()?)? * scale)?, &b.t()?)
}

/// RMSNorm over the last dimension.
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op2(weight, CpuOp(fused::FusedRmsNorm { eps }));
    }
    rms_norm_reference(x, weight, eps)
}

fn rms_norm_reference(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(eps))?.sqrt()?.recip()?;
    x.broadcast_mul(&scale)?.broadcast_mul(weight)
}

/// LayerNorm over the last dimension.
pub(super) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(eps))?.sqrt()?.recip()?;
    x.broadcast_mul(&scale)?.broadcast_mul(weight)?.broadcast_add(bias)
}

/// `silu(gate) * up`.
pub(super) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if gate.device().is_cpu() {
        return gate.contiguous()?.apply_op2(&up.contiguous()?, CpuOp(fused::FusedSwiGlu));
    }
    gate.silu()? * up
}

/// Rotary positions of `[rows, heads, dim]`, pairing the halves of a head; `cos` and `sin` are `[rows, 1, dim / 2]` and
/// get no gradient.
pub(super) fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op3(cos, sin, CpuOp(rope::FusedRope { inverse: false }));
    }
    rope_reference(x, cos, sin)
}

fn rope_reference(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let left = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let right = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    Tensor::cat(&[left, right], D::Minus1)
}

/// Causal attention: `q` is `[heads, rows, dim]`, `k` and `v` are `[kv heads, rows, dim]`. The query heads that share a
/// KV head are computed in one product.
pub(super) fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, precision: Precision) -> Result<Tensor> {
    let ((heads, rows, dim), kv_heads) = (q.dims3()?, k.dim(0)?);
    let grouped = (kv_heads, heads / kv_heads * rows, ());
    let scale = 1.0 / (dim as f64).sqrt();
    let q = (q.contiguous()? * scale)?.reshape(grouped)?;
    let scores = precision.matmul(&q, &k.t()?.contiguous()?)?.reshape((heads, rows, rows))?;
    let probabilities = causal_softmax(&scores)?.reshape(grouped)?;
    precision.matmul(&probabilities, &v.contiguous()?)?.reshape((heads, rows, dim))
}

/// Causal softmax of `[heads, rows, rows]`: each row is normalised over the columns up to the diagonal.
fn causal_softmax(scores: &Tensor) -> Result<Tensor> {
    if scores.device().is_cpu() {
        scores.apply_op1(CpuOp(fused::CausalSoftmax))
    } else {
        causal_softmax_reference(scores)
    }
}

fn causal_softmax_reference(scores: &Tensor) -> Result<Tensor> {
    let rows = scores.dim(D::Minus1)?;
    let mask: Vec<f32> =
        (0..rows * rows).map(|at| if at % rows > at / rows { f32::NEG_INFINITY } else { 0.0 }).collect();
    let scores = scores.broadcast_add(&Tensor::from_vec(mask, (rows, rows), scores.device())?)?;
    let exponents = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exponents.broadcast_div(&exponents.sum_keepdim(D::Minus1)?)
}
