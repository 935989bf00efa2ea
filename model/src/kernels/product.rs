//! The product of a panel of a packed matrix with some rows, written once for every instruction set and layout.
//!
//! The sum over a span of columns is exact in integers, and the spans are added in order with the same float operations whatever the
//! number of rows: a row's result does not depend on the rows that share the call.

use half::f16;

use super::layout::{LINE, Layout, bytes_of};
use super::simd::{PANEL, Simd, with_count};

/// Rows that one call treats at the most.
pub(crate) const TILE: usize = 8;

/// Spans that numbers are asked for ahead of their use.
const AHEAD: usize = 6;
/// The same where several rows share them: a span takes so long there that the processor by itself does not look far enough, and
/// the first-level cache has too few lines under way to bring them at the speed of memory.
const FAR_AHEAD: usize = 24;

/// A panel of a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Panel {
    /// Its numbers, span after span.
    pub(crate) numbers: *const u8,
    /// The same in the second plane of a matrix that has two.
    pub(crate) lower: *const u8,
    /// 16 scales for each block of spans.
    pub(crate) scales: *const f16,
    /// 16 minima for each block, or null.
    pub(crate) minima: *const f16,
    /// Where a block has several spans: 16 factors of the scale for each span, else null.
    pub(crate) factors: *const i8,
    /// The same for the minimum; null where there are no minima.
    pub(crate) minimum_factors: *const u8,
    /// Blocks of a row.
    pub(crate) blocks: usize,
    /// Spans of a block.
    pub(crate) spans: usize,
    /// The number that stands for zero.
    pub(crate) zero: u8,
    /// What is added to each number, where that is no whole number.
    pub(crate) more: f32,
}

/// Rows of inputs as a product needs them; what belongs to spans has one entry for each span of the matrix.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// `[rows, columns]`
    pub(crate) numbers: *const i8,
    /// `[rows, spans]`: what a number is worth.
    pub(crate) scales: *const f32,
    /// `[rows, spans]`: what the sum of a span begins with, so that the matrix' zero is taken off.
    pub(crate) starts: *const i32,
    /// `[rows, spans]`: the sum of the span's values.
    pub(crate) sums: *const f32,
    /// Columns.
    pub(crate) columns: usize,
}

/// Multiplies a panel with `result.len()` rows, 1 to [`TILE`], from `row` on.
pub(crate) type Product = unsafe fn(Panel, Rows, usize, &mut [[f32; PANEL]]);

/// Products of numbers of so many bits with a signed byte that 16 bits can hold the sum of, in vectors: each adds two.
const fn in_pairs(bits: usize) -> usize {
    i16::MAX as usize / (2 * ((1 << bits) - 1) * 127)
}

/// A block of code for each number that fits, so that the compiler knows the number: where it is left to unroll a loop with many rows, it
/// does not.
macro_rules! unrolled {
    ($number:ident in [$($n:literal),*] if $fits:expr => $block:block) => {
        $({
            let $number = $n;
            if $fits $block
        })*
    };
}

/// A [`Product`] for any number of rows.
///
/// # Safety
/// That of [`Simd`]; the pointers hold what their descriptions say for the rows from `row` on.
#[inline(always)]
pub(crate) unsafe fn product<S: Simd, L: Layout>(panel: Panel, rows: Rows, row: usize, result: &mut [[f32; PANEL]]) {
    // SAFETY: the caller's.
    unsafe { with_count!(result.len(), R => some_rows::<S, L, R>(panel, rows, row, result)) }
}

#[inline(always)]
unsafe fn some_rows<S: Simd, L: Layout, const R: usize>(p: Panel, x: Rows, row: usize, result: &mut [[f32; PANEL]]) {
    let spans = p.blocks * p.spans;
    // SAFETY: spans, rows and lanes are inside what the pointers hold, by contract.
    unsafe {
        for lane in (0..PANEL).step_by(S::LANES) {
            let zero = bytes_of::<S>(p.zero);
            let mut sums = [S::splat(0.0); R];
            for block in 0..p.blocks {
                let block_scale = S::halves(p.scales.add(block * PANEL + lane));
                for index in block * p.spans..(block + 1) * p.spans {
                    let at = index * L::LINES * LINE + lane * 4;
                    let (numbers, lower) = (p.numbers.add(at), p.lower.wrapping_add(at));
                    let mut dots = [S::spread(0); R];
                    let together = if S::IN_PAIRS && !L::PLANES { in_pairs(L::BITS).min(L::SPAN / 4) } else { 0 };
                    if !S::SIGNED || together > 0 {
                        for (r, dot) in dots.iter_mut().enumerate() {
                            *dot = S::spread(*x.starts.add((row + r) * spans + index));
                        }
                    }
                    for line in 0..L::LINES {
                        S::prefetch(numbers.wrapping_add((AHEAD * L::LINES + line) * LINE));
                        if L::PLANES {
                            S::prefetch(lower.wrapping_add((AHEAD * L::LINES + line) * LINE));
                        }
                        if R > 1 {
                            S::prefetch_far(numbers.wrapping_add((FAR_AHEAD * L::LINES + line) * LINE));
                        }
                    }
                    let mut pairs = [S::spread(0); R];
                    unrolled!(vector in [0, 1, 2, 3, 4, 5, 6, 7] if vector < L::SPAN / 4 => {
                        let w = L::vector::<S>(numbers, lower, vector);
                        for r in 0..R {
                            let four = x.numbers.add((row + r) * x.columns + index * L::SPAN + vector * 4);
                            let four = S::spread(four.cast::<i32>().read_unaligned());
                            match together {
                                0 => dots[r] = S::dot(dots[r], w, zero, four),
                                _ => pairs[r] = S::pairs(pairs[r], w, four),
                            }
                        }
                        if together > 0 && (vector + 1usize).is_multiple_of(together) {
                            for (dot, pairs) in dots.iter_mut().zip(&mut pairs) {
                                *dot = S::add_pairs(*dot, *pairs);
                                *pairs = S::spread(0);
                            }
                        }
                    });
                    let scale = match p.factors.is_null() {
                        true => block_scale,
                        false => S::mul(block_scale, S::signed(p.factors.add(index * PANEL + lane))),
                    };
                    for (r, sum) in sums.iter_mut().enumerate() {
                        let factor = S::mul(scale, S::splat(*x.scales.add((row + r) * spans + index)));
                        *sum = S::mul_add(S::floats(dots[r]), factor, *sum);
                    }
                    if !p.minima.is_null() {
                        let minimum = S::halves(p.minima.add(block * PANEL + lane));
                        let minimum = match p.minimum_factors.is_null() {
                            true => minimum,
                            false => S::mul(minimum, S::unsigned(p.minimum_factors.add(index * PANEL + lane))),
                        };
                        for (r, sum) in sums.iter_mut().enumerate() {
                            *sum = S::mul_add(minimum, S::splat(*x.sums.add((row + r) * spans + index)), *sum);
                        }
                    } else if p.more != 0.0 {
                        let more = S::mul(scale, S::splat(p.more));
                        for (r, sum) in sums.iter_mut().enumerate() {
                            *sum = S::mul_add(more, S::splat(*x.sums.add((row + r) * spans + index)), *sum);
                        }
                    }
                }
            }
            for (result, sum) in result.iter_mut().zip(sums) {
                S::store(result.as_mut_ptr().add(lane), sum);
            }
        }
    }
}
