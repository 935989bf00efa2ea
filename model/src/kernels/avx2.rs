//! AVX2 with FMA and F16C: 8 lanes. With 256-bit VNNI where the processor supports it.
//!
//! Without VNNI, sums of two products have 16 bits. Quants of 6 bits and less are multiplied as they are, and several
//! such sums are added before they are widened. With 8 bits the sign moves to the activations, so that 16 bits never
//! overflow.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use half::f16;

use super::simd::{Simd, dot_many_generic};

/// AVX2 with a byte dot product `D`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2<D>(PhantomData<D>);

/// Dot product of bytes: adds four products to each lane.
pub(crate) trait ByteDot: Copy {
    /// Value of [`Simd::SIGNED_DOT`].
    const SIGNED_DOT: bool;
    /// Implements [`Simd::dot`].
    ///
    /// # Safety
    /// As for [`Simd`].
    unsafe fn dot(sum: __m256i, quants: __m256i, zero_point: __m256i, x: __m256i) -> __m256i;
}

/// Dot product with AVX2 alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2Dot;

impl ByteDot for Avx2Dot {
    const SIGNED_DOT: bool = true;

    #[inline(always)]
    unsafe fn dot(sum: __m256i, quants: __m256i, zero_point: __m256i, x: __m256i) -> __m256i {
        // SAFETY: AVX2, by contract. |w| <= 128 and |x| <= 127, so two products fit into 16 bits.
        unsafe {
            let w = _mm256_sub_epi8(quants, zero_point);
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}

/// Dot product with AVX-VNNI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AvxVnniDot;

impl ByteDot for AvxVnniDot {
    const SIGNED_DOT: bool = false;

    #[inline(always)]
    unsafe fn dot(sum: __m256i, quants: __m256i, _zero_point: __m256i, x: __m256i) -> __m256i {
        // SAFETY: AVX-VNNI, by contract.
        unsafe { _mm256_dpbusd_avx_epi32(sum, quants, x) }
    }
}

#[allow(
    clippy::missing_safety_doc,
    clippy::undocumented_unsafe_blocks,
    reason = "the trait documents both: the processor supports the set, and pointers are valid for all lanes"
)]
impl<D: ByteDot> Simd for Avx2<D> {
    const LANES: usize = 8;
    const SIGNED_DOT: bool = D::SIGNED_DOT;
    const SMALL_BATCH_REGISTERS: usize = 2;
    const PAIRED_REGISTERS: bool = D::SIGNED_DOT;
    const UNPACKS_FOR_BATCHES: bool = D::SIGNED_DOT;
    const HAS_MADD_I16: bool = D::SIGNED_DOT;
    type Ints = __m256i;
    type Floats = __m256;

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch_l2(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn load_bytes(at: *const u8) -> __m256i {
        unsafe { _mm256_loadu_si256(at.cast()) }
    }
    #[inline(always)]
    unsafe fn splat_i32(value: i32) -> __m256i {
        unsafe { _mm256_set1_epi32(value) }
    }
    #[inline(always)]
    unsafe fn and(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_and_si256(a, b) }
    }
    #[inline(always)]
    unsafe fn or(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    unsafe fn shift_left(x: __m256i, by: u32) -> __m256i {
        unsafe { _mm256_sll_epi16(x, _mm_cvtsi32_si128(by as i32)) }
    }
    #[inline(always)]
    unsafe fn shift_right(x: __m256i, by: u32) -> __m256i {
        unsafe { _mm256_srl_epi16(x, _mm_cvtsi32_si128(by as i32)) }
    }
    #[inline(always)]
    unsafe fn dot(sum: __m256i, quants: __m256i, zero_point: __m256i, x: __m256i) -> __m256i {
        unsafe { D::dot(sum, quants, zero_point, x) }
    }
    #[inline(always)]
    unsafe fn dot_many<const REGS: usize, const OFFSET: usize>(
        sums: &mut [__m256i; REGS],
        quants: [__m256i; REGS],
        zero_point: __m256i,
        x: *const i8,
    ) {
        unsafe {
            if D::SIGNED_DOT && REGS == 2 {
                (sums[0], sums[1]) = dot_x2::<OFFSET>([sums[0], sums[1]], [quants[0], quants[1]], zero_point, x);
            } else {
                dot_many_generic::<Self, REGS, OFFSET>(sums, quants, zero_point, x);
            }
        }
    }
    #[inline(always)]
    unsafe fn madd_i16<const REGS: usize, const OFFSET: usize>(
        sums: &mut [__m256i; REGS],
        quants: [__m256i; REGS],
        x: *const i8,
    ) {
        unsafe {
            if REGS == 2 {
                (sums[0], sums[1]) = madd_i16_x2::<OFFSET>([sums[0], sums[1]], [quants[0], quants[1]], x);
                return;
            }
            let xs = Self::splat_i32(x.add(OFFSET).cast::<i32>().read_unaligned());
            for reg in 0..REGS {
                sums[reg] = _mm256_add_epi16(sums[reg], _mm256_maddubs_epi16(quants[reg], xs));
            }
        }
    }
    #[inline(always)]
    unsafe fn madd_i16_first<const REGS: usize, const OFFSET: usize>(
        quants: [__m256i; REGS],
        x: *const i8,
    ) -> [__m256i; REGS] {
        unsafe {
            let xs = Self::splat_i32(x.add(OFFSET).cast::<i32>().read_unaligned());
            let mut products = quants;
            for reg in 0..REGS {
                products[reg] = _mm256_maddubs_epi16(quants[reg], xs);
            }
            products
        }
    }
    #[inline(always)]
    unsafe fn add_i16_pairs(sum: __m256i, pairs: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))) }
    }
    #[inline(always)]
    unsafe fn to_f32(x: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(x) }
    }
    #[inline(always)]
    unsafe fn round_to_i32(x: __m256) -> __m256i {
        unsafe { _mm256_cvtps_epi32(x) }
    }
    #[inline(always)]
    unsafe fn store_i32(at: *mut i32, x: __m256i) {
        unsafe { _mm256_storeu_si256(at.cast(), x) }
    }
    #[inline(always)]
    unsafe fn load_f16(at: *const f16) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(at.cast())) }
    }
    #[inline(always)]
    unsafe fn store_f16(at: *mut f16, x: __m256) {
        unsafe { _mm_storeu_si128(at.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x)) }
    }
    #[inline(always)]
    unsafe fn load_i8(at: *const i8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(at.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_u8(at: *const u8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(at.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_f32(at: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(at) }
    }
    #[inline(always)]
    unsafe fn store_f32(at: *mut f32, x: __m256) {
        unsafe { _mm256_storeu_ps(at, x) }
    }
    #[inline(always)]
    unsafe fn splat_f32(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn abs(x: __m256) -> __m256 {
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), x) }
    }
    #[inline(always)]
    unsafe fn power_of_two(x: __m256i) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(x, _mm256_set1_epi32(127)))) }
    }
}

