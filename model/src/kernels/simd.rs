//! What the kernels ask of an instruction set. Each set is one file that answers; each kernel is written once, over this.
//!
//! A kernel is inlined into a function that is compiled for the set ([`table`](super::table)), so nothing here is a call.

use half::f16;

/// Outputs in a panel, and positions in a panel of keys.
pub(crate) const PANEL: usize = 16;

/// Registers of one instruction set and what can be done with them.
///
/// # Safety
/// Every function needs a processor that has the set, and pointers that may be read or written for all lanes.
#[allow(clippy::missing_safety_doc, reason = "said once, above")]
pub(crate) trait Simd: Copy {
    /// 32-bit lanes of a register; divides [`PANEL`].
    const LANES: usize;
    /// Whether [`dot`](Self::dot) takes the zero off the numbers. Where it does not, the caller does.
    const SIGNED_DOT: bool;
    /// Integers: 32-bit lanes, or four bytes in each.
    type Ints: Copy;
    /// Floats.
    type Floats: Copy;

    /// Asks for the line at `at`, which may lie anywhere, to be brought near.
    unsafe fn prefetch(at: *const u8);
    /// The same, for later: to the second-level cache.
    unsafe fn prefetch_l2(at: *const u8);
    unsafe fn load_bytes(at: *const u8) -> Self::Ints;
    /// The same 32 bits in every lane.
    unsafe fn splat_i32(value: i32) -> Self::Ints;
    unsafe fn and(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    unsafe fn or(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Shifts groups of at least 8 bits; what moves across a byte's border is undefined.
    unsafe fn shift_left(x: Self::Ints, by: u32) -> Self::Ints;
    /// As [`shift_left`](Self::shift_left).
    unsafe fn shift_right(x: Self::Ints, by: u32) -> Self::Ints;
    /// Adds to each lane of `sum` the four products of unsigned `numbers` (less `zero`, if `SIGNED`) with signed `x`.
    unsafe fn dot(sum: Self::Ints, numbers: Self::Ints, zero: Self::Ints, x: Self::Ints) -> Self::Ints;

    /// Parts of a panel that a product with one or two rows works on at once: 1, 2 or 4.
    const SMALL_BATCH_REGISTERS: usize = 1;

    /// Whether products with more rows work on two parts of a panel at once, so that what is read of a row serves both.
    const PAIRED_REGISTERS: bool = false;

    /// Whether numbers of five and six bits are unpacked once for many rows.
    const UNPACKS_FOR_BATCHES: bool = false;

    /// [`dot`](Self::dot) for some parts, with the four bytes `AT` behind `x` in every lane.
    #[inline(always)]
    unsafe fn dot_many<const PARTS: usize, const AT: usize>(
        sums: &mut [Self::Ints; PARTS],
        numbers: [Self::Ints; PARTS],
        zero: Self::Ints,
        x: *const i8,
    ) {
        // SAFETY: the caller's.
        unsafe { each_dot::<Self, PARTS, AT>(sums, numbers, zero, x) }
    }

    /// Whether [`madd_i16`](Self::madd_i16) and what belongs to it is there, and faster than [`dot`](Self::dot).
    const HAS_MADD_I16: bool = false;

    /// Adds to each half of a lane, 16 bits, the two products of unsigned `numbers` with signed bytes: the four `AT` behind `x`.
    unsafe fn madd_i16<const PARTS: usize, const AT: usize>(
        _sums: &mut [Self::Ints; PARTS],
        _numbers: [Self::Ints; PARTS],
        _x: *const i8,
    ) {
    }

    /// [`madd_i16`](Self::madd_i16) where nothing is summed yet.
    unsafe fn madd_i16_first<const PARTS: usize, const AT: usize>(
        numbers: [Self::Ints; PARTS],
        _x: *const i8,
    ) -> [Self::Ints; PARTS] {
        numbers
    }

    /// Adds to each lane its two signed halves in `pairs`.
    unsafe fn add_i16_pairs(sum: Self::Ints, _pairs: Self::Ints) -> Self::Ints {
        sum
    }

    unsafe fn to_f32(x: Self::Ints) -> Self::Floats;
    /// Rounded to the nearest, ties to even.
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
    /// `a * b + c`, in one rounding where the set has that.
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn abs(x: Self::Floats) -> Self::Floats;
    /// 2 to the power of whole numbers in -127..=127; -127 gives 0.
    unsafe fn power_of_two(x: Self::Ints) -> Self::Floats;
}

/// [`Simd::dot_many`], part after part.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn each_dot<S: Simd, const PARTS: usize, const AT: usize>(
    sums: &mut [S::Ints; PARTS],
    numbers: [S::Ints; PARTS],
    zero: S::Ints,
    x: *const i8,
) {
    // SAFETY: the caller's.
    unsafe {
        let four = S::splat_i32(x.add(AT).cast::<i32>().read_unaligned());
        for part in 0..PARTS {
            sums[part] = S::dot(sums[part], numbers[part], zero, four);
        }
    }
}

/// Calls `$f::<$n>` with the constant that `$count` is, from 1 to 8.
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

/// The lanes of a register, summed in a fixed order.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn across<S: Simd>(x: S::Floats) -> f32 {
    let mut lanes = [0f32; PANEL];
    // SAFETY: `LANES` is at most `PANEL`.
    unsafe { S::store_f32(lanes.as_mut_ptr(), x) };
    lanes[..S::LANES].iter().sum()
}

/// The largest lane, found by halves: one after the other each would wait for the one before.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn largest<S: Simd>(x: S::Floats) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; PANEL];
    // SAFETY: `LANES` is at most `PANEL`.
    unsafe { S::store_f32(lanes.as_mut_ptr(), x) };
    halve::<8>(&mut lanes);
    halve::<4>(&mut lanes);
    halve::<2>(&mut lanes);
    halve::<1>(&mut lanes);
    lanes[0]
}

/// The larger of each of the first `HALF` lanes and the one `HALF` behind it. Compared as processors do, and not with [`f32::max`], which
/// takes three instructions because of what is not a number.
#[inline(always)]
fn halve<const HALF: usize>(lanes: &mut [f32; PANEL]) {
    for lane in 0..HALF {
        lanes[lane] = if lanes[lane] > lanes[lane + HALF] { lanes[lane] } else { lanes[lane + HALF] };
    }
}

/// `e` to the power of `x`, to about two units in the last place; 0 below -87, largest at 88 (Cephes' `expf`: range reduction by ln 2 in
/// two parts, then a polynomial).
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::Floats) -> S::Floats {
    const POLYNOMIAL: [f32; 5] = [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    // SAFETY: the caller's.
    unsafe {
        let x = S::min(S::max(x, S::splat_f32(-88.029_69)), S::splat_f32(88.0));
        let power = S::round_to_i32(S::mul(x, S::splat_f32(std::f32::consts::LOG2_E)));
        let whole = S::to_f32(power);
        let rest = S::mul_add(whole, S::splat_f32(-0.693_359_4), x);
        let rest = S::mul_add(whole, S::splat_f32(2.121_944_4e-4), rest);
        let mut sum = S::splat_f32(1.987_569_2e-4);
        for factor in POLYNOMIAL {
            sum = S::mul_add(sum, rest, S::splat_f32(factor));
        }
        let sum = S::mul_add(sum, S::mul(rest, rest), S::add(rest, S::splat_f32(1.0)));
        S::mul(sum, S::power_of_two(power))
    }
}
