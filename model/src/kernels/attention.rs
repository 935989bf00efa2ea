//! Attention over a KV cache of 16-bit floats, with 32-bit sums.
//!
//! Keys lie in panels of 16 positions, `[panel][dim][16]`, so that a register holds the scores of many positions and
//! nothing is summed across lanes. Values lie position after position, `[position][dim]`. Query heads that share a KV
//! head (grouped-query attention) are computed together, so that keys and values are loaded and converted once for all
//! of them.
//!
//! Positions are processed in blocks whose results are merged in order (online softmax, Milakov and Gimelshein 2018),
//! so threads can split a long row without changing the sum.

use std::ops::Range;

use half::f16;

use super::elementwise::exp_and_sum;
use super::simd::{PANEL, Simd, with_count};

/// Positions per block, a multiple of [`PANEL`].
pub(crate) const BLOCK_POSITIONS: usize = 512;

/// Maximum number of query heads that are computed together.
pub(crate) const MAX_QUERY_HEADS: usize = 8;

/// Keys and values of one KV head.
#[derive(Clone, Copy)]
pub(crate) struct KvHead {
    /// `[positions / 16][dim][16]`
    pub(crate) keys: *const f16,
    /// `[positions][dim]`
    pub(crate) values: *const f16,
    /// Width of a head.
    pub(crate) dim: usize,
    /// Factor of the scores before the softmax.
    pub(crate) scale: f32,
}

/// Attention of some query heads over some positions, before the division by the softmax sum.
#[derive(Debug, Clone)]
pub(crate) struct PartialAttention {
    max: [f32; MAX_QUERY_HEADS],
    sum: [f32; MAX_QUERY_HEADS],
    out: Vec<f32>, // [heads, dim]
}

impl PartialAttention {
    /// Creates room for heads of width `dim`.
    pub(crate) fn new(dim: usize) -> Self {
        Self { max: [0.0; MAX_QUERY_HEADS], sum: [0.0; MAX_QUERY_HEADS], out: vec![0.0; MAX_QUERY_HEADS * dim] }
    }

    /// Merges the result of the next block into this one.
    pub(crate) fn merge(&mut self, next: &Self, heads: usize, dim: usize) {
        for head in 0..heads {
            let max = self.max[head].max(next.max[head]);
            let (factor, next_factor) = ((self.max[head] - max).exp(), (next.max[head] - max).exp());
            self.max[head] = max;
            self.sum[head] = self.sum[head] * factor + next.sum[head] * next_factor;
            let columns = head * dim..(head + 1) * dim;
            for (out, next) in self.out[columns.clone()].iter_mut().zip(&next.out[columns]) {
                *out = *out * factor + next * next_factor;
            }
        }
    }

    /// Divides by the sums and writes the attention `[heads, dim]`.
    pub(crate) fn finish(&self, dim: usize, attended: &mut [f32]) {
        for (head, attended) in attended.chunks_exact_mut(dim).enumerate() {
            let factor = 1.0 / self.sum[head];
            for (attended, out) in attended.iter_mut().zip(&self.out[head * dim..]) {
                *attended = out * factor;
            }
        }
    }
}

/// Computes the attention of `q` (`[heads, dim]`, 1 to [`MAX_QUERY_HEADS`] heads) over a block of positions that starts
/// at a multiple of 16. `scores` is scratch space.
pub(crate) type AttendBlockKernel =
    unsafe fn(q: &[f32], kv: KvHead, positions: Range<usize>, scores: &mut Vec<f32>, out: &mut PartialAttention);

/// [`AttendBlockKernel`] of a set.
///
/// # Safety
/// As for [`Simd`]. Keys and values hold the positions, and the panels of keys are complete.
#[inline(always)]
pub(crate) unsafe fn attend_block<S: Simd>(
    q: &[f32],
    kv: KvHead,
    positions: Range<usize>,
    scores: &mut Vec<f32>,
    out: &mut PartialAttention,
) {
    // SAFETY: as the caller guarantees.
    unsafe { with_count!(q.len() / kv.dim, HEADS => attend_heads::<S, HEADS>(q, kv, positions, scores, out)) }
}

#[inline(always)]
unsafe fn attend_heads<S: Simd, const HEADS: usize>(
    q: &[f32],
    kv: KvHead,
    positions: Range<usize>,
    scores: &mut Vec<f32>,
    out: &mut PartialAttention,
) {
    let count = positions.len();
    let width = count.next_multiple_of(PANEL);
    if scores.len() < HEADS * width {
        scores.resize(HEADS * width, 0.0);
    }
    // SAFETY: as the caller guarantees.
    unsafe {
        score_keys::<S, HEADS>(q, kv, positions.start / PANEL, width, scores);
        for head in 0..HEADS {
            let scores = &mut scores[head * width..(head + 1) * width];
            (out.max[head], out.sum[head]) = exp_and_sum::<S>(scores, count);
        }
        let values = kv.values.add(positions.start * kv.dim);
        let vector_len = kv.dim / S::LANES * S::LANES;
        for at in (0..vector_len).step_by(S::LANES) {
            let sums = weight_values::<S, HEADS>(scores, values.add(at), kv.dim, count, width);
            for (head, sum) in sums.into_iter().enumerate() {
                S::store_f32(out.out.as_mut_ptr().add(head * kv.dim + at), sum);
            }
        }
        for at in vector_len..kv.dim {
            for head in 0..HEADS {
                let weights = scores[head * width..].iter().take(count).enumerate();
                let products = weights.map(|(i, weight)| weight * (*values.add(i * kv.dim + at)).to_f32());
                out.out[head * kv.dim + at] = products.sum();
            }
        }
    }
}

