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

/// Rows of inputs as a product needs them. What belongs to spans has one entry for each span of the matrix, and those of a span lie side
/// by side: one register points at them for all rows.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// Rows.
    pub(crate) count: usize,
    /// `[rows, columns]`
    pub(crate) numbers: *const i8,
    /// `[spans, rows]`: what a number is worth.
    pub(crate) scales: *const f32,
    /// `[spans, rows]`: what the sum of a span begins with, so that the matrix' zero is taken off.
    pub(crate) starts: *const i32,
    /// `[spans, rows]`: the sum of the span's values.
    pub(crate) sums: *const f32,
    /// Columns.
    pub(crate) columns: usize,
}

/// Multiplies a panel with `result.len()` rows, 1 to [`TILE`], from `row` on.
pub(crate) type Product = unsafe fn(Panel, Rows, usize, &mut [[f32; PANEL]]);

/// Unpacks the numbers of a panel to a byte each, into the lines of [`Wide`](super::layout::Wide), and asks for the panel after it.
pub(crate) type Widen = unsafe fn(Panel, *mut u8);

/// How matrices of one layout are multiplied.
#[derive(Clone, Copy)]
pub(crate) struct Products {
    /// From the numbers as they lie.
    pub(crate) product: Product,
    /// What is faster for [`MANY`] rows: numbers are unpacked once, and multiplied from there.
    pub(crate) wide: Option<(Widen, Product)>,
}

/// Rows for which it pays to unpack numbers once.
pub(crate) const MANY: usize = 16;

/// Products of numbers of so many bits with a signed byte that 16 bits can hold the sum of, in vectors: each adds two.
const fn in_pairs(bits: usize) -> usize {
    i16::MAX as usize / (2 * ((1 << bits) - 1) * 127)
}

/// A block of code for each vector of a span, so that the compiler knows its number: where it is left to unroll a loop with many rows, it
/// does not.
macro_rules! each_vector {
    ($layout:ty, $vector:ident => $block:block) => {
        each_vector!($layout, $vector in [0, 1, 2, 3, 4, 5, 6, 7] => $block)
    };
    ($layout:ty, $vector:ident in [$($n:literal),*] => $block:block) => {
        $({
            const $vector: usize = $n;
            if $vector < <$layout>::SPAN / 4 $block
        })*
    };
}

/// Rows that are multiplied with two parts of a panel at once: their sums fit into 16 registers.
const GROUP: usize = 4;

/// A [`Product`] for any number of rows.
///
/// # Safety
/// That of [`Simd`]; the pointers hold what their descriptions say for the rows from `row` on.
#[inline(always)]
pub(crate) unsafe fn product<S: Simd, L: Layout>(panel: Panel, rows: Rows, row: usize, result: &mut [[f32; PANEL]]) {
    let adds = !panel.minima.is_null() || panel.more != 0.0;
    let most = if S::PAIRED_REGISTERS { GROUP } else { TILE };
    for (group, result) in result.chunks_mut(most).enumerate() {
        let row = row + group * most;
        // SAFETY: the caller's.
        unsafe {
            match adds {
                true => group_of_rows::<S, L, true>(panel, rows, row, result),
                false => group_of_rows::<S, L, false>(panel, rows, row, result),
            }
        }
    }
}

/// A [`Widen`].
///
/// # Safety
/// That of [`Simd`]; the panel's numbers are there, and `wide` has a line for each vector.
#[inline(always)]
pub(crate) unsafe fn widen<S: Simd, L: Layout>(panel: Panel, wide: *mut u8) {
    let spans = panel.blocks * panel.spans;
    for index in 0..spans {
        // SAFETY: the caller's; what is asked for may lie anywhere.
        unsafe {
            let numbers = panel.numbers.add(index * L::LINES * LINE);
            for line in 0..L::LINES {
                S::prefetch_l2(numbers.wrapping_add((spans * L::LINES + line) * LINE));
            }
            each_vector!(L, V => {
                for lane in (0..PANEL).step_by(S::LANES) {
                    let vector = L::vector::<S>(numbers.add(lane * 4), panel.lower, V);
                    S::store_i32(wide.add((index * L::SPAN / 4 + V) * LINE + lane * 4).cast(), vector);
                }
            });
        }
    }
}

