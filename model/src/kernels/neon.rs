//! NEON with the dot product extension: 4 lanes. One instruction adds four products of signed bytes to a lane.
//!
//! Stable Rust has neither the dot product nor 16-bit floats for NEON, so the three instructions that need them are
//! written in assembly.

use std::arch::aarch64::*;
use std::arch::asm;

use half::f16;

use super::simd::Simd;

/// NEON with the `dotprod` extension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon;

#[allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks, reason = "documented on the trait")]
impl Simd for Neon {
    const LANES: usize = 4;
    const SMALL_BATCH_REGISTERS: usize = 4;
    const SIGNED_DOT: bool = true;
    type Ints = int32x4_t;
    type Floats = float32x4_t;

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { asm!("prfm pldl1keep, [{0}]", in(reg) at, options(readonly, nostack, preserves_flags)) }
    }
    #[inline(always)]
    unsafe fn prefetch_l2(at: *const u8) {
        unsafe { asm!("prfm pldl2keep, [{0}]", in(reg) at, options(readonly, nostack, preserves_flags)) }
    }
    #[inline(always)]
    unsafe fn load_bytes(at: *const u8) -> int32x4_t {
        unsafe { vreinterpretq_s32_u8(vld1q_u8(at)) }
    }
    #[inline(always)]
    unsafe fn splat_i32(value: i32) -> int32x4_t {
        unsafe { vdupq_n_s32(value) }
    }
    #[inline(always)]
    unsafe fn and(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        unsafe { vandq_s32(a, b) }
    }
    #[inline(always)]
    unsafe fn or(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        unsafe { vorrq_s32(a, b) }
    }
    #[inline(always)]
    unsafe fn shift_left(x: int32x4_t, by: u32) -> int32x4_t {
        unsafe { vreinterpretq_s32_u8(vshlq_u8(vreinterpretq_u8_s32(x), vdupq_n_s8(by as i8))) }
    }
    #[inline(always)]
    unsafe fn shift_right(x: int32x4_t, by: u32) -> int32x4_t {
        unsafe { vreinterpretq_s32_u8(vshlq_u8(vreinterpretq_u8_s32(x), vdupq_n_s8(-(by as i8)))) }
    }
    #[inline(always)]
    unsafe fn dot(sum: int32x4_t, quants: int32x4_t, zero_point: int32x4_t, x: int32x4_t) -> int32x4_t {
        unsafe {
            let w = vsubq_s8(vreinterpretq_s8_s32(quants), vreinterpretq_s8_s32(zero_point));
            let mut sum = sum;
            asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) w, in(vreg) x,
                options(pure, nomem, nostack, preserves_flags));
            sum
        }
    }
    #[inline(always)]
    unsafe fn to_f32(x: int32x4_t) -> float32x4_t {
        unsafe { vcvtq_f32_s32(x) }
    }
    #[inline(always)]
    unsafe fn round_to_i32(x: float32x4_t) -> int32x4_t {
        unsafe { vcvtnq_s32_f32(x) }
    }
    #[inline(always)]
    unsafe fn store_i32(at: *mut i32, x: int32x4_t) {
        unsafe { vst1q_s32(at, x) }
    }
    #[inline(always)]
    unsafe fn load_f16(at: *const f16) -> float32x4_t {
        unsafe {
            let halves = vld1_u16(at.cast());
            let floats: float32x4_t;
            asm!("fcvtl {0:v}.4s, {1:v}.4h", out(vreg) floats, in(vreg) halves, options(pure, nomem, nostack, preserves_flags));
            floats
        }
    }
    #[inline(always)]
    unsafe fn store_f16(at: *mut f16, x: float32x4_t) {
        unsafe {
            let halves: uint16x4_t;
            asm!("fcvtn {0:v}.4h, {1:v}.4s", out(vreg) halves, in(vreg) x, options(pure, nomem, nostack, preserves_flags));
            vst1_u16(at.cast(), halves);
        }
    }
    #[inline(always)]
    unsafe fn load_i8(at: *const i8) -> float32x4_t {
        unsafe { vld1q_f32(at.cast::<[i8; 4]>().read_unaligned().map(f32::from).as_ptr()) }
    }
    #[inline(always)]
    unsafe fn load_u8(at: *const u8) -> float32x4_t {
        unsafe { vld1q_f32(at.cast::<[u8; 4]>().read_unaligned().map(f32::from).as_ptr()) }
    }
    #[inline(always)]
    unsafe fn load_f32(at: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(at) }
    }
    #[inline(always)]
    unsafe fn store_f32(at: *mut f32, x: float32x4_t) {
        unsafe { vst1q_f32(at, x) }
    }
    #[inline(always)]
    unsafe fn splat_f32(value: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(value) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vminq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn abs(x: float32x4_t) -> float32x4_t {
        unsafe { vabsq_f32(x) }
    }
    #[inline(always)]
    unsafe fn power_of_two(x: int32x4_t) -> float32x4_t {
        unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(x, vdupq_n_s32(127)))) }
    }
}
