//! Element-wise kernels and reductions on rows of floats: quantisation, norms, activations, softmax. Each row is
//! computed alone, in one fixed order.

use half::f16;

use super::layout::LINE_BYTES;
use super::memory::Line;
use super::simd::{PANEL, Simd, exp, reduce_max, reduce_sum};

/// Columns per scale of quantised activations.
pub(crate) const BLOCK_COLUMNS: usize = 32;

/// Quantises a row `x` to signed bytes `quants`, with a scale per 32 columns in `scales` and the sum of each 16 quants
/// in `sums`.
pub(crate) type QuantiseKernel = unsafe fn(x: &[f32], quants: &mut [i8], scales: &mut [f32], sums: &mut [i32]);

/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn quantise<S: Simd>(x: &[f32], quants: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
    let blocks = x.chunks_exact(BLOCK_COLUMNS).zip(quants.chunks_exact_mut(BLOCK_COLUMNS));
    for (((x, quants), scale), sums) in blocks.zip(scales).zip(sums.chunks_exact_mut(2)) {
        // SAFETY: as the caller guarantees; a block has 32 values.
        unsafe {
            let mut max = S::splat_f32(0.0);
            for at in (0..BLOCK_COLUMNS).step_by(S::LANES) {
                max = S::max(S::abs(S::load_f32(x.as_ptr().add(at))), max);
            }
            let max = reduce_max::<S>(max).max(0.0);
            let inverse = S::splat_f32(if max > 0.0 { 127.0 / max } else { 0.0 });
            let (mut ints, mut floats) = ([0i32; BLOCK_COLUMNS], [0f32; BLOCK_COLUMNS]);
            for at in (0..BLOCK_COLUMNS).step_by(S::LANES) {
                let rounded = S::round_to_i32(S::mul(S::load_f32(x.as_ptr().add(at)), inverse));
                S::store_i32(ints.as_mut_ptr().add(at), rounded);
                S::store_f32(floats.as_mut_ptr().add(at), S::to_f32(rounded));
            }
            for (quant, int) in quants.iter_mut().zip(&ints) {
                *quant = *int as i8;
            }
            *scale = max / 127.0;
            for (sum, floats) in sums.iter_mut().zip(floats.as_chunks::<16>().0) {
                *sum = sum_integers(*floats) as i32;
            }
        }
    }
}

/// Sums small integers by folding halves. They are floats because the compiler reassociates sums of integers, into
/// three times as many instructions.
#[inline(always)]
fn sum_integers(mut values: [f32; 16]) -> f32 {
    fold_half::<8>(&mut values);
    fold_half::<4>(&mut values);
    fold_half::<2>(&mut values);
    values[0] + values[1]
}

/// Adds to each of the first `HALF` values the one `HALF` after it.
#[inline(always)]
fn fold_half<const HALF: usize>(values: &mut [f32; 16]) {
    for i in 0..HALF {
        values[i] += values[i + HALF];
    }
}

/// Computes `out = x / rms(x) * weight` (Zhang and Sennrich 2019).
pub(crate) type RmsNormKernel = unsafe fn(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]);

/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn rms_norm<S: Simd>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    // SAFETY: as the caller guarantees.
    let squares = unsafe { sum_of_squares::<S>(x, 0.0) };
    let factor = 1.0 / (squares / x.len() as f32 + eps).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * factor * weight;
    }
}

/// Computes `out = (x - mean) / deviation * weight + bias` (Ba et al. 2016).
pub(crate) type LayerNormKernel = unsafe fn(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]);

/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn layer_norm<S: Simd>(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
    // SAFETY: as the caller guarantees.
    let mean = unsafe { sum::<S>(x) } / x.len() as f32;
    // SAFETY: as the caller guarantees.
    let variance = unsafe { sum_of_squares::<S>(x, mean) } / x.len() as f32;
    let factor = 1.0 / (variance + eps).sqrt();
    for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
        *out = (x - mean) * factor * weight + bias;
    }
}

