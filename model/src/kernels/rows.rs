//! Arithmetic on rows of floats: quantising, norms, activations, softmax. Each row alone, in one fixed order.

use half::f16;

use super::simd::{Simd, across, exp, largest};

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
            let mut top = S::splat(0.0);
            for at in (0..BLOCK).step_by(S::LANES) {
                top = S::max(top, S::abs(S::load(x.as_ptr().add(at))));
            }
            let top = largest::<S>(top).max(0.0);
            let inverse = S::splat(if top > 0.0 { 127.0 / top } else { 0.0 });
            let mut whole = [0i32; BLOCK];
            for at in (0..BLOCK).step_by(S::LANES) {
                let rounded = S::rounded(S::mul(S::load(x.as_ptr().add(at)), inverse));
                S::store_ints(whole.as_mut_ptr().add(at), rounded);
            }
            for (number, whole) in numbers.iter_mut().zip(&whole) {
                *number = *whole as i8;
            }
            *scale = top / 127.0;
            for (sum, whole) in sums.iter_mut().zip(whole.chunks_exact(16)) {
                *sum = whole.iter().sum();
            }
        }
    }
}

/// `out = x / rms(x) * weight` (Zhang and Sennrich 2019).
pub(crate) type RmsNorm = unsafe fn(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]);

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn rms_norm<S: Simd>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    // SAFETY: the caller's.
    let squares = unsafe { sum_of::<S>(x, |x| S::mul(x, x), |x| x * x) };
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
    let (mean, variance) = unsafe {
        let mean = sum_of::<S>(x, |x| x, |x| x) / x.len() as f32;
        let less = S::splat(-mean);
        let apart = |x| {
            let apart = S::add(x, less);
            S::mul(apart, apart)
        };
        (mean, sum_of::<S>(x, apart, |x| (x - mean) * (x - mean)) / x.len() as f32)
    };
    let factor = 1.0 / (variance + eps).sqrt();
    for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
        *out = (x - mean) * factor * weight + bias;
    }
}

/// The sum of `f` over a row: whole registers side by side, then their lanes, then the rest.
#[inline(always)]
unsafe fn sum_of<S: Simd>(x: &[f32], f: impl Fn(S::Floats) -> S::Floats, rest: impl Fn(f32) -> f32) -> f32 {
    let whole = x.len() / S::LANES * S::LANES;
    // SAFETY: the caller's; reads stay inside `x`.
    let sum = unsafe {
        let mut sum = S::splat(0.0);
        for at in (0..whole).step_by(S::LANES) {
            sum = S::add(sum, f(S::load(x.as_ptr().add(at))));
        }
        across::<S>(sum)
    };
    sum + x[whole..].iter().map(|x| rest(*x)).sum::<f32>()
}

/// `gate = silu(gate) * up`, or `silu(gate)` where `up` is empty.
pub(crate) type Silu = unsafe fn(gate: &mut [f32], up: &[f32]);

/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn silu<S: Simd>(gate: &mut [f32], up: &[f32]) {
    // SAFETY: the caller's.
    unsafe {
        let one = S::splat(1.0);
        in_lanes::<S>(gate, |x| S::div(x, S::add(one, exp::<S>(S::mul(x, S::splat(-1.0))))));
    }
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate *= up;
    }
}

/// Applies `f` to every value; a rest that fills no register is padded.
#[inline(always)]
unsafe fn in_lanes<S: Simd>(values: &mut [f32], f: impl Fn(S::Floats) -> S::Floats) {
    // SAFETY: the caller's; chunks have `LANES` values, and so has the padding.
    unsafe {
        let mut chunks = values.chunks_exact_mut(S::LANES);
        for chunk in &mut chunks {
            S::store(chunk.as_mut_ptr(), f(S::load(chunk.as_ptr())));
        }
        let rest = chunks.into_remainder();
        let mut padded = [0f32; super::simd::PANEL];
        padded[..rest.len()].copy_from_slice(rest);
        S::store(padded.as_mut_ptr(), f(S::load(padded.as_ptr())));
        rest.copy_from_slice(&padded[..rest.len()]);
    }
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
        let mut top = S::splat(f32::NEG_INFINITY);
        for at in (0..scores.len()).step_by(S::LANES) {
            top = S::max(top, S::load(scores.as_ptr().add(at)));
        }
        let top = largest::<S>(top);
        let less = S::splat(-top);
        let mut sum = S::splat(0.0);
        for at in (0..scores.len()).step_by(S::LANES) {
            let power = exp::<S>(S::add(S::load(scores.as_ptr().add(at)), less));
            S::store(scores.as_mut_ptr().add(at), power);
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
        unsafe { S::store_halves(halves.as_mut_ptr().add(at), S::load(x.as_ptr().add(at))) };
    }
    halves[whole..].iter_mut().zip(&x[whole..]).for_each(|(half, x)| *half = f16::from_f32(*x));
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
        let mut top = S::splat(f32::NEG_INFINITY);
        for at in (0..whole).step_by(S::LANES) {
            top = S::max(S::load(x.as_ptr().add(at)), top);
        }
        let top = x[whole..].iter().copied().fold(largest::<S>(top), f32::max);
        let less = S::splat(-top);
        let sum = sum_of::<S>(x, |x| exp::<S>(S::add(x, less)), |x| (x - top).exp());
        (top, top + sum.ln())
    }
}
