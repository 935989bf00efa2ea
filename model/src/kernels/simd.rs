//! Vector operations that an instruction set provides. Each set is one file that implements [`Simd`], and each kernel
//! is written once over it.
//!
//! A kernel is inlined into a function that is compiled with the features of the set ([`table`](super::table)), so that
//! no operation is a call.

use half::f16;

/// Outputs per panel of a matrix, and positions per panel of keys.
pub(crate) const PANEL: usize = 16;

/// Registers of an instruction set and the operations on them.
///
/// # Safety
/// Every function needs a processor that supports the set, and pointers that are valid for all lanes.
#[allow(clippy::missing_safety_doc, reason = "documented on the trait")]
pub(crate) trait Simd: Copy {
    /// Number of 32-bit lanes per register; divides [`PANEL`].
    const LANES: usize;
    /// True if [`dot`](Self::dot) subtracts the zero point from the quants. Otherwise the caller corrects the sum.
    const SIGNED_DOT: bool;
    /// Register of integers: 32-bit lanes, or four bytes in each.
    type Ints: Copy;
    /// Register of 32-bit floats.
    type Floats: Copy;

    /// Prefetches the cache line at `at`, any address, into the first-level cache.
    unsafe fn prefetch(at: *const u8);
    /// Prefetches the cache line at `at` into the second-level cache.
    unsafe fn prefetch_l2(at: *const u8);
    /// Loads a register of bytes.
    unsafe fn load_bytes(at: *const u8) -> Self::Ints;
    /// Fills every lane with `value`.
    unsafe fn splat_i32(value: i32) -> Self::Ints;
    unsafe fn and(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    unsafe fn or(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Shifts lanes of at least 8 bits to the left. Bits that cross a byte are undefined.
    unsafe fn shift_left(x: Self::Ints, by: u32) -> Self::Ints;
    /// Shifts to the right, as [`shift_left`](Self::shift_left) does to the left.
    unsafe fn shift_right(x: Self::Ints, by: u32) -> Self::Ints;
    /// Adds to each lane of `sum` the four products of unsigned `quants` (less `zero_point`, if
    /// [`SIGNED_DOT`](Self::SIGNED_DOT)) with signed `x`.
    unsafe fn dot(sum: Self::Ints, quants: Self::Ints, zero_point: Self::Ints, x: Self::Ints) -> Self::Ints;

    /// Registers of a panel that the microkernel for one or two rows multiplies at once: 1, 2 or 4.
    const SMALL_BATCH_REGISTERS: usize = 1;

    /// True if the microkernel for more rows multiplies two registers of a panel at once, so that each load of
    /// activations serves both.
    const PAIRED_REGISTERS: bool = false;

    /// True if quants of 5 and 6 bits are unpacked once for many rows.
    const UNPACKS_FOR_BATCHES: bool = false;

    /// Applies [`dot`](Self::dot) to several registers, with the four bytes at `x + OFFSET` in every lane.
    #[inline(always)]
    unsafe fn dot_many<const REGS: usize, const OFFSET: usize>(
        sums: &mut [Self::Ints; REGS],
        quants: [Self::Ints; REGS],
        zero_point: Self::Ints,
        x: *const i8,
    ) {
        // SAFETY: as the caller guarantees.
        unsafe { dot_many_generic::<Self, REGS, OFFSET>(sums, quants, zero_point, x) }
    }

    /// True if [`madd_i16`](Self::madd_i16) and its companions are implemented and faster than [`dot`](Self::dot).
    const HAS_MADD_I16: bool = false;

    /// Adds to each 16-bit half of a lane the two products of unsigned quants with signed bytes. The signed bytes are
    /// the four at `x + OFFSET`, in every lane.
    unsafe fn madd_i16<const REGS: usize, const OFFSET: usize>(
        _sums: &mut [Self::Ints; REGS],
        _quants: [Self::Ints; REGS],
        _x: *const i8,
    ) {
    }

    /// Computes [`madd_i16`](Self::madd_i16) with sums of zero.
    unsafe fn madd_i16_first<const REGS: usize, const OFFSET: usize>(
        quants: [Self::Ints; REGS],
        _x: *const i8,
    ) -> [Self::Ints; REGS] {
        quants
    }

    /// Adds to each lane of `sum` the two signed 16-bit halves of that lane of `pairs`.
    unsafe fn add_i16_pairs(sum: Self::Ints, _pairs: Self::Ints) -> Self::Ints {
        sum
    }

    unsafe fn to_f32(x: Self::Ints) -> Self::Floats;
    /// Rounds to the nearest integer, ties to even.
    unsafe fn round_to_i32(x: Self::Floats) -> Self::Ints;
    unsafe fn store_i32(at: *mut i32, x: Self::Ints);
    unsafe fn load_f16(at: *const f16) -> Self::Floats;
    unsafe fn store_f16(at: *mut f16, x: Self::Floats);
    unsafe fn load_i8(at: *const i8) -> Self::Floats;
    unsafe fn load_u8(at: *const u8) -> Self::Floats;
    unsafe fn load_f32(at: *const f32) -> Self::Floats;
    unsafe fn store_f32(at: *mut f32, x: Self::Floats);
    unsafe fn splat_f32(value: f32) -> Self::Floats;
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn div(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Computes `a * b + c`, with one rounding if the set has a fused operation.
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn abs(x: Self::Floats) -> Self::Floats;
    /// Computes 2 to the power of integers in -127..=127; -127 gives 0.
    unsafe fn power_of_two(x: Self::Ints) -> Self::Floats;
}

/// Implements [`Simd::dot_many`] register by register.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn dot_many_generic<S: Simd, const REGS: usize, const OFFSET: usize>(
    sums: &mut [S::Ints; REGS],
    quants: [S::Ints; REGS],
    zero_point: S::Ints,
    x: *const i8,
) {
    // SAFETY: as the caller guarantees.
    unsafe {
        let xs = S::splat_i32(x.add(OFFSET).cast::<i32>().read_unaligned());
        for reg in 0..REGS {
            sums[reg] = S::dot(sums[reg], quants[reg], zero_point, xs);
        }
    }
}

/// Evaluates `$call` with `$n` as a constant that equals `$count`, from 1 to 8.
macro_rules! with_count {
    ($count:expr, $n:ident => $call:expr) => {
        match $count {
            1 => {
                const $n: usize = 1;
                $call
            }
            2 => {
                const $n: usize = 2;
                $call
            }
            3 => {
                const $n: usize = 3;
                $call
            }
            4 => {
                const $n: usize = 4;
                $call
            }
            5 => {
                const $n: usize = 5;
                $call
            }
            6 => {
                const $n: usize = 6;
                $call
            }
            7 => {
                const $n: usize = 7;
                $call
            }
            _ => {
                const $n: usize = 8;
                $call
            }
        }
    };
}
pub(crate) use with_count;

/// Sums the lanes of a register in a fixed order.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn reduce_sum<S: Simd>(x: S::Floats) -> f32 {
    let mut lanes = [0f32; PANEL];
    // SAFETY: `LANES` is at most `PANEL`.
    unsafe { S::store_f32(lanes.as_mut_ptr(), x) };
    lanes[..S::LANES].iter().sum()
}

/// Returns the largest lane. Folding halves avoids a chain of dependent comparisons.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn reduce_max<S: Simd>(x: S::Floats) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; PANEL];
    // SAFETY: `LANES` is at most `PANEL`.
    unsafe { S::store_f32(lanes.as_mut_ptr(), x) };
    fold_max::<8>(&mut lanes);
    fold_max::<4>(&mut lanes);
    fold_max::<2>(&mut lanes);
    fold_max::<1>(&mut lanes);
    lanes[0]
}