/// Sums a row: whole registers lane by lane, then the lanes, then the rest.
#[inline(always)]
unsafe fn sum<S: Simd>(x: &[f32]) -> f32 {
    let vector_len = x.len() / S::LANES * S::LANES;
    // SAFETY: as the caller guarantees; reads stay inside `x`.
    let lanes = unsafe {
        let mut sum = S::splat_f32(0.0);
        for at in (0..vector_len).step_by(S::LANES) {
            sum = S::add(sum, S::load_f32(x.as_ptr().add(at)));
        }
        reduce_sum::<S>(sum)
    };
    lanes + x[vector_len..].iter().sum::<f32>()
}

/// Sums `(x - mean)^2`, in the order of [`sum`].
#[inline(always)]
unsafe fn sum_of_squares<S: Simd>(x: &[f32], mean: f32) -> f32 {
    let vector_len = x.len() / S::LANES * S::LANES;
    // SAFETY: as the caller guarantees; reads stay inside `x`.
    let lanes = unsafe {
        let (mut sum, minus_mean) = (S::splat_f32(0.0), S::splat_f32(-mean));
        for at in (0..vector_len).step_by(S::LANES) {
            let deviation = S::add(S::load_f32(x.as_ptr().add(at)), minus_mean);
            sum = S::mul_add(deviation, deviation, sum);
        }
        reduce_sum::<S>(sum)
    };
    lanes + x[vector_len..].iter().map(|x| (x - mean) * (x - mean)).sum::<f32>()
}

/// Computes `gate = silu(gate) * up`, or `silu(gate)` if `up` is empty.
pub(crate) type SiluKernel = unsafe fn(gate: &mut [f32], up: &[f32]);

/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn silu<S: Simd>(gate: &mut [f32], up: &[f32]) {
    let mut chunks = gate.chunks_exact_mut(S::LANES);
    for chunk in &mut chunks {
        // SAFETY: as the caller guarantees; a chunk fills a register.
        unsafe { S::store_f32(chunk.as_mut_ptr(), silu_lanes::<S>(S::load_f32(chunk.as_ptr()))) };
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let mut padded = [0f32; PANEL];
        padded[..rest.len()].copy_from_slice(rest);
        // SAFETY: as the caller guarantees; the padding fills a register.
        unsafe { S::store_f32(padded.as_mut_ptr(), silu_lanes::<S>(S::load_f32(padded.as_ptr()))) };
        rest.copy_from_slice(&padded[..rest.len()]);
    }
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate *= up;
    }
}

#[inline(always)]
unsafe fn silu_lanes<S: Simd>(x: S::Floats) -> S::Floats {
    // SAFETY: as the caller guarantees.
    unsafe { S::div(x, S::add(S::splat_f32(1.0), exp::<S>(S::mul(x, S::splat_f32(-1.0))))) }
}

/// Replaces scores by `exp(score - max)` and returns `max`, the largest score, and their sum. The number of scores is a
/// multiple of 16; those from `count` on become 0.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp_and_sum<S: Simd>(scores: &mut [f32], count: usize) -> (f32, f32) {
    // SAFETY: as the caller guarantees.
    unsafe {
        scores[count..].fill(f32::NEG_INFINITY);
        let mut max = S::splat_f32(f32::NEG_INFINITY);
        for at in (0..scores.len()).step_by(S::LANES) {
            max = S::max(S::load_f32(scores.as_ptr().add(at)), max);
        }
        let max = reduce_max::<S>(max);
        let minus_max = S::splat_f32(-max);
        let mut sum = S::splat_f32(0.0);
        for at in (0..scores.len()).step_by(S::LANES) {
            let power = exp::<S>(S::add(S::load_f32(scores.as_ptr().add(at)), minus_max));
            S::store_f32(scores.as_mut_ptr().add(at), power);
            sum = S::add(sum, power);
        }
        (max, reduce_sum::<S>(sum))
    }
}

/// Converts a row to 16-bit floats.
pub(crate) type ToF16Kernel = unsafe fn(x: &[f32], out: &mut [f16]);

