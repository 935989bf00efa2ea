//! Float matrices, multiplied one row of activations at a time, each output summed in one fixed order.

use half::{bf16, f16};

use super::packed::PartialProduct;
use super::simd::{PANEL, Simd, reduce_sum};

/// Values of a matrix `[out, in]`.
#[derive(Debug)]
pub(crate) enum DenseValues {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

/// Float matrix `[out, in]`.
#[derive(Debug)]
pub(crate) struct DenseMatrix {
    pub(crate) out: usize,
    pub(crate) columns: usize,
    pub(crate) values: DenseValues,
}

impl DenseMatrix {
    /// Number of bytes that a product reads.
    pub(crate) fn bytes(&self) -> usize {
        match &self.values {
            DenseValues::F32(values) => size_of_val(&values[..]),
            DenseValues::F16(values) => size_of_val(&values[..]),
            DenseValues::Bf16(values) => size_of_val(&values[..]),
        }
    }

    /// Converts row `output` to 32-bit floats.
    pub(crate) fn row(&self, output: usize, row: &mut [f32]) {
        let range = output * self.columns..(output + 1) * self.columns;
        match &self.values {
            DenseValues::F32(values) => row.copy_from_slice(&values[range]),
            DenseValues::F16(values) => {
                row.iter_mut().zip(&values[range]).for_each(|(row, value)| *row = value.to_f32())
            }
            DenseValues::Bf16(values) => {
                row.iter_mut().zip(&values[range]).for_each(|(row, value)| *row = value.to_f32())
            }
        }
    }

    /// Computes a part of a product, as [`PackedMatrix::multiply`](super::packed::PackedMatrix::multiply) does. `weights` is scratch
    /// space.
    pub(crate) fn multiply(
        &self,
        part: PartialProduct,
        weights: &mut Vec<f32>,
        mut take: impl FnMut(usize, usize, &[f32]),
    ) {
        let PartialProduct { kernels, rows, panels, inputs } = part;
        weights.resize(PANEL * self.columns, 0.0);
        for panel in panels {
            let lanes = PANEL.min(self.out - panel * PANEL);
            for (lane, weights) in weights.chunks_exact_mut(self.columns).enumerate().take(lanes) {
                self.row(panel * PANEL + lane, weights);
            }
            for row in rows.clone() {
                let mut result = [0f32; PANEL];
                // SAFETY: the activations are complete, and the processor supports the kernels' set.
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

/// Computes the dot product of two rows of the same length.
pub(crate) type DotKernel = unsafe fn(a: &[f32], b: &[f32]) -> f32;

/// Number of independent accumulators, which hide the latency of additions.
const ACCUMULATOR_COUNT: usize = 4;

/// [`DotKernel`] of a set.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    let whole = a.len().min(b.len()) / (ACCUMULATOR_COUNT * S::LANES) * (ACCUMULATOR_COUNT * S::LANES);
    // SAFETY: as the caller guarantees; reads stay inside both rows.
    let sum = unsafe {
        let mut sums = [S::splat_f32(0.0); ACCUMULATOR_COUNT];
        for at in (0..whole).step_by(ACCUMULATOR_COUNT * S::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let at = at + i * S::LANES;
                *sum = S::mul_add(S::load_f32(a.as_ptr().add(at)), S::load_f32(b.as_ptr().add(at)), *sum);
            }
        }
        reduce_sum::<S>(S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3])))
    };
    sum + a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum::<f32>()
}
