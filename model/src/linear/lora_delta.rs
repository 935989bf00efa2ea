//! Low-rank addition of an adapter to a linear layer: `scale * B (A x)` (LoRA, Hu et al. 2021).

use candle_core::{Device, Result, Tensor};

use crate::kernels::activations::Activations;
use crate::kernels::simd::PANEL;
use crate::weights::lora::LoraWeights;

/// Low-rank addition to one matrix.
pub(crate) struct LoraDelta {
    /// `[rank, in]`
    a: Tensor,
    /// `[out, rank]`, multiplied by the scale
    b: Tensor,
    rank: usize,
    /// `[rank][in]`, on the host
    host_a: Vec<f32>,
    /// `[out / 16][rank][16]`, on the host
    host_b_panels: Vec<f32>,
}

impl LoraDelta {
    /// Creates the addition for a matrix on `device`.
    pub(crate) fn new(weights: &LoraWeights, device: &Device) -> Result<Self> {
        let (a, b) = (weights.a.to_device(device)?, (&weights.b * weights.scale)?.to_device(device)?);
        let (out, rank) = b.dims2()?;
        let values: Vec<f32> = b.flatten_all()?.to_vec1()?;
        let mut panels = vec![0f32; out.div_ceil(PANEL) * rank * PANEL];
        for (output, row) in values.chunks_exact(rank.max(1)).enumerate() {
            for (index, value) in row.iter().enumerate() {
                panels[(output / PANEL * rank + index) * PANEL + output % PANEL] = *value;
            }
        }
        Ok(Self { host_a: a.flatten_all()?.to_vec1()?, a, b, rank, host_b_panels: panels })
    }

    /// Maps `[rows, in]` to `[rows, out]`, as tensors.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.a.t()?)?.matmul(&self.b.t()?)
    }

    /// Computes `A x` of a row.
    fn project_down(&self, x: &[f32], projected: &mut [f32]) {
        for (projected, row) in projected.iter_mut().zip(self.host_a.chunks_exact(x.len())) {
            // Sixteen accumulators let the compiler vectorise; the order is the same for any number of rows.
            let mut sums = [0f32; 16];
            let (rows, inputs) = (row.chunks_exact(16), x.chunks_exact(16));
            let rest: f32 = rows.remainder().iter().zip(inputs.remainder()).map(|(a, x)| a * x).sum();
            for (a, x) in rows.zip(inputs) {
                for (sum, (a, x)) in sums.iter_mut().zip(a.iter().zip(x)) {
                    *sum += a * x;
                }
            }
            *projected = sums.iter().sum::<f32>() + rest;
        }
    }

    /// Adds the delta to the outputs of a row from `output` on, the first of a panel. `projected` is `A x` of all rows.
    pub(super) fn add(&self, projected: &[f32], row: usize, output: usize, sums: &mut [f32; PANEL]) {
        let panel = &self.host_b_panels[output / PANEL * self.rank * PANEL..][..self.rank * PANEL];
        for (projected, b) in projected[row * self.rank..][..self.rank].iter().zip(panel.chunks_exact(PANEL)) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += projected * b;
            }
        }
    }
}

/// Products `A x` that one thread has computed for the current activations. A phase has at most three matrices.
#[derive(Default)]
pub(super) struct LowRankProducts {
    /// Address of the delta, and `A x`, `[rows, rank]`.
    products: Vec<(usize, Vec<f32>)>,
    /// Number of products that belong to the current activations.
    valid: usize,
}

impl LowRankProducts {
    /// Discards the products after the activations have changed.
    pub(super) fn invalidate(&mut self) {
        self.valid = 0;
    }

    /// Returns `A x` of all rows, computing it if necessary.
    pub(super) fn product(&mut self, delta: &LoraDelta, rows: usize, inputs: &Activations) -> &[f32] {
        let key = std::ptr::from_ref(delta) as usize;
        let computed = self.products[..self.valid].iter().position(|(other, _)| *other == key);
        let index = match computed {
            Some(index) => index,
            None => {
                self.compute(delta, rows, inputs);
                self.valid - 1
            }
        };
        &self.products[index].1
    }