/// Implements [`Simd::madd_i16`] for two registers, in assembly: the compiler would order the products so that they
/// need far more than 16 registers.
///
/// # Safety
/// As for [`Simd`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn madd_i16_x2<const OFFSET: usize>(
    sums: [__m256i; 2],
    quants: [__m256i; 2],
    x: *const i8,
) -> (__m256i, __m256i) {
    let [mut sum0, mut sum1] = sums;
    // SAFETY: AVX2, by contract; four bytes are read.
    unsafe {
        std::arch::asm!(
            "vpbroadcastd {xs}, dword ptr [{x} + {offset}]",
            "vpmaddubsw {product}, {quants0}, {xs}",
            "vpmaddubsw {xs}, {quants1}, {xs}",
            "vpaddw {sum0}, {sum0}, {product}",
            "vpaddw {sum1}, {sum1}, {xs}",
            x = in(reg) x,
            offset = const OFFSET,
            quants0 = in(ymm_reg) quants[0],
            quants1 = in(ymm_reg) quants[1],
            sum0 = inout(ymm_reg) sum0,
            sum1 = inout(ymm_reg) sum1,
            xs = out(ymm_reg) _,
            product = out(ymm_reg) _,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    (sum0, sum1)
}

/// Implements [`Simd::dot_many`] for two registers, in assembly for the same reason.
///
/// # Safety
/// As for [`Simd`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn dot_x2<const OFFSET: usize>(
    sums: [__m256i; 2],
    quants: [__m256i; 2],
    zero_point: __m256i,
    x: *const i8,
) -> (__m256i, __m256i) {
    let [mut sum0, mut sum1] = sums;
    let (w0, w1) = (_mm256_sub_epi8(quants[0], zero_point), _mm256_sub_epi8(quants[1], zero_point));
    // SAFETY: AVX2, by contract; four bytes are read. |w| <= 128 and |x| <= 127, so two products fit into 16 bits.
    unsafe {
        std::arch::asm!(
            "vpbroadcastd {xs}, dword ptr [{x} + {offset}]",
            "vpsignb {product}, {xs}, {w0}",
            "vpsignb {xs}, {xs}, {w1}",
            "vpmaddubsw {product}, {abs_w0}, {product}",
            "vpmaddubsw {xs}, {abs_w1}, {xs}",
            "vpmaddwd {product}, {product}, {ones}",
            "vpmaddwd {xs}, {xs}, {ones}",
            "vpaddd {sum0}, {sum0}, {product}",
            "vpaddd {sum1}, {sum1}, {xs}",
            x = in(reg) x,
            offset = const OFFSET,
            w0 = in(ymm_reg) w0,
            w1 = in(ymm_reg) w1,
            abs_w0 = in(ymm_reg) _mm256_abs_epi8(w0),
            abs_w1 = in(ymm_reg) _mm256_abs_epi8(w1),
            ones = in(ymm_reg) _mm256_set1_epi16(1),
            sum0 = inout(ymm_reg) sum0,
            sum1 = inout(ymm_reg) sum1,
            xs = out(ymm_reg) _,
            product = out(ymm_reg) _,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    (sum0, sum1)
}
