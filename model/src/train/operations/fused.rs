//! Operations on the CPU that read and write each number once, forwards and backwards, with all threads.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// The numbers of a contiguous tensor.
pub(super) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => bail!("contiguous 32-bit floats are needed"),
    }
}

/// `out` row by row, each row worked out by a function of its index.
pub(super) fn by_rows(count: usize, width: usize, row: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = vec![0f32; count * width];
    out.par_chunks_mut(width.max(1)).enumerate().for_each(|(index, out)| row(index, out));
    out
}

pub(super) fn width(layout: &Layout) -> Result<usize> {
    layout.dims().last().copied().filter(|width| *width > 0).ok_or_else(|| candle_core::Error::msg("an empty row"))
}

/// `x / rms(x) * weight` over the last dimension.
pub(super) struct RmsNorm {
    pub(super) eps: f32,
}

impl RmsNorm {
    fn scale(&self, x: &[f32]) -> f32 {
        let mean = x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
        (mean + self.eps).sqrt().recip()
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, weight, width) = (floats(s1, l1)?, floats(s2, l2)?, width(l1)?);
        let y = by_rows(x.len() / width, width, |row, y| {
            let x = &x[row * width..][..width];
            let scale = self.scale(x);
            y.iter_mut().zip(x).zip(weight).for_each(|((y, x), weight)| *y = x * scale * weight);
        });
        Ok((CpuStorage::F32(y), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let of_x = x.apply_op3_no_bwd(weight, &gradient, &RmsNormInput { eps: self.eps })?;
        if !weight.track_op() {
            return Ok((Some(of_x), None));
        }
        let normal = x.apply_op2_no_bwd(&weight.ones_like()?, self)?;
        let of_weight = (normal * &gradient)?.flatten_to(x.rank() - 2)?.sum(0)?;
        Ok((Some(of_x), Some(of_weight)))
    }
}

/// The gradient of a norm's input, from input, weight and the gradient of its output.
struct RmsNormInput {
    eps: f32,
}

impl CustomOp3 for RmsNormInput {
    fn name(&self) -> &'static str {
        "rms_norm_input"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, gradient, width) = (floats(s1, l1)?, floats(s2, l2)?, floats(s3, l3)?, width(l1)?);
        let norm = RmsNorm { eps: self.eps };
        let out = by_rows(x.len() / width, width, |row, out| {
            let (x, gradient) = (&x[row * width..][..width], &gradient[row * width..][..width]);
            let scale = norm.scale(x);
            let dot: f32 =
                x.iter().zip(gradient).zip(weight).map(|((x, gradient), weight)| x * gradient * weight).sum();
            let along = dot * scale * scale * scale / width as f32;
            for (((out, x), gradient), weight) in out.iter_mut().zip(x).zip(gradient).zip(weight) {
                *out = gradient * weight * scale - x * along;
            }
        });
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }
}

/// `silu(gate) * up`.
pub(super) struct SwiGlu;

/// `x * sigmoid(x)` and its derivative.
fn silu(x: f32) -> (f32, f32) {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    (x * sigmoid, sigmoid * (1.0 + x * (1.0 - sigmoid)))
}

/// Numbers that a thread takes at once.
const PIECE: usize = 4096;

/// Element by element, with the index of the first of a piece.
fn by_pieces(count: usize, piece: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = vec![0f32; count];
    out.par_chunks_mut(PIECE).enumerate().for_each(|(index, out)| piece(index * PIECE, out));
    out
}

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (floats(s1, l1)?, floats(s2, l2)?);
        let out = by_pieces(gate.len(), |first, out| {
            out.iter_mut()
                .zip(&gate[first..])
                .zip(&up[first..])
                .for_each(|((out, gate), up)| *out = silu(*gate).0 * up);
        });
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let of_gate = gate.apply_op3_no_bwd(up, &gradient, &SwiGluGate)?;
        let of_up = gate.apply_op2_no_bwd(&gradient, self)?;
        Ok((Some(of_gate), Some(of_up)))
    }
}

/// The gradient of the gate, from gate, up and the gradient of the product.
struct SwiGluGate;

impl CustomOp3 for SwiGluGate {
    fn name(&self) -> &'static str {
        "swiglu_gate"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up, gradient) = (floats(s1, l1)?, floats(s2, l2)?, floats(s3, l3)?);
        let out = by_pieces(gate.len(), |first, out| {
            for (((out, gate), up), gradient) in
                out.iter_mut().zip(&gate[first..]).zip(&up[first..]).zip(&gradient[first..])
            {
                *out = silu(*gate).1 * up * gradient;
            }
        });
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }
}

/// Softmax of each row of `[heads, rows, rows]` over the columns up to its own.
pub(super) struct CausalSoftmax;

impl CustomOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal_softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (scores, width) = (floats(storage, layout)?, width(layout)?);
        let out = by_rows(scores.len() / width, width, |row, out| {
            let seen = row % width + 1;
            let scores = &scores[row * width..][..seen];
            let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            out.iter_mut().zip(scores).for_each(|(out, score)| *out = (score - top).exp());
            let sum: f32 = out[..seen].iter().sum();
            out[..seen].iter_mut().for_each(|out| *out /= sum);
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, shares: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        shares.apply_op2_no_bwd(&gradient.contiguous()?, &CausalSoftmaxInput).map(Some)
    }
}

/// The gradient of the scores, from the shares and their gradient. Columns that a row does not see have the share 0.
struct CausalSoftmaxInput;

impl CustomOp2 for CausalSoftmaxInput {
    fn name(&self) -> &'static str {
        "causal_softmax_input"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (shares, gradient, width) = (floats(s1, l1)?, floats(s2, l2)?, width(l1)?);
        let out = by_rows(shares.len() / width, width, |row, out| {
            let (shares, gradient) = (&shares[row * width..][..width], &gradient[row * width..][..width]);
            let mean: f32 = shares.iter().zip(gradient).map(|(share, gradient)| share * gradient).sum();
            for ((out, share), gradient) in out.iter_mut().zip(shares).zip(gradient) {
                *out = share * (gradient - mean);
            }
        });
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }
}