/// `ADDS`: whether the numbers have a minimum, or something else that is added to each.
#[inline(always)]
unsafe fn group_of_rows<S: Simd, L: Layout, const ADDS: bool>(
    p: Panel,
    x: Rows,
    row: usize,
    result: &mut [[f32; PANEL]],
) {
    // SAFETY: the caller's.
    unsafe {
        // What does not hold for a set is not compiled for it: its conditions are constants.
        if const { S::SMALL_BATCH_REGISTERS == 2 } {
            // One or two rows wait for memory, which is followed best when each line that comes is used up at once.
            match result.len() {
                0 | 1 => return some_rows::<S, L, ADDS, 2, 1>(p, x, row, result),
                2 => return some_rows::<S, L, ADDS, 2, 2>(p, x, row, result),
                _ => {}
            }
        }
        if const { S::SMALL_BATCH_REGISTERS == 4 } {
            match result.len() {
                0 | 1 => return some_rows::<S, L, ADDS, 4, 1>(p, x, row, result),
                2 => return some_rows::<S, L, ADDS, 4, 2>(p, x, row, result),
                _ => {}
            }
        }
        const { assert!(S::SMALL_BATCH_REGISTERS == 2 || !S::PAIRED_REGISTERS, "one and two rows go the way of sets with two parts") };
        if const { S::PAIRED_REGISTERS } {
            match result.len() {
                ..=3 => some_rows::<S, L, ADDS, 2, 3>(p, x, row, result),
                _ => some_rows::<S, L, ADDS, 2, GROUP>(p, x, row, result),
            }
        } else {
            with_count!(result.len(), R => some_rows::<S, L, ADDS, 1, R>(p, x, row, result));
        }
    }
}

/// `R` rows, with `PARTS` registers of a panel at a time.
#[inline(always)]
unsafe fn some_rows<S: Simd, L: Layout, const ADDS: bool, const PARTS: usize, const R: usize>(
    p: Panel,
    x: Rows,
    row: usize,
    result: &mut [[f32; PANEL]],
) {
    // SAFETY: spans, rows and lanes are inside what the pointers hold, by contract.
    unsafe {
        for lane in (0..PANEL).step_by(S::LANES * PARTS) {
            let mut sums = [[S::splat_f32(0.0); PARTS]; R];
            let mut inputs: [_; R] = std::array::from_fn(|r| x.numbers.add((row + r) * x.columns));
            for block in 0..p.blocks {
                for index in block * p.spans..(block + 1) * p.spans {
                    let at = index * L::LINES * LINE + lane * 4;
                    let (numbers, lower) = (p.numbers.add(at), p.lower.wrapping_add(at));
                    let span = Span { panel: p, numbers, lower, block, index, lane };
                    span.ask_ahead::<S, L>();
                    span.add::<S, L, ADDS, PARTS, R>(x, row, &inputs, &mut sums);
                    for inputs in &mut inputs {
                        *inputs = opaque(inputs.add(L::SPAN));
                    }
                }
            }
            for (result, sums) in result.iter_mut().zip(&sums) {
                for (part, sum) in sums.iter().enumerate() {
                    S::store_f32(result.as_mut_ptr().add(lane + part * S::LANES), *sum);
                }
            }
        }
    }
}

/// The same. The compiler does not know that, and so keeps it in a register of its own: of what it can work out from an index it makes an address of two
/// registers, and a product with such an operand takes two places in the pipeline of an Intel processor instead of one.
#[inline(always)]
fn opaque<T>(at: *const T) -> *const T {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let at = {
        let mut same = at;
        #[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written, there is no code")]
        // SAFETY: there is no code.
        unsafe {
            std::arch::asm!("/* {} */", inout(reg) same, options(nomem, nostack, preserves_flags))
        };
        same
    };
    at
}

/// Columns of a panel that have a factor of their own.
struct Span {
    panel: Panel,
    /// Its numbers, from the lane on.
    numbers: *const u8,
    lower: *const u8,
    block: usize,
    index: usize,
    lane: usize,
}

