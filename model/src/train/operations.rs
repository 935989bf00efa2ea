//! Operations with gradients: what candle's fused ones lack.
//!
//! `softmax_last_dim`, `rms_norm`, `layer_norm` and `rope` of candle cut the gradient without a word, and a product with
//! a frozen matrix computes the gradient of the matrix all the same. Here each has what it needs and no more. On the CPU
//! those that touch the most numbers are one pass over memory each ([`fused`], [`product`], [`rotation`]); elsewhere, and as
//! the reference of the tests, they are written in candle's own operations.

mod fused;
mod precision;
mod product;
mod rotation;
#[cfg(test)]
mod tests;

use candle_core::{D, Result, Tensor};

pub use precision::Precision;
use product::{Adapted, Frozen};

/// `[rows, in]` times a frozen matrix `[out, in]`: `[rows, out]`. Only the input gets a gradient.
pub(super) fn frozen(x: &Tensor, weight: &Tensor, precision: Precision) -> Result<Tensor> {
    if x.device().is_cpu() && precision == Precision::Bf16 {
        return precision.multiply(x, &weight.detach().t()?);
    }
    x.apply_op1(Frozen { weight: weight.clone(), precision })
}

/// The same with an adapter `a` `[rank, in]`, `b` `[out, rank]` beside the matrix. Input and adapter get a gradient.
pub(super) fn adapted(
    x: &Tensor,
    weight: &Tensor,
    a: &Tensor,
    b: &Tensor,
    scale: f64,
    precision: Precision,
) -> Result<Tensor> {
    if x.device().is_cpu() && precision == Precision::F32 {
        return x.apply_op3(a, b, Adapted { weight: weight.clone(), scale });
    }
    frozen(x, weight, precision)? + low_rank(x, a, b, scale, precision)?
}

/// `scale (x a^T) b^T`.
pub(super) fn low_rank(x: &Tensor, a: &Tensor, b: &Tensor, scale: f64, precision: Precision) -> Result<Tensor> {
    precision.multiply(&(precision.multiply(x, &a.t()?)? * scale)?, &b.t()?)
}

/// Root mean square norm over the last dimension.
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op2(weight, fused::RmsNorm { eps });
    }
    rms_norm_plain(x, weight, eps)
}

fn rms_norm_plain(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(eps))?.sqrt()?.recip()?;
    x.broadcast_mul(&scale)?.broadcast_mul(weight)
}

/// Layer norm over the last dimension.
pub(super) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(eps))?.sqrt()?.recip()?;
    x.broadcast_mul(&scale)?.broadcast_mul(weight)?.broadcast_add(bias)
}

/// `silu(gate) * up`.
pub(super) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if gate.device().is_cpu() {
        return gate.contiguous()?.apply_op2(&up.contiguous()?, fused::SwiGlu);
    }
    gate.silu()? * up
}

/// `[rows, heads, dim]` rotated by position, halves paired; `cos` and `sin` are `[rows, 1, dim / 2]` and get no gradient.
pub(super) fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op3(cos, sin, rotation::Rotation { back: false });
    }
    rope_plain(x, cos, sin)
}

fn rope_plain(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let left = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let right = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    Tensor::cat(&[left, right], D::Minus1)
}

/// Attention of each row to itself and to the rows before it: `q` is `[heads, rows, dim]`, `k` and `v` are
/// `[key heads, rows, dim]`. The query heads that share a key head are one product.
pub(super) fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, precision: Precision) -> Result<Tensor> {
    let ((heads, rows, dim), kv_heads) = (q.dims3()?, k.dim(0)?);
    let together = (kv_heads, heads / kv_heads * rows, ());
    let scale = 1.0 / (dim as f64).sqrt();
    let q = (q.contiguous()? * scale)?.reshape(together)?;
    let scores = precision.multiply(&q, &k.t()?.contiguous()?)?.reshape((heads, rows, rows))?;
    let shares = causal_softmax(&scores)?.reshape(together)?;
    precision.multiply(&shares, &v.contiguous()?)?.reshape((heads, rows, dim))
}

/// Softmax of each row of `[heads, rows, rows]` over the columns up to its own.
fn causal_softmax(scores: &Tensor) -> Result<Tensor> {
    if scores.device().is_cpu() { scores.apply_op1(fused::CausalSoftmax) } else { causal_softmax_plain(scores) }
}

fn causal_softmax_plain(scores: &Tensor) -> Result<Tensor> {
    let rows = scores.dim(D::Minus1)?;
    let hidden: Vec<f32> =
        (0..rows * rows).map(|at| if at % rows > at / rows { f32::NEG_INFINITY } else { 0.0 }).collect();
    let scores = scores.broadcast_add(&Tensor::from_vec(hidden, (rows, rows), scores.device())?)?;
    let exponents = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exponents.broadcast_div(&exponents.sum_keepdim(D::Minus1)?)
}
