//! Textbook attention in f32 over plain vectors: slow, but too simple to share a mistake with the kernels.

use candle_core::{Result, Tensor};
use foretype_model::Attend;

/// Keys or values, `[tokens][kv_heads * dim]`.
type KvRows = Vec<Vec<f32>>;

/// An exact KV cache of one sequence.
#[derive(Default)]
pub(crate) struct Exact {
    layers: Vec<(KvRows, KvRows)>, // keys and values by layer
}

impl Attend for Exact {
    fn attend(&mut self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let (rows, heads, dim) = q.dims3()?;
        let shared = heads / k.dim(1)?;
        if self.layers.len() <= layer {
            self.layers.resize(layer + 1, Default::default());
        }
        let (keys, values) = &mut self.layers[layer];
        let before = keys.len();
        keys.extend(k.flatten_from(1)?.to_vec2::<f32>()?);
        values.extend(v.flatten_from(1)?.to_vec2::<f32>()?);
        let mut out = Vec::with_capacity(rows * heads * dim);
        for (row, q) in q.flatten_from(1)?.to_vec2::<f32>()?.iter().enumerate() {
            for (head, q) in q.chunks(dim).enumerate() {
                let own = head / shared * dim..(head / shared + 1) * dim;
                let seen = before + row + 1;
                out.extend(one(q, keys[..seen].iter().map(|k| &k[own.clone()]), values, own.clone()));
            }
        }
        Tensor::from_vec(out, (rows, heads * dim), q.device())
    }
}

/// Attention of one head of one row.
fn one<'a>(
    q: &[f32],
    keys: impl Iterator<Item = &'a [f32]>,
    values: &[Vec<f32>],
    own: std::ops::Range<usize>,
) -> Vec<f32> {
    let scale = 1.0 / (q.len() as f32).sqrt();
    let scores: Vec<f32> = keys.map(|k| scale * dot(k, q)).collect();
    let highest = scores.iter().copied().fold(f32::MIN, f32::max);
    let weights: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
    let total: f32 = weights.iter().sum();
    let mut out = vec![0.0; q.len()];
    for (weight, value) in weights.iter().zip(values) {
        for (out, v) in out.iter_mut().zip(&value[own.clone()]) {
            *out += weight / total * v;
        }
    }
    out
}

/// Dot product with eight partial sums, which a compiler can vectorise.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}
