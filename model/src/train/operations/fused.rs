//! Fused CPU operations: multi-threaded forward and backward passes that read and write each element once.

use candle_core::{Result, Shape, Tensor};
use rayon::prelude::*;

use super::cpu_op::{CpuInput, CpuKernel, CpuOp};

/// Computes `count` rows of `width` elements in parallel, each by a function of its index.
pub(super) fn map_rows(count: usize, width: usize, row: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = vec![0f32; count * width];
    out.par_chunks_mut(width.max(1)).enumerate().for_each(|(index, out)| row(index, out));
    out
}

/// RMSNorm over the last dimension: `x / rms(x) * weight`.
pub(super) struct FusedRmsNorm {
    pub(super) eps: f32,
}

impl FusedRmsNorm {
    fn scale(&self, x: &[f32]) -> f32 {
        let mean = x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
        (mean + self.eps).sqrt().recip()
    }
}

impl CpuKernel<2> for FusedRmsNorm {
    const NAME: &'static str = "rms_norm";

    fn forward(&self, [x, weight]: [CpuInput; 2]) -> Result<(Vec<f32>, Shape)> {
        let (shape, width) = (x.shape(), x.width()?);
        let (x, weight) = (x.floats()?, weight.floats()?);
        let y = map_rows(x.len() / width, width, |row, y| {
            let x = &x[row * width..][..width];
            let scale = self.scale(x);
            for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
                *y = x * scale * weight;
            }
        });
        Ok((y, shape))
    }

    fn backward(&self, [x, weight]: [&Tensor; 2], _: &Tensor, gradient: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let gradient = gradient.contiguous()?;
        let of_x = x.apply_op3_no_bwd(weight, &gradient, &CpuOp(RmsNormInputGradient { eps: self.eps }))?;
        if !weight.track_op() {
            return Ok([Some(of_x), None]);
        }
        let normal = x.apply_op2_no_bwd(&weight.ones_like()?, &CpuOp(Self { eps: self.eps }))?;
        let of_weight = (normal * &gradient)?.flatten_to(x.rank() - 2)?.sum(0)?;
        Ok([Some(of_x), Some(of_weight)])
    }
}

/// Gradient of the input of [`FusedRmsNorm`], from input, weight and the gradient of the output.
struct RmsNormInputGradient {
    eps: f32,
}

impl CpuKernel<3> for RmsNormInputGradient {
    const NAME: &'static str = "rms_norm_input";

    fn forward(&self, [x, weight, gradient]: [CpuInput; 3]) -> Result<(Vec<f32>, Shape)> {
        let (shape, width) = (x.shape(), x.width()?);
        let (x, weight, gradient) = (x.floats()?, weight.floats()?, gradient.floats()?);
        let norm = FusedRmsNorm { eps: self.eps };
        let out = map_rows(x.len() / width, width, |row, out| {
            let (x, gradient) = (&x[row * width..][..width], &gradient[row * width..][..width]);
            let scale = norm.scale(x);
            let dot: f32 =
                x.iter().zip(gradient).zip(weight).map(|((x, gradient), weight)| x * gradient * weight).sum();
            let along = dot * scale * scale * scale / width as f32;
            for (((out, x), gradient), weight) in out.iter_mut().zip(x).zip(gradient).zip(weight) {
                *out = gradient * weight * scale - x * along;
            }
        });
        Ok((out, shape))
    }
}

/// `silu(gate) * up`.
pub(super) struct FusedSwiGlu;

/// SiLU, `x * sigmoid(x)`, and its derivative.
fn silu(x: f32) -> (f32, f32) {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    (x * sigmoid, sigmoid * (1.0 + x * (1.0 - sigmoid)))
}

/// Number of elements in a unit of parallel work.
const CHUNK_ELEMENTS: usize = 4096;

/// Computes `count` elements in parallel chunks, each by a function of the index of its first element.
fn map_chunks(count: usize, chunk: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = vec![0f32; count];
    out.par_chunks_mut(CHUNK_ELEMENTS).enumerate().for_each(|(index, out)| chunk(index * CHUNK_ELEMENTS, out));
    out
}

