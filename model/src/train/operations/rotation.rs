//! Rotary positions on the CPU: one pass forwards, one backwards.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::fused::{by_rows, floats, width};

/// `[rows, heads, dim]` rotated by angles whose cosines and sines are `[rows, 1, dim / 2]`; halves are paired. The angles have no
/// gradient.
pub(super) struct Rotation {
    /// Whether it turns back: the gradient of a rotation is the gradient turned back.
    pub(super) back: bool,
}

impl CustomOp3 for Rotation {
    fn name(&self) -> &'static str {
        "rotation"
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
        let (x, cos, sin, dim) = (floats(s1, l1)?, floats(s2, l2)?, floats(s3, l3)?, width(l1)?);
        let (rows, heads, half) = (l1.dims()[0], l1.dims()[1], dim / 2);
        let sign = if self.back { -1.0 } else { 1.0 };
        let y = by_rows(rows, heads * dim, |row, y| {
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
        Ok((CpuStorage::F32(y), l1.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let back = Self { back: !self.back };
        Ok((Some(gradient.contiguous()?.apply_op3_no_bwd(cos, sin, &back)?), None, None))
    }
}