/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn to_f16<S: Simd>(x: &[f32], out: &mut [f16]) {
    let vector_len = x.len().min(out.len()) / S::LANES * S::LANES;
    for at in (0..vector_len).step_by(S::LANES) {
        // SAFETY: as the caller guarantees; `at + LANES` is inside both.
        unsafe { S::store_f16(out.as_mut_ptr().add(at), S::load_f32(x.as_ptr().add(at))) };
    }
    for (out, x) in out[vector_len..].iter_mut().zip(&x[vector_len..]) {
        *out = f16::from_f32(*x);
    }
}

/// Reads lines as fast as the set can and returns a value that depends on each byte, so that no read is optimised away.
pub(crate) type ReadKernel = unsafe fn(&[Line]) -> i32;

/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn read_lines<S: Simd>(lines: &[Line]) -> i32 {
    let mut lanes = [0i32; PANEL];
    // SAFETY: as the caller guarantees; a line is a whole number of registers.
    unsafe {
        let mut all = S::splat_i32(0);
        for line in lines {
            for at in (0..LINE_BYTES).step_by(S::LANES * 4) {
                all = S::or(all, S::load_bytes(line.0.as_ptr().add(at)));
            }
        }
        S::store_i32(lanes.as_mut_ptr(), all);
    }
    lanes.iter().fold(0, |all, lane| all | lane)
}

/// Returns the largest `value + error * factor`; negative infinity of none.
pub(crate) type MaxBoundKernel = unsafe fn(values: &[f32], errors: &[f32], factor: f32) -> f32;

/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn max_bound<S: Simd>(values: &[f32], errors: &[f32], factor: f32) -> f32 {
    let vector_len = values.len().min(errors.len()) / S::LANES * S::LANES;
    // SAFETY: as the caller guarantees; `at + LANES` is inside both.
    let max = unsafe {
        let (mut max, factor) = (S::splat_f32(f32::NEG_INFINITY), S::splat_f32(factor));
        for at in (0..vector_len).step_by(S::LANES) {
            let bound = S::mul_add(S::load_f32(errors.as_ptr().add(at)), factor, S::load_f32(values.as_ptr().add(at)));
            max = S::max(bound, max);
        }
        reduce_max::<S>(max)
    };
    let rest = values[vector_len..].iter().zip(&errors[vector_len..]);
    rest.map(|(value, error)| value + error * factor).fold(max, f32::max)
}

/// Returns the largest value of a row and `ln(sum(exp(x)))`.
pub(crate) type LogSumExpKernel = unsafe fn(x: &[f32]) -> (f32, f32);

/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn log_sum_exp<S: Simd>(x: &[f32]) -> (f32, f32) {
    // SAFETY: as the caller guarantees; reads stay inside `x`.
    unsafe {
        let vector_len = x.len() / S::LANES * S::LANES;
        let mut max = S::splat_f32(f32::NEG_INFINITY);
        for at in (0..vector_len).step_by(S::LANES) {
            max = S::max(S::load_f32(x.as_ptr().add(at)), max);
        }
        let max = x[vector_len..].iter().copied().fold(reduce_max::<S>(max), f32::max);
        let (mut sum, minus_max) = (S::splat_f32(0.0), S::splat_f32(-max));
        for at in (0..vector_len).step_by(S::LANES) {
            sum = S::add(sum, exp::<S>(S::add(S::load_f32(x.as_ptr().add(at)), minus_max)));
        }
        let sum = reduce_sum::<S>(sum) + x[vector_len..].iter().map(|x| (x - max).exp()).sum::<f32>();
        (max, max + sum.ln())
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
    let vector_len = a.len().min(b.len()) / (ACCUMULATOR_COUNT * S::LANES) * (ACCUMULATOR_COUNT * S::LANES);
    // SAFETY: as the caller guarantees; reads stay inside both rows.
    let sum = unsafe {
        let mut sums = [S::splat_f32(0.0); ACCUMULATOR_COUNT];
        for at in (0..vector_len).step_by(ACCUMULATOR_COUNT * S::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let at = at + i * S::LANES;
                *sum = S::mul_add(S::load_f32(a.as_ptr().add(at)), S::load_f32(b.as_ptr().add(at)), *sum);
            }
        }
        reduce_sum::<S>(S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3])))
    };
    sum + a[vector_len..].iter().zip(&b[vector_len..]).map(|(a, b)| a * b).sum::<f32>()
}
