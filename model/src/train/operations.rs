//! Operations with gradients: what candle's fused ones lack.
//!
//! `softmax_last_dim`, `rms_norm`, `layer_norm` and `rope` of candle cut the gradient without a word, and a product with
//! a frozen matrix computes the gradient of the matrix all the same. Here each has what it needs and no more. On the CPU
//! those that touch the most numbers are one pass over memory each ([`fused`]); elsewhere, and as the reference of the
//! tests, they are written in candle's own operations.

mod fused;
#[cfg(test)]
mod tests;

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor, bail};

/// `[rows, in]` times a frozen matrix `[out, in]`: `[rows, out]`. Only the input gets a gradient.
pub(super) fn frozen(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        x.contiguous()?.apply_op1(Frozen(weight.clone()))
    } else {
        x.matmul(&weight.detach().t()?)
    }
}

struct Frozen(Tensor);

impl CustomOp1 for Frozen {
    fn name(&self) -> &'static str {
        "frozen"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(x), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("a frozen matrix takes contiguous 32-bit floats");
        };
        let x = Tensor::from_slice(&x[start..end], layout.shape(), self.0.device())?;
        let y = x.matmul(&self.0.t()?)?;
        Ok((CpuStorage::F32(y.flatten_all()?.to_vec1()?), y.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gradient.matmul(&self.0).map(Some)
    }
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

/// `[rows, heads, dim]` rotated by position, halves paired; `cos` and `sin` are `[rows, 1, dim / 2]`.
pub(super) fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let left = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let right = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    Tensor::cat(&[left, right], D::Minus1)
}

/// Attention of each row to itself and to the rows before it: `q`, `k` and `v` are `[heads, rows, dim]`.
pub(super) fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let scale = 1.0 / (q.dim(D::Minus1)? as f64).sqrt();
    let scores = (q.contiguous()? * scale)?.matmul(&k.t()?.contiguous()?)?; // [heads, rows, rows]
    causal_softmax(&scores)?.matmul(&v.contiguous()?)
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