/// Keeps the larger of each of the first `HALF` lanes and the one `HALF` after it. The comparison is not [`f32::max`],
/// whose handling of NaN takes three instructions.
#[inline(always)]
fn fold_max<const HALF: usize>(lanes: &mut [f32; PANEL]) {
    for lane in 0..HALF {
        lanes[lane] = if lanes[lane] > lanes[lane + HALF] { lanes[lane] } else { lanes[lane + HALF] };
    }
}

/// Computes `e` to the power of `x` to about two units in the last place; 0 below -87, saturating at 88. The method is
/// that of Cephes' `expf`: range reduction by ln 2 in two parts, then a polynomial.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::Floats) -> S::Floats {
    const COEFFICIENTS: [f32; 5] = [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    // SAFETY: as the caller guarantees.
    unsafe {
        let x = S::min(S::max(x, S::splat_f32(-88.029_69)), S::splat_f32(88.0));
        let power = S::round_to_i32(S::mul(x, S::splat_f32(std::f32::consts::LOG2_E)));
        let exponent = S::to_f32(power);
        let rest = S::mul_add(exponent, S::splat_f32(-0.693_359_4), x);
        let rest = S::mul_add(exponent, S::splat_f32(2.121_944_4e-4), rest);
        let mut sum = S::splat_f32(1.987_569_2e-4);
        for coefficient in COEFFICIENTS {
            sum = S::mul_add(sum, rest, S::splat_f32(coefficient));
        }
        let sum = S::mul_add(sum, S::mul(rest, rest), S::add(rest, S::splat_f32(1.0)));
        S::mul(sum, S::power_of_two(power))
    }
}
