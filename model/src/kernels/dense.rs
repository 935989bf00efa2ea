//! Float matrices, one row of the input at a time and each output's sum in one fixed order.

use half::{bf16, f16};

use super::packed::Part;
use super::simd::{PANEL, Simd, across};

/// The values of a matrix `[out, in]`.
#[derive(Debug)]
pub(crate) enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

/// A float matrix `[out, in]`.
#[derive(Debug)]
pub(crate) struct Dense {
    pub(crate) out: usize,
    pub(crate) columns: usize,
    pub(crate) values: Values,
}

impl Dense {
    /// Bytes that a product reads.
    pub(crate) fn bytes(&self) -> usize {
        match &self.values {
            Values::F32(values) => size_of_val(&values[..]),
            Values::F16(values) => size_of_val(&values[..]),
            Values::Bf16(values) => size_of_val(&values[..]),
        }
    }

    /// Row `output`, as floats.
    pub(crate) fn row(&self, output: usize, row: &mut [f32]) {
        let range = output * self.columns..(output + 1) * self.columns;
        match &self.values {
            Values::F32(values) => row.copy_from_slice(&values[range]),
            Values::F16(values) => row.iter_mut().zip(&values[range]).for_each(|(row, value)| *row = value.to_f32()),
            Values::Bf16(values) => row.iter_mut().zip(&values[range]).for_each(|(row, value)| *row = value.to_f32()),
        }
    }

    /// As [`Packed::multiply`](super::packed::Packed::multiply); `weights` is scratch.
    pub(crate) fn multiply(&self, part: Part, weights: &mut Vec<f32>, mut take: impl FnMut(usize, usize, &[f32])) {
        let Part { kernels, rows, panels, inputs } = part;
        weights.resize(PANEL * self.columns, 0.0);
        for panel in panels {
            let lanes = PANEL.min(self.out - panel * PANEL);
            for (lane, weights) in weights.chunks_exact_mut(self.columns).enumerate().take(lanes) {
                self.row(panel * PANEL + lane, weights);
            }
            for row in rows.clone() {
                let mut result = [0f32; PANEL];
                // SAFETY: the inputs are complete, and the kernels are those of a set that is here.
                unsafe {
                    let x = inputs.row(row);
                    for (result, weights) in result.iter_mut().zip(weights.chunks_exact(self.columns)).take(lanes) {
                        *result = (kernels.dot)(weights, x);
                    }
                }
                take(row, panel * PANEL, &result[..lanes]);
            }
        }
    }
}

/// The dot product of two rows of the same length.
pub(crate) type Dot = unsafe fn(a: &[f32], b: &[f32]) -> f32;

/// Sums that run side by side, so that a processor can add while it waits for the one before.
const SUMS: usize = 4;

/// A [`Dot`].
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    let whole = a.len().min(b.len()) / (SUMS * S::LANES) * (SUMS * S::LANES);
    // SAFETY: the caller's; reads stay inside both rows.
    let sum = unsafe {
        let mut sums = [S::splat_f32(0.0); SUMS];
        for at in (0..whole).step_by(SUMS * S::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let at = at + i * S::LANES;
                *sum = S::mul_add(S::load_f32(a.as_ptr().add(at)), S::load_f32(b.as_ptr().add(at)), *sum);
            }
        }
        across::<S>(S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3])))
    };
    sum + a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum::<f32>()
}
