//! Float matrices, multiplied one row of activations at a time, each output summed in one fixed order.

use half::{bf16, f16};

use super::packed::PartialProduct;
use super::simd::PANEL;

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
                for (to, value) in row.iter_mut().zip(&values[range]) {
                    *to = value.to_f32();
                }
            }
            DenseValues::Bf16(values) => {
                for (to, value) in row.iter_mut().zip(&values[range]) {
                    *to = value.to_f32();
                }
            }
        }
    }

    /// Computes a part of a product, as [`PackedMatrix::multiply`](super::packed::PackedMatrix::multiply) does.
    /// `weights` is scratch space.
    pub(crate) fn multiply(
        &self,
        part: PartialProduct,
        weights: &mut Vec<f32>,
        mut sink: impl FnMut(usize, usize, &[f32]),
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
                sink(row, panel * PANEL, &result[..lanes]);
            }
        }
    }
}
