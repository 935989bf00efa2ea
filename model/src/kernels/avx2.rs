//! AVX2 with FMA and F16C: 8 lanes. With 256-bit VNNI where the processor supports it.
//!
//! Without VNNI, sums of two products have 16 bits. Quants of 6 bits and less are multiplied as they are, and several
//! such sums are added before they are widened. With 8 bits the sign moves to the activations, so that 16 bits never
//! overflow.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use half::f16;

use super::simd::{Simd, each_dot};

/// AVX2 with a byte dot product `D`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2<D>(PhantomData<D>);

/// Dot product of bytes: adds four products to each lane.
pub(crate) trait Dot: Copy {
    /// Value of [`Simd::SIGNED_DOT`].
    const SIGNED_DOT: bool;
    /// Implements [`Simd::dot`].
    ///
    /// # Safety
    /// As for [`Simd`].
    unsafe fn dot(sum: __m256i, numbers: __m256i, zero: __m256i, x: __m256i) -> __m256i;
}

/// Dot product with AVX2 alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain;

impl Dot for Plain {
    const SIGNED_DOT: bool = true;

    #[inline(always)]
    unsafe fn dot(sum: __m256i, numbers: __m256i, zero: __m256i, x: __m256i) -> __m256i {
        // SAFETY: AVX2, by contract. |w| <= 128 and |x| <= 127, so two products fit into 16 bits.
        unsafe {
            let w = _mm256_sub_epi8(numbers, zero);
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}

/// Dot product with AVX-VNNI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vnni;

impl Dot for Vnni {
    const SIGNED_DOT: bool = false;

    #[inline(always)]
    unsafe fn dot(sum: __m256i, numbers: __m256i, _zero: __m256i, x: __m256i) -> __m256i {
        // SAFETY: AVX-VNNI, by contract.
        unsafe { _mm256_dpbusd_avx_epi32(sum, numbers, x) }
    }
}

#[allow(
    clippy::missing_safety_doc,
    clippy::undocumented_unsafe_blocks,
    reason = "the trait says it: the set is here, pointers hold all lanes"
)]
impl<D: Dot> Simd for Avx2<D> {
    const LANES: usize = 8;
    const SIGNED_DOT: bool = D::SIGNED_DOT;
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
    unsafe fn dot(sum: __m256i, numbers: __m256i, zero: __m256i, x: __m256i) -> __m256i {
        unsafe { D::dot(sum, numbers, zero, x) }
    }
    const SMALL_BATCH_REGISTERS: usize = 2;
    const PAIRED_REGISTERS: bool = D::SIGNED_DOT;
    const UNPACKS_FOR_BATCHES: bool = D::SIGNED_DOT;

    #[inline(always)]
    unsafe fn dot_many<const PARTS: usize, const AT: usize>(
        sums: &mut [__m256i; PARTS],
        numbers: [__m256i; PARTS],
        zero: __m256i,
        x: *const i8,
    ) {
        unsafe {
            if D::SIGNED_DOT && PARTS == 2 {
                (sums[0], sums[1]) = two_dots::<AT>([sums[0], sums[1]], [numbers[0], numbers[1]], zero, x);
            } else {
                each_dot::<Self, PARTS, AT>(sums, numbers, zero, x);
            }
        }
    }
    const HAS_MADD_I16: bool = D::SIGNED_DOT;

    #[inline(always)]
    unsafe fn madd_i16<const PARTS: usize, const AT: usize>(
        sums: &mut [__m256i; PARTS],
        numbers: [__m256i; PARTS],
        x: *const i8,
    ) {
        unsafe {
            if PARTS == 2 {
                (sums[0], sums[1]) = two_pairs::<AT>([sums[0], sums[1]], [numbers[0], numbers[1]], x);
                return;
            }
            let four = Self::splat_i32(x.add(AT).cast::<i32>().read_unaligned());
            for part in 0..PARTS {
                sums[part] = _mm256_add_epi16(sums[part], _mm256_maddubs_epi16(numbers[part], four));
            }
        }
    }
    #[inline(always)]
    unsafe fn madd_i16_first<const PARTS: usize, const AT: usize>(
        numbers: [__m256i; PARTS],
        x: *const i8,
    ) -> [__m256i; PARTS] {
        unsafe {
            let four = Self::splat_i32(x.add(AT).cast::<i32>().read_unaligned());
            let mut products = numbers;
            for part in 0..PARTS {
                products[part] = _mm256_maddubs_epi16(numbers[part], four);
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
unsafe fn two_pairs<const AT: usize>(sums: [__m256i; 2], numbers: [__m256i; 2], x: *const i8) -> (__m256i, __m256i) {
    let [mut first, mut second] = sums;
    // SAFETY: AVX2, by contract; four bytes are read.
    unsafe {
        std::arch::asm!(
            "vpbroadcastd {four}, dword ptr [{x} + {at}]",
            "vpmaddubsw {product}, {numbers}, {four}",
            "vpmaddubsw {four}, {others}, {four}",
            "vpaddw {first}, {first}, {product}",
            "vpaddw {second}, {second}, {four}",
            x = in(reg) x,
            at = const AT,
            numbers = in(ymm_reg) numbers[0],
            others = in(ymm_reg) numbers[1],
            first = inout(ymm_reg) first,
            second = inout(ymm_reg) second,
            four = out(ymm_reg) _,
            product = out(ymm_reg) _,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    (first, second)
}

/// Implements [`Simd::dot_many`] for two registers, in assembly for the same reason.
///
/// # Safety
/// As for [`Simd`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn two_dots<const AT: usize>(
    sums: [__m256i; 2],
    numbers: [__m256i; 2],
    zero: __m256i,
    x: *const i8,
) -> (__m256i, __m256i) {
    let [mut first, mut second] = sums;
    let (numbers, others) = (_mm256_sub_epi8(numbers[0], zero), _mm256_sub_epi8(numbers[1], zero));
    // SAFETY: AVX2, by contract; four bytes are read. |w| <= 128 and |x| <= 127, so two products fit into 16 bits.
    unsafe {
        std::arch::asm!(
            "vpbroadcastd {four}, dword ptr [{x} + {at}]",
            "vpsignb {product}, {four}, {numbers}",
            "vpsignb {four}, {four}, {others}",
            "vpmaddubsw {product}, {sizes}, {product}",
            "vpmaddubsw {four}, {other_sizes}, {four}",
            "vpmaddwd {product}, {product}, {one}",
            "vpmaddwd {four}, {four}, {one}",
            "vpaddd {first}, {first}, {product}",
            "vpaddd {second}, {second}, {four}",
            x = in(reg) x,
            at = const AT,
            numbers = in(ymm_reg) numbers,
            others = in(ymm_reg) others,
            sizes = in(ymm_reg) _mm256_abs_epi8(numbers),
            other_sizes = in(ymm_reg) _mm256_abs_epi8(others),
            one = in(ymm_reg) _mm256_set1_epi16(1),
            first = inout(ymm_reg) first,
            second = inout(ymm_reg) second,
            four = out(ymm_reg) _,
            product = out(ymm_reg) _,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    (first, second)
}
