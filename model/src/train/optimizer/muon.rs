//! Muon: updates by the orthogonalised momentum of a matrix, all of whose singular values are near one.

use candle_core::{Result, Tensor};

use super::{Moments, Muon};

/// Coefficients of the quintic iteration that Jordan et al. tuned for a small number of steps.
const NEWTON_SCHULZ_COEFFICIENTS: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);
const NEWTON_SCHULZ_STEPS: usize = 5;

impl Muon {
    /// Updates a matrix from its gradient.
    pub(super) fn step(
        &self,
        weight: &Tensor,
        gradient: &Tensor,
        moments: &mut Moments,
        step: usize,
        rate: f64,
    ) -> Result<Tensor> {
        let (momentum, rate) = (self.momentum_at(step), self.rate * rate);
        let updated = ((&moments[0] * momentum)? + (gradient * (1.0 - momentum))?)?;
        // Nesterov momentum.
        let ahead = ((gradient * (1.0 - momentum))? + (&updated * momentum)?)?;
        *moments = vec![updated.detach()];
        let (rows, columns) = weight.dims2()?;
        let scale = (rows as f64 / columns as f64).max(1.0).sqrt();
        (weight * (1.0 - rate * self.weight_decay))? - (orthogonalize(&ahead)? * (rate * scale))?
    }

    fn momentum_at(&self, step: usize) -> f64 {
        let (from, to, steps) = self.momentum;
        from + (to - from) * (step as f64 / steps.max(1) as f64).min(1.0)
    }
}

/// Approximates the orthogonal matrix with the same singular vectors, by Newton-Schulz iterations.
fn orthogonalize(matrix: &Tensor) -> Result<Tensor> {
    let (a, b, c) = NEWTON_SCHULZ_COEFFICIENTS;
    let (rows, columns) = matrix.dims2()?;
    let tall = rows > columns;
    let mut x = if tall { matrix.t()?.contiguous()? } else { matrix.clone() };
    let norm = f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt();
    x = (x / (norm + 1e-7))?;
    for _ in 0..NEWTON_SCHULZ_STEPS {
        let square = x.matmul(&x.t()?)?;
        let mix = ((&square * b)? + (square.matmul(&square)? * c)?)?;
        x = ((&x * a)? + mix.matmul(&x)?)?;
    }
    if tall { x.t()?.contiguous() } else { Ok(x) }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use foretype_plugins::random::Random;

    use super::*;

    #[test]
    fn all_singular_values_are_near_one() {
        for (rows, columns) in [(8, 8), (4, 12), (12, 4)] {
            let mut random = Random::new(3);
            let values: Vec<f32> = (0..rows * columns).map(|_| random.unit() as f32 - 0.5).collect();
            let matrix = Tensor::from_vec(values, (rows, columns), &Device::Cpu).expect("a matrix");
            let x = orthogonalize(&matrix).expect("a product");
            let small =
                if rows > columns { x.t().expect("turned").matmul(&x) } else { x.matmul(&x.t().expect("turned")) };
            let square: Vec<Vec<f32>> = small.expect("a product").to_vec2().expect("numbers");
            // The iteration is tuned for speed and leaves singular values between 0.7 and 1.2.
            for (i, row) in square.iter().enumerate() {
                assert!((0.4..1.5).contains(&row[i]), "{rows} x {columns}: {row:?}");
                for (j, x) in row.iter().enumerate() {
                    assert!(j == i || x.abs() < 0.35, "{rows} x {columns}: {row:?}");
                }
            }
        }
    }
}
