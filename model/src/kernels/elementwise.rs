//! Arithmetic on rows of floats: quantising, norms, activations, softmax. Each row alone, in one fixed order.

use half::f16;

use super::layout::LINE;
use super::memory::Line;
use super::simd::{PANEL, Simd, across, exp, largest};

/// Columns that share one scale of the quantised inputs.
pub(crate) const BLOCK: usize = 32;

/// Quantises a row: `x` to signed bytes in `numbers`, a scale for each 32 columns in `scales`, and the sum of each 16 numbers in
/// `sums`.
pub(crate) type Quantise = unsafe fn(x: &[f32], numbers: &mut [i8], scales: &mut [f32], sums: &mut [i32]);

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn quantise<S: Simd>(x: &[f32], numbers: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
    let blocks = x.chunks_exact(BLOCK).zip(numbers.chunks_exact_mut(BLOCK));
    for (((x, numbers), scale), sums) in blocks.zip(scales).zip(sums.chunks_exact_mut(2)) {
        // SAFETY: the caller's; a block has 32 values.
        unsafe {
            let mut top = S::splat_f32(0.0);
            for at in (0..BLOCK).step_by(S::LANES) {
                top = S::max(S::abs(S::load_f32(x.as_ptr().add(at))), top);
            }
            let top = largest::<S>(top).max(0.0);
            let inverse = S::splat_f32(if top > 0.0 { 127.0 / top } else { 0.0 });
            let (mut whole, mut floats) = ([0i32; BLOCK], [0f32; BLOCK]);
            for at in (0..BLOCK).step_by(S::LANES) {
                let rounded = S::round_to_i32(S::mul(S::load_f32(x.as_ptr().add(at)), inverse));
                S::store_i32(whole.as_mut_ptr().add(at), rounded);
                S::store_f32(floats.as_mut_ptr().add(at), S::to_f32(rounded));
            }
            for (number, whole) in numbers.iter_mut().zip(&whole) {
                *number = *whole as i8;
            }
            *scale = top / 127.0;
            for (sum, floats) in sums.iter_mut().zip(floats.as_chunks::<16>().0) {
                *sum = total(*floats) as i32;
            }
        }
    }
}

/// The sum of small whole numbers, by halves. As floats, because the compiler puts sums of integers together anew, with three times as many
/// instructions.
#[inline(always)]
fn total(mut numbers: [f32; 16]) -> f32 {
    add_halves::<8>(&mut numbers);
    add_halves::<4>(&mut numbers);
    add_halves::<2>(&mut numbers);
    numbers[0] + numbers[1]
}

/// Adds to each of the first `HALF` numbers the one `HALF` behind it.
#[inline(always)]
fn add_halves<const HALF: usize>(numbers: &mut [f32; 16]) {
    for lane in 0..HALF {
        numbers[lane] += numbers[lane + HALF];
    }
}

/// `out = x / rms(x) * weight` (Zhang and Sennrich 2019).
pub(crate) type RmsNorm = unsafe fn(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]);

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn rms_norm<S: Simd>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    // SAFETY: the caller's.
    let squares = unsafe { squares::<S>(x, 0.0) };
    let factor = 1.0 / (squares / x.len() as f32 + eps).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * factor * weight;
    }
}

/// `out = (x - mean) / deviation * weight + bias` (Ba et al. 2016).
pub(crate) type LayerNorm = unsafe fn(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]);

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn layer_norm<S: Simd>(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
    // SAFETY: the caller's.
    let mean = unsafe { sum::<S>(x) } / x.len() as f32;
    // SAFETY: the caller's.
    let variance = unsafe { squares::<S>(x, mean) } / x.len() as f32;
    let factor = 1.0 / (variance + eps).sqrt();
    for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
        *out = (x - mean) * factor * weight + bias;
    }
}

/// The sum of a row: whole registers side by side, then their lanes, then the rest.
#[inline(always)]
unsafe fn sum<S: Simd>(x: &[f32]) -> f32 {
    let whole = x.len() / S::LANES * S::LANES;
    // SAFETY: the caller's; reads stay inside `x`.
    let lanes = unsafe {
        let mut sum = S::splat_f32(0.0);
        for at in (0..whole).step_by(S::LANES) {
            sum = S::add(sum, S::load_f32(x.as_ptr().add(at)));
        }
        across::<S>(sum)
    };
    lanes + x[whole..].iter().sum::<f32>()
}

/// The sum of `(x - less)^2`, in the same order.
#[inline(always)]
unsafe fn squares<S: Simd>(x: &[f32], less: f32) -> f32 {
    let whole = x.len() / S::LANES * S::LANES;
    // SAFETY: the caller's; reads stay inside `x`.
    let lanes = unsafe {
        let (mut sum, minus) = (S::splat_f32(0.0), S::splat_f32(-less));
        for at in (0..whole).step_by(S::LANES) {
            let apart = S::add(S::load_f32(x.as_ptr().add(at)), minus);
            sum = S::mul_add(apart, apart, sum);
        }
        across::<S>(sum)
    };
    lanes + x[whole..].iter().map(|x| (x - less) * (x - less)).sum::<f32>()
}

