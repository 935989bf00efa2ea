//! Fused rotary positions on the CPU.

use candle_core::{Result, Shape, Tensor};

use super::cpu_op::{CpuInput, CpuKernel, CpuOp};
use super::fused::map_rows;

/// Rotates `[rows, heads, dim]` by angles whose cosines and sines are `[rows, 1, dim / 2]`, pairing the halves of a
/// head. The angles get no gradient.
pub(super) struct FusedRope {
    /// Rotate by the negative angles. The gradient of a rotation is the inverse rotation of the gradient.
    pub(super) inverse: bool,
}

impl CpuKernel<3> for FusedRope {
    const NAME: &'static str = "rotation";

    fn forward(&self, [x, cos, sin]: [CpuInput; 3]) -> Result<(Vec<f32>, Shape)> {
        let shape = x.shape();
        let (rows, heads, dim) = shape.dims3()?;
        let half = dim / 2;
        let (x, cos, sin) = (x.floats()?, cos.floats()?, sin.floats()?);
        let sign = if self.inverse { -1.0 } else { 1.0 };
        let y = map_rows(rows, heads * dim, |row, y| {
            let (cos, sin) = (&cos[row * half..][..half], &sin[row * half..][..half]);
            for (x, y) in x[row * heads * dim..].chunks_exact(dim).zip(y.chunks_exact_mut(dim)) {
                let ((a, b), (left, right)) = (x.split_at(half), y.split_at_mut(half));
                for at in 0..half {
                    let (cos, sin) = (cos[at], sign * sin[at]);
                    left[at] = a[at] * cos - b[at] * sin;
                    right[at] = b[at] * cos + a[at] * sin;
                }
            }
        });
        Ok((y, shape))
    }

    fn backward(&self, [_, cos, sin]: [&Tensor; 3], _: &Tensor, gradient: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let inverse = CpuOp(Self { inverse: !self.inverse });
        Ok([Some(gradient.contiguous()?.apply_op3_no_bwd(cos, sin, &inverse)?), None, None])
    }
}
