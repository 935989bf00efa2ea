//! Float matrices, one row of the input at a time and each output's sum in one fixed order.

use half::{bf16, f16};

use super::pool::pool;

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

/// Sums that run side by side, so that a processor can add while it waits for the one before.
const LANES: usize = 16;

impl Dense {
    /// Row `output`, as floats.
    pub(crate) fn row(&self, output: usize, row: &mut [f32]) {
        let range = output * self.columns..(output + 1) * self.columns;
        match &self.values {
            Values::F32(values) => row.copy_from_slice(&values[range]),
            Values::F16(values) => row.iter_mut().zip(&values[range]).for_each(|(row, value)| *row = value.to_f32()),
            Values::Bf16(values) => row.iter_mut().zip(&values[range]).for_each(|(row, value)| *row = value.to_f32()),
        }
    }

    /// `x` (`[rows, in]`) times the transposed matrix into `y` (`[rows, out]`).
    pub(crate) fn multiply(&self, x: &[f32], y: &mut [f32]) {
        let target = Target(y.as_mut_ptr());
        pool().ranges(self.out, &|range| {
            let target = &target;
            let mut weights = vec![0f32; self.columns];
            for output in range {
                self.row(output, &mut weights);
                for (row, x) in x.chunks_exact(self.columns).enumerate() {
                    // SAFETY: inside `y`, and no two threads have the same output.
                    unsafe { *target.0.add(row * self.out + output) = dot(&weights, x) };
                }
            }
        });
    }
}

struct Target(*mut f32);

// SAFETY: threads write to disjoint places.
unsafe impl Sync for Target {}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}
