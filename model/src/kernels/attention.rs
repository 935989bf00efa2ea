//! Attention of some rows over the cache of one sequence, with 16-bit keys and values and 32-bit sums.
//!
//! Each row of each head is worked out alone, in the order of positions, so that its result depends neither on how many
//! rows share the call nor on the number of threads.

use half::f16;

use super::pool::pool;
use super::{Isa, isa};

/// Attention of `rows` rows over one sequence.
///
/// `q` is `[rows, heads, dim]`; `k` and `v` are `[kv_heads][stride][dim]`; row `r` sees the positions up to
/// `first_position + r`. Scores are multiplied by `scale` before the softmax. The result, `[rows, heads, dim]`, goes to
/// `out`.
///
/// # Panics
/// If a slice is too short for its shape.
#[expect(clippy::too_many_arguments, reason = "shapes of plain slices")]
pub fn attention(
    q: &[f32],
    rows: usize,
    heads: usize,
    kv_heads: usize,
    dim: usize,
    k: &[f16],
    v: &[f16],
    stride: usize,
    first_position: usize,
    scale: f32,
    out: &mut [f32],
) {
    assert!(q.len() >= rows * heads * dim && out.len() >= rows * heads * dim, "rows outside q or out");
    assert!(
        first_position + rows <= stride && k.len().min(v.len()) >= kv_heads * stride * dim,
        "positions outside k or v"
    );
    let target = Target(out.as_mut_ptr());
    let fast = isa() != Isa::Scalar && dim.is_multiple_of(8);
    let group = heads / kv_heads;
    let one = |item: usize, scores: &mut Vec<f32>| {
        let (row, head) = (item / heads, item % heads);
        let q = &q[item * dim..][..dim];
        let positions = first_position + row + 1;
        let cache = head / group * stride * dim..(head / group * stride + positions) * dim;
        scores.clear();
        scores.resize(positions, 0.0);
        // SAFETY: each item writes its own `dim` places inside `out`.
        let out = unsafe { std::slice::from_raw_parts_mut(target.at(item * dim), dim) };
        let (k, v) = (&k[cache.clone()], &v[cache]);
        if fast {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: every instruction set but the scalar one has AVX2, FMA and F16C.
            unsafe {
                x86::head(q, k, v, scale, scores, out);
            }
        } else {
            plain_head(q, k, v, scale, scores, out);
        }
    };
    let items = rows * heads;
    if items * (first_position + rows) < 512 {
        let mut scores = Vec::new();
        return (0..items).for_each(|item| one(item, &mut scores));
    }
    let threads = pool().threads();
    pool().run(&|thread| {
        let mut scores = Vec::new();
        // Later rows see more positions, so they are dealt out in turn.
        (thread..items).step_by(threads).for_each(|item| one(item, &mut scores));
    });
}

struct Target(*mut f32);

// SAFETY: threads write to disjoint places.
unsafe impl Sync for Target {}

impl Target {
    fn at(&self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }
}

/// Turns scores into weights; the same code for all kernels.
fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    let inverse = 1.0 / sum;
    scores.iter_mut().for_each(|score| *score *= inverse);
}

fn plain_head(q: &[f32], k: &[f16], v: &[f16], scale: f32, scores: &mut [f32], out: &mut [f32]) {
    for (score, k) in scores.iter_mut().zip(k.chunks_exact(q.len())) {
        *score = scale * q.iter().zip(k).map(|(q, k)| q * k.to_f32()).sum::<f32>();
    }
    softmax(scores);
    out.fill(0.0);
    for (weight, v) in scores.iter().zip(v.chunks_exact(q.len())) {
        for (out, v) in out.iter_mut().zip(v) {
            *out += weight * v.to_f32();
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use half::f16;

    /// One head of one row; `dim` is a multiple of 8.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn head(q: &[f32], k: &[f16], v: &[f16], scale: f32, scores: &mut [f32], out: &mut [f32]) {
        let dim = q.len();
        for (score, k) in scores.iter_mut().zip(k.chunks_exact(dim)) {
            let mut sum = _mm256_setzero_ps();
            for (q, k) in q.chunks_exact(8).zip(k.chunks_exact(8)) {
                // SAFETY: both chunks have 8 values.
                unsafe { sum = _mm256_fmadd_ps(_mm256_loadu_ps(q.as_ptr()), load(k), sum) };
            }
            *score = scale * across(sum);
        }
        super::softmax(scores);
        for (at, out) in out.chunks_exact_mut(8).enumerate() {
            let mut sum = _mm256_setzero_ps();
            for (weight, v) in scores.iter().zip(v.chunks_exact(dim)) {
                sum = _mm256_fmadd_ps(_mm256_set1_ps(*weight), load(&v[at * 8..at * 8 + 8]), sum);
            }
            // SAFETY: the chunk has 8 values.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sum) };
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    fn load(values: &[f16]) -> __m256 {
        debug_assert!(values.len() >= 8);
        // SAFETY: there are 8 values.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(values.as_ptr().cast())) }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    fn across(sum: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|i| (i * step % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn halves(values: &[f32]) -> Vec<f16> {
        values.iter().map(|value| f16::from_f32(*value)).collect()
    }

    #[test]
    fn a_row_is_the_same_alone_and_among_others() {
        let (heads, kv_heads, dim, stride, first) = (6, 2, 64, 40, 20);
        let (k, v) = (halves(&wave(kv_heads * stride * dim, 7)), halves(&wave(kv_heads * stride * dim, 11)));
        let q = wave(16 * heads * dim, 13);
        let run = |q: &[f32], rows: usize, first: usize| {
            let mut out = vec![0.0; rows * heads * dim];
            attention(q, rows, heads, kv_heads, dim, &k, &v, stride, first, 0.125, &mut out);
            out
        };
        let together = run(&q, 16, first);
        for row in 0..16 {
            let alone = run(&q[row * heads * dim..][..heads * dim], 1, first + row);
            assert_eq!(alone, together[row * heads * dim..][..heads * dim], "row {row}");
        }
    }

    #[test]
    fn the_kernel_agrees_with_the_definition() {
        let (dim, positions) = (64, 33);
        let (q, k, v) = (wave(dim, 3), halves(&wave(positions * dim, 7)), halves(&wave(positions * dim, 11)));
        let (mut fast, mut plain) = (vec![0.0; dim], vec![0.0; dim]);
        attention(&q, 1, 1, 1, dim, &k, &v, positions, positions - 1, 0.125, &mut fast);
        plain_head(&q, &k, &v, 0.125, &mut vec![0.0; positions], &mut plain);
        for (fast, plain) in fast.iter().zip(&plain) {
            assert!((fast - plain).abs() < 1e-5, "{fast} {plain}");
        }
    }
}