    fn compute(&mut self, delta: &LoraDelta, rows: usize, inputs: &Activations) {
        if self.products.len() == self.valid {
            self.products.push((0, Vec::new()));
        }
        let (key, projected) = &mut self.products[self.valid];
        *key = std::ptr::from_ref(delta) as usize;
        projected.resize(rows * delta.rank, 0.0);
        for (row, projected) in projected.chunks_exact_mut(delta.rank.max(1)).enumerate() {
            // SAFETY: the activations are complete: no thread writes them while they are multiplied.
            delta.project_down(unsafe { inputs.row(row) }, projected);
        }
        self.valid += 1;
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use foretype_plugins::random::Random;

    use super::*;
    use crate::kernels::kernels;
    use crate::linear::{Linear, ThreadScratch};

    fn matrix(rows: usize, columns: usize, seed: u64) -> Tensor {
        let mut random = Random::new(seed);
        let values: Vec<f32> = (0..rows * columns).map(|_| random.unit() as f32 - 0.5).collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu).expect("a matrix of its own shape")
    }

    /// Computes the outputs of the rows of `x` as a step does.
    fn outputs(linear: &Linear, x: &Tensor) -> Vec<f32> {
        let (rows, columns) = x.dims2().expect("a matrix");
        let values: Vec<f32> = x.flatten_all().and_then(|x| x.to_vec1()).expect("floats");
        let inputs = Activations::new(kernels(), &values, columns);
        let mut out = vec![0f32; rows * linear.out_features()];
        let mut scratch = ThreadScratch::default();
        for panel in 0..linear.panels() {
            linear.multiply(kernels(), rows, panel..panel + 1, &inputs, &mut scratch, |row, output, values| {
                out[row * linear.out_features() + output..][..values.len()].copy_from_slice(values);
            });
        }
        out
    }

    #[test]
    fn a_lora_delta_gives_the_outputs_of_the_merged_matrix() {
        let (base, a, b) = (matrix(40, 70, 1), matrix(3, 70, 2), matrix(40, 3, 3));
        let (bias, x) = (matrix(1, 40, 4).flatten_all().expect("a row"), matrix(5, 70, 5));
        let merged = (&base + (b.matmul(&a).expect("they fit") * 2.0).expect("a scale")).expect("one shape");
        let merged = Linear::dense(merged, Some(bias.clone())).expect("a matrix");
        let weights = LoraWeights { a, b, scale: 2.0 };
        let adapted = Linear::dense(base, Some(bias)).expect("a matrix");
        let adapted = adapted.with_lora_delta(LoraDelta::new(&weights, &Device::Cpu).expect("it fits"));
        let expected = outputs(&merged, &x);
        let tensors: Vec<f32> = adapted.forward(&x).and_then(|y| y.flatten_all()?.to_vec1()).expect("floats");
        for found in [outputs(&adapted, &x), tensors] {
            let error = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            assert!(error < 1e-4, "{error}");
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_other_rows() {
        let weights = LoraWeights { a: matrix(4, 64, 1), b: matrix(33, 4, 2), scale: 0.5 };
        let adapted = Linear::dense(matrix(33, 64, 3), None).expect("a matrix");
        let adapted = adapted.with_lora_delta(LoraDelta::new(&weights, &Device::Cpu).expect("it fits"));
        let x = matrix(6, 64, 4);
        let all = outputs(&adapted, &x);
        for row in 0..6 {
            let alone = outputs(&adapted, &x.narrow(0, row, 1).and_then(|x| x.contiguous()).expect("a row"));
            assert_eq!(alone, all[row * 33..(row + 1) * 33]);
        }
    }
}