/// `gate = silu(gate) * up`, or `silu(gate)` where `up` is empty.
pub(crate) type Silu = unsafe fn(gate: &mut [f32], up: &[f32]);

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn silu<S: Simd>(gate: &mut [f32], up: &[f32]) {
    let mut chunks = gate.chunks_exact_mut(S::LANES);
    for chunk in &mut chunks {
        // SAFETY: the caller's; a chunk fills a register.
        unsafe { S::store_f32(chunk.as_mut_ptr(), silu_lanes::<S>(S::load_f32(chunk.as_ptr()))) };
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let mut padded = [0f32; PANEL];
        padded[..rest.len()].copy_from_slice(rest);
        // SAFETY: the caller's; the padding fills a register.
        unsafe { S::store_f32(padded.as_mut_ptr(), silu_lanes::<S>(S::load_f32(padded.as_ptr()))) };
        rest.copy_from_slice(&padded[..rest.len()]);
    }
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate *= up;
    }
}

#[inline(always)]
unsafe fn silu_lanes<S: Simd>(x: S::Floats) -> S::Floats {
    // SAFETY: the caller's.
    unsafe { S::div(x, S::add(S::splat_f32(1.0), exp::<S>(S::mul(x, S::splat_f32(-1.0))))) }
}

/// Turns scores into `exp(score - top)`, and returns `top`, the largest, and the sum of them all. The scores' number is a multiple of
/// 16; those from `count` on become 0.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exponents<S: Simd>(scores: &mut [f32], count: usize) -> (f32, f32) {
    // SAFETY: the caller's.
    unsafe {
        scores[count..].fill(f32::NEG_INFINITY);
        let mut top = S::splat_f32(f32::NEG_INFINITY);
        for at in (0..scores.len()).step_by(S::LANES) {
            top = S::max(S::load_f32(scores.as_ptr().add(at)), top);
        }
        let top = largest::<S>(top);
        let less = S::splat_f32(-top);
        let mut sum = S::splat_f32(0.0);
        for at in (0..scores.len()).step_by(S::LANES) {
            let power = exp::<S>(S::add(S::load_f32(scores.as_ptr().add(at)), less));
            S::store_f32(scores.as_mut_ptr().add(at), power);
            sum = S::add(sum, power);
        }
        (top, across::<S>(sum))
    }
}

/// A row in 16 bits.
pub(crate) type ToHalves = unsafe fn(x: &[f32], halves: &mut [f16]);

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn to_halves<S: Simd>(x: &[f32], halves: &mut [f16]) {
    let whole = x.len().min(halves.len()) / S::LANES * S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: the caller's; `at + LANES` is inside both.
        unsafe { S::store_f16(halves.as_mut_ptr().add(at), S::load_f32(x.as_ptr().add(at))) };
    }
    halves[whole..].iter_mut().zip(&x[whole..]).for_each(|(half, x)| *half = f16::from_f32(*x));
}

/// Reads lines as fast as the set can, and gives something to which each byte contributes.
pub(crate) type Read = unsafe fn(&[Line]) -> i32;

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn read<S: Simd>(lines: &[Line]) -> i32 {
    let mut lanes = [0i32; PANEL];
    // SAFETY: the caller's; a line is as long as some registers.
    unsafe {
        let mut all = S::splat_i32(0);
        for line in lines {
            for at in (0..LINE).step_by(S::LANES * 4) {
                all = S::or(all, S::load_bytes(line.0.as_ptr().add(at)));
            }
        }
        S::store_i32(lanes.as_mut_ptr(), all);
    }
    lanes.iter().fold(0, |all, lane| all | lane)
}

/// The largest `value + error * by`; negative infinity of none.
pub(crate) type Bound = unsafe fn(values: &[f32], errors: &[f32], by: f32) -> f32;

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn bound<S: Simd>(values: &[f32], errors: &[f32], by: f32) -> f32 {
    let whole = values.len().min(errors.len()) / S::LANES * S::LANES;
    // SAFETY: the caller's; `at + LANES` is inside both.
    let top = unsafe {
        let (mut top, by) = (S::splat_f32(f32::NEG_INFINITY), S::splat_f32(by));
        for at in (0..whole).step_by(S::LANES) {
            let bound = S::mul_add(S::load_f32(errors.as_ptr().add(at)), by, S::load_f32(values.as_ptr().add(at)));
            top = S::max(bound, top);
        }
        largest::<S>(top)
    };
    let rest = values[whole..].iter().zip(&errors[whole..]);
    rest.map(|(value, error)| value + error * by).fold(top, f32::max)
}

/// The largest value of a row and `ln(sum(exp(x)))`.
pub(crate) type LogSum = unsafe fn(x: &[f32]) -> (f32, f32);

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn log_sum<S: Simd>(x: &[f32]) -> (f32, f32) {
    // SAFETY: the caller's; reads stay inside `x`.
    unsafe {
        let whole = x.len() / S::LANES * S::LANES;
        let mut top = S::splat_f32(f32::NEG_INFINITY);
        for at in (0..whole).step_by(S::LANES) {
            top = S::max(S::load_f32(x.as_ptr().add(at)), top);
        }
        let top = x[whole..].iter().copied().fold(largest::<S>(top), f32::max);
        let (mut sum, less) = (S::splat_f32(0.0), S::splat_f32(-top));
        for at in (0..whole).step_by(S::LANES) {
            sum = S::add(sum, exp::<S>(S::add(S::load_f32(x.as_ptr().add(at)), less)));
        }
        let sum = across::<S>(sum) + x[whole..].iter().map(|x| (x - top).exp()).sum::<f32>();
        (top, top + sum.ln())
    }
}
