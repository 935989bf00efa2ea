//! Keys and values of the tokens that a sequence has seen, and attention over them.
//!
//! A cache belongs to one sequence. Rows of a step are written behind its length and count only once they are
//! [committed](KvCache::commit), so a step that is abandoned half-way leaves nothing to undo.

use candle_core::{Device, Result, Tensor};
use half::f16;

use crate::config::Config;
use crate::decoder::Attend;
use crate::kernels::attention;

/// Positions by which a cache grows at least.
const GROWTH: usize = 256;

/// The cache of one sequence, 16-bit, one pair of `[kv_heads][capacity][dim]` for each layer.
pub(crate) struct KvCache {
    layers: Vec<(Vec<f16>, Vec<f16>)>,
    kv_heads: usize,
    dim: usize,
    capacity: usize,
    length: usize,
}

impl KvCache {
    /// An empty cache for a model of this shape.
    pub(crate) fn new(config: &Config) -> Self {
        let layers = (0..config.layers).map(|_| (Vec::new(), Vec::new())).collect();
        Self { layers, kv_heads: config.kv_heads, dim: config.head_dim, capacity: 0, length: 0 }
    }

    /// Bytes that one position takes in a model of this shape.
    pub(crate) fn bytes_per_position(config: &Config) -> usize {
        config.layers * 2 * config.kv_heads * config.head_dim * size_of::<f16>()
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.layers.len() * 2 * self.kv_heads * self.dim * self.capacity * size_of::<f16>()
    }

    /// Positions that count.
    #[cfg(test)]
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Forgets everything from `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// A cache of its own with the first `length` positions.
    pub(crate) fn fork(&self, length: usize) -> Self {
        let mut copy = Self {
            layers: self.layers.iter().map(|_| (Vec::new(), Vec::new())).collect(),
            length: 0,
            capacity: 0,
            ..*self
        };
        copy.reserve(length);
        for (own, theirs) in copy.layers.iter_mut().zip(&self.layers) {
            for (own, theirs) in [(&mut own.0, &theirs.0), (&mut own.1, &theirs.1)] {
                copy_heads(own, copy.capacity, theirs, self.capacity, length, self.kv_heads, self.dim);
            }
        }
        copy.length = length.min(self.length);
        copy
    }

    /// Makes room for `rows` more positions.
    pub(crate) fn reserve(&mut self, rows: usize) {
        let needed = self.length + rows;
        if needed <= self.capacity {
            return;
        }
        let capacity = needed.next_multiple_of(GROWTH);
        let size = self.kv_heads * capacity * self.dim;
        for layer in &mut self.layers {
            for side in [&mut layer.0, &mut layer.1] {
                let mut new = vec![f16::ZERO; size];
                copy_heads(&mut new, capacity, side, self.capacity, self.length, self.kv_heads, self.dim);
                *side = new;
            }
        }
        self.capacity = capacity;
    }

    /// Counts the `rows` positions that the last step wrote.
    pub(crate) fn commit(&mut self, rows: usize) {
        self.length += rows;
        debug_assert!(self.length <= self.capacity);
    }

    /// Writes `rows` rows of `[kv_heads, dim]` behind the length.
    fn write(&mut self, layer: usize, k: &[f32], v: &[f32], rows: usize) {
        let (heads, dim, capacity, length) = (self.kv_heads, self.dim, self.capacity, self.length);
        let (keys, values) = &mut self.layers[layer];
        for (side, new) in [(keys, k), (values, v)] {
            for (i, new) in new.chunks_exact(dim).enumerate().take(rows * heads) {
                let at = ((i % heads) * capacity + length + i / heads) * dim;
                for (slot, value) in side[at..at + dim].iter_mut().zip(new) {
                    *slot = f16::from_f32(*value);
                }
            }
        }
    }
}

fn copy_heads(
    to: &mut [f16],
    to_stride: usize,
    from: &[f16],
    from_stride: usize,
    length: usize,
    heads: usize,
    dim: usize,
) {
    if from.is_empty() {
        return;
    }
    for head in 0..heads {
        let (to_at, from_at, size) = (head * to_stride * dim, head * from_stride * dim, length * dim);
        to[to_at..to_at + size].copy_from_slice(&from[from_at..from_at + size]);
    }
}

/// Attention of one step over the caches of its spans; rows lie span after span.
pub(crate) struct Step<'a> {
    /// Each span's cache, with room reserved, and its number of rows.
    pub(crate) spans: Vec<(&'a mut KvCache, usize)>,
    /// Query heads of the model.
    pub(crate) heads: usize,
}

impl Attend for Step<'_> {
    fn attend(&mut self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let device = q.device().clone();
        let (rows, heads, dim) = q.dims3()?;
        let values = |x: &Tensor| x.flatten_all()?.to_vec1::<f32>();
        let (q, k, v) = (values(q)?, values(k)?, values(v)?);
        let mut out = vec![0f32; rows * heads * dim];
        let scale = 1.0 / (dim as f32).sqrt();
        let mut row = 0;
        for (cache, rows) in &mut self.spans {
            let rows = *rows;
            let width = cache.kv_heads * dim;
            cache.write(layer, &k[row * width..], &v[row * width..], rows);
            let (keys, values) = &cache.layers[layer];
            let (from, to) = (row * heads * dim, (row + rows) * heads * dim);
            attention(
                &q[from..to],
                rows,
                self.heads,
                cache.kv_heads,
                dim,
                keys,
                values,
                cache.capacity,
                cache.length,
                scale,
                &mut out[from..to],
            );
            row += rows;
        }
        Tensor::from_vec(out, (rows, heads * dim), &Device::Cpu)?.to_device(&device)
    }
}