/// Computes the scores of `width` positions from panel `first` on, `[heads, width]`.
#[inline(always)]
unsafe fn score_keys<S: Simd, const HEADS: usize>(
    q: &[f32],
    kv: KvHead,
    first: usize,
    width: usize,
    scores: &mut [f32],
) {
    // SAFETY: as the caller guarantees; panels are complete, and `scores` holds `HEADS * width`.
    unsafe {
        for at in (0..width).step_by(S::LANES) {
            let panel = kv.keys.add((first + at / PANEL) * kv.dim * PANEL + at % PANEL);
            let mut sums = [S::splat_f32(0.0); HEADS];
            for d in 0..kv.dim {
                let key = S::load_f16(panel.add(d * PANEL));
                for (head, sum) in sums.iter_mut().enumerate() {
                    *sum = S::mul_add(key, S::splat_f32(*q.as_ptr().add(head * kv.dim + d)), *sum);
                }
            }
            for (head, sum) in sums.iter().enumerate() {
                S::store_f32(scores.as_mut_ptr().add(head * width + at), S::mul(*sum, S::splat_f32(kv.scale)));
            }
        }
    }
}

/// Computes the weighted sum of one register of value columns, for each head.
#[inline(always)]
unsafe fn weight_values<S: Simd, const HEADS: usize>(
    weights: &[f32],
    values: *const f16,
    dim: usize,
    count: usize,
    width: usize,
) -> [S::Floats; HEADS] {
    // SAFETY: as the caller guarantees; `weights` holds `HEADS * width`.
    unsafe {
        let mut sums = [S::splat_f32(0.0); HEADS];
        for position in 0..count {
            let value = S::load_f16(values.add(position * dim));
            for (head, sum) in sums.iter_mut().enumerate() {
                *sum = S::mul_add(value, S::splat_f32(*weights.as_ptr().add(head * width + position)), *sum);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::kernels;
    use super::*;

    fn wave(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|i| (i * step % 101) as f32 / 50.0 - 1.0).collect()
    }

    /// Lays out keys in panels and values in order, from `[positions][dim]` each.
    fn cache(keys: &[f32], values: &[f32], dim: usize) -> (Vec<f16>, Vec<f16>) {
        let positions = (keys.len() / dim).next_multiple_of(PANEL);
        let mut panels = vec![f16::NAN; positions * dim];
        for (i, key) in keys.iter().enumerate() {
            let (position, d) = (i / dim, i % dim);
            panels[(position / PANEL * dim + d) * PANEL + position % PANEL] = f16::from_f32(*key);
        }
        (panels, values.iter().map(|value| f16::from_f32(*value)).collect())
    }

    /// Attention by its definition, in f64.
    fn exact(q: &[f32], keys: &[f16], values: &[f16], dim: usize, count: usize, scale: f32) -> Vec<f64> {
        let key = |position: usize, d: usize| keys[(position / PANEL * dim + d) * PANEL + position % PANEL].to_f64();
        let score = |position| f64::from(scale) * (0..dim).map(|d| f64::from(q[d]) * key(position, d)).sum::<f64>();
        let weights: Vec<f64> = (0..count).map(|position| score(position).exp()).collect();
        let total: f64 = weights.iter().sum();
        let value = |position: usize, d: usize| values[position * dim + d].to_f64();
        (0..dim).map(|d| (0..count).map(|p| weights[p] / total * value(p, d)).sum()).collect()
    }

    #[test]
    fn every_kernel_agrees_with_the_definition_for_any_shape() {
        for (heads, dim, count) in [(1, 64, 1), (7, 64, 33), (3, 96, 16), (8, 20, 100), (2, 128, 700), (1, 4, 17)] {
            let (k, v) = cache(&wave(count * dim, 7), &wave(count * dim, 11), dim);
            let (q, scale) = (wave(heads * dim, 13), 0.3);
            let kv = KvHead { keys: k.as_ptr(), values: v.as_ptr(), dim, scale };
            for (isa, kernels) in kernels() {
                let mut total = PartialAttention::new(dim);
                for start in (0..count).step_by(BLOCK_POSITIONS) {
                    let mut part = PartialAttention::new(dim);
                    // SAFETY: the set is supported; keys and values hold `count` positions.
                    unsafe {
                        let block = start..count.min(start + BLOCK_POSITIONS);
                        (kernels.attend_block)(&q, kv, block, &mut Vec::new(), &mut part);
                    }
                    if start == 0 { total = part } else { total.merge(&part, heads, dim) }
                }
                let mut out = vec![0.0; heads * dim];
                total.finish(dim, &mut out);
                for (head, out) in out.chunks_exact(dim).enumerate() {
                    let want = exact(&q[head * dim..], &k, &v, dim, count, scale);
                    for (got, want) in out.iter().zip(want) {
                        assert!((f64::from(*got) - want).abs() < 1e-5, "{isa:?} {heads} {dim} {count}: {got} {want}");
                    }
                }
            }
        }
    }
}