impl CpuKernel<2> for FusedSwiGlu {
    const NAME: &'static str = "swiglu";

    fn forward(&self, [gate, up]: [CpuInput; 2]) -> Result<(Vec<f32>, Shape)> {
        let shape = gate.shape();
        let (gate, up) = (gate.floats()?, up.floats()?);
        let out = map_chunks(gate.len(), |first, out| {
            for ((out, gate), up) in out.iter_mut().zip(&gate[first..]).zip(&up[first..]) {
                *out = silu(*gate).0 * up;
            }
        });
        Ok((out, shape))
    }

    fn backward(&self, [gate, up]: [&Tensor; 2], _: &Tensor, gradient: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let gradient = gradient.contiguous()?;
        let of_gate = gate.apply_op3_no_bwd(up, &gradient, &CpuOp(SwiGluGateGradient))?;
        let of_up = gate.apply_op2_no_bwd(&gradient, &CpuOp(Self))?;
        Ok([Some(of_gate), Some(of_up)])
    }
}

/// Gradient of the gate of [`FusedSwiGlu`], from gate, up and the gradient of the output.
struct SwiGluGateGradient;

impl CpuKernel<3> for SwiGluGateGradient {
    const NAME: &'static str = "swiglu_gate";

    fn forward(&self, [gate, up, gradient]: [CpuInput; 3]) -> Result<(Vec<f32>, Shape)> {
        let shape = gate.shape();
        let (gate, up, gradient) = (gate.floats()?, up.floats()?, gradient.floats()?);
        let out = map_chunks(gate.len(), |first, out| {
            for (((out, gate), up), gradient) in
                out.iter_mut().zip(&gate[first..]).zip(&up[first..]).zip(&gradient[first..])
            {
                *out = silu(*gate).1 * up * gradient;
            }
        });
        Ok((out, shape))
    }
}

/// Causal softmax of `[heads, rows, rows]`: each row is normalised over the columns up to the diagonal.
pub(super) struct CausalSoftmax;

impl CpuKernel<1> for CausalSoftmax {
    const NAME: &'static str = "causal_softmax";

    fn forward(&self, [scores]: [CpuInput; 1]) -> Result<(Vec<f32>, Shape)> {
        let (shape, width) = (scores.shape(), scores.width()?);
        let scores = scores.floats()?;
        let out = map_rows(scores.len() / width, width, |row, out| {
            let seen = row % width + 1;
            let scores = &scores[row * width..][..seen];
            let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for (out, score) in out.iter_mut().zip(scores) {
                *out = (score - max).exp();
            }
            let sum: f32 = out[..seen].iter().sum();
            for out in &mut out[..seen] {
                *out /= sum;
            }
        });
        Ok((out, shape))
    }

    fn backward(&self, _: [&Tensor; 1], probabilities: &Tensor, gradient: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let of_scores = probabilities.apply_op2_no_bwd(&gradient.contiguous()?, &CpuOp(CausalSoftmaxInputGradient))?;
        Ok([Some(of_scores)])
    }
}

/// Gradient of the input of [`CausalSoftmax`], from the output and its gradient. The output is 0 above the diagonal.
struct CausalSoftmaxInputGradient;

impl CpuKernel<2> for CausalSoftmaxInputGradient {
    const NAME: &'static str = "causal_softmax_input";

    fn forward(&self, [probabilities, gradient]: [CpuInput; 2]) -> Result<(Vec<f32>, Shape)> {
        let (shape, width) = (probabilities.shape(), probabilities.width()?);
        let (probabilities, gradient) = (probabilities.floats()?, gradient.floats()?);
        let out = map_rows(probabilities.len() / width, width, |row, out| {
            let (probabilities, gradient) = (&probabilities[row * width..][..width], &gradient[row * width..][..width]);
            let mean: f32 = probabilities.iter().zip(gradient).map(|(p, gradient)| p * gradient).sum();
            for ((out, p), gradient) in out.iter_mut().zip(probabilities).zip(gradient) {
                *out = p * (gradient - mean);
            }
        });
        Ok((out, shape))
    }
}