#[allow(clippy::missing_safety_doc, reason = "that of the product, whose parts these are")]
impl Span {
    /// Asks for the lines of spans to come.
    #[inline(always)]
    unsafe fn ask_ahead<S: Simd, L: Layout>(&self) {
        if L::NEAR {
            return;
        }
        for line in 0..L::LINES {
            // SAFETY: the caller's; what is asked for may lie anywhere.
            unsafe {
                S::prefetch(self.numbers.wrapping_add((AHEAD * L::LINES + line) * LINE));
                if L::PLANES {
                    S::prefetch(self.lower.wrapping_add((AHEAD * L::LINES + line) * LINE));
                }
                S::prefetch_l2(self.numbers.wrapping_add((FAR_AHEAD * L::LINES + line) * LINE));
            }
        }
    }

    /// Parts of a vector.
    #[inline(always)]
    unsafe fn vector<S: Simd, L: Layout, const PARTS: usize>(&self, index: usize) -> [S::Ints; PARTS] {
        // SAFETY: the caller's.
        unsafe {
            let mut parts = [S::splat_i32(0); PARTS];
            for (part, numbers) in parts.iter_mut().enumerate() {
                let at = part * S::LANES * 4;
                *numbers = L::vector::<S>(self.numbers.add(at), self.lower.wrapping_add(at), index);
            }
            parts
        }
    }

    /// Adds what it gives to the sums of the rows from `row` on, whose numbers of these columns begin at `inputs`.
    #[inline(always)]
    unsafe fn add<S: Simd, L: Layout, const ADDS: bool, const PARTS: usize, const R: usize>(
        &self,
        x: Rows,
        row: usize,
        inputs: &[*const i8; R],
        sums: &mut [[S::Floats; PARTS]; R],
    ) {
        let (p, block, index, lane) = (&self.panel, self.block, self.index, self.lane);
        // Of the first row.
        let at = index * x.count + row;
        let together = if S::HAS_MADD_I16 && !L::PLANES { in_pairs(L::BITS).min(L::SPAN / 4) } else { 0 };
        // SAFETY: the caller's.
        unsafe {
            let zero = bytes_of::<S>(p.zero);
            let mut dots = [[S::splat_i32(0); PARTS]; R];
            if !S::SIGNED_DOT || together > 0 {
                for (r, dots) in dots.iter_mut().enumerate() {
                    *dots = [S::splat_i32(*x.starts.add(at + r)); PARTS];
                }
            }
            let mut pairs = [[S::splat_i32(0); PARTS]; R];
            each_vector!(L, V => {
                let w = self.vector::<S, L, PARTS>(V);
                for (r, four) in inputs.iter().copied().enumerate() {
                    match together {
                        0 => S::dot_many::<PARTS, { V * 4 }>(&mut dots[r], w, zero, four),
                        _ if V.is_multiple_of(together) => pairs[r] = S::madd_i16_first::<PARTS, { V * 4 }>(w, four),
                        _ => S::madd_i16::<PARTS, { V * 4 }>(&mut pairs[r], w, four),
                    }
                }
                if together > 0 && (V + 1usize).is_multiple_of(together) {
                    for r in 0..R {
                        for (dot, pairs) in dots[r].iter_mut().zip(pairs[r]) {
                            *dot = S::add_i16_pairs(*dot, pairs);
                        }
                    }
                }
            });
            for part in 0..PARTS {
                let lane = lane + part * S::LANES;
                let block_scale = S::load_f16(p.scales.add(block * PANEL + lane));
                let scale = match p.factors.is_null() {
                    true => block_scale,
                    false => S::mul(block_scale, S::load_i8(p.factors.add(index * PANEL + lane))),
                };
                for r in 0..R {
                    let factor = S::mul(scale, S::splat_f32(*x.scales.add(at + r)));
                    sums[r][part] = S::mul_add(S::to_f32(dots[r][part]), factor, sums[r][part]);
                }
                if ADDS {
                    let added = if p.minima.is_null() {
                        S::mul(scale, S::splat_f32(p.more))
                    } else {
                        let minimum = S::load_f16(p.minima.add(block * PANEL + lane));
                        match p.minimum_factors.is_null() {
                            true => minimum,
                            false => S::mul(minimum, S::load_u8(p.minimum_factors.add(index * PANEL + lane))),
                        }
                    };
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let sum = S::splat_f32(*x.sums.add(at + r));
                        sums[part] = S::mul_add(added, sum, sums[part]);
                    }
                }
            }
        }
    }
}
