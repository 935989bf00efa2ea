//! Any processor: four lanes in plain arrays, which the compiler may vectorise.

use half::f16;

use super::simd::Simd;

/// Portable implementation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

type Four<T> = [T; 4];

fn lanes(x: Four<i32>, f: impl Fn(u32) -> u32) -> Four<i32> {
    x.map(|lane| f(lane as u32) as i32)
}

/// Mask of the bits that remain when every byte is shifted by itself.
fn kept(byte: u8) -> u32 {
    u32::from_ne_bytes([byte; 4])
}

#[allow(clippy::missing_safety_doc, reason = "the trait says it")]
impl Simd for Portable {
    const LANES: usize = 4;
    const SIGNED_DOT: bool = true;
    type Ints = Four<i32>;
    type Floats = Four<f32>;

    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
    #[inline(always)]
    unsafe fn prefetch_l2(_: *const u8) {}
    #[inline(always)]
    unsafe fn load_bytes(at: *const u8) -> Four<i32> {
        // SAFETY: 16 bytes by contract; `i32` has no invalid values.
        unsafe { at.cast::<Four<i32>>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat_i32(value: i32) -> Four<i32> {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn and(a: Four<i32>, b: Four<i32>) -> Four<i32> {
        std::array::from_fn(|i| a[i] & b[i])
    }
    #[inline(always)]
    unsafe fn or(a: Four<i32>, b: Four<i32>) -> Four<i32> {
        std::array::from_fn(|i| a[i] | b[i])
    }
    #[inline(always)]
    unsafe fn shift_left(x: Four<i32>, by: u32) -> Four<i32> {
        lanes(x, |lane| (lane << by) & kept(0xff << by))
    }
    #[inline(always)]
    unsafe fn shift_right(x: Four<i32>, by: u32) -> Four<i32> {
        lanes(x, |lane| (lane >> by) & kept(0xff >> by))
    }
    #[inline(always)]
    unsafe fn dot(sum: Four<i32>, numbers: Four<i32>, zero: Four<i32>, x: Four<i32>) -> Four<i32> {
        std::array::from_fn(|i| {
            let (numbers, zero, x) = (numbers[i].to_ne_bytes(), zero[i].to_ne_bytes(), x[i].to_ne_bytes());
            let product = |j: usize| (i32::from(numbers[j]) - i32::from(zero[j])) * i32::from(x[j] as i8);
            sum[i] + (0..4).map(product).sum::<i32>()
        })
    }
    #[inline(always)]
    unsafe fn to_f32(x: Four<i32>) -> Four<f32> {
        x.map(|lane| lane as f32)
    }
    #[inline(always)]
    unsafe fn round_to_i32(x: Four<f32>) -> Four<i32> {
        // Adding and subtracting 1.5 * 2^23 rounds to the nearest, without a call.
        x.map(|lane| if lane.abs() < 4_194_304.0 { (lane + 12_582_912.0 - 12_582_912.0) as i32 } else { lane as i32 })
    }
    #[inline(always)]
    unsafe fn store_i32(at: *mut i32, x: Four<i32>) {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Four<i32>>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn load_f16(at: *const f16) -> Four<f32> {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Four<f16>>().read_unaligned() }.map(f16::to_f32)
    }
    #[inline(always)]
    unsafe fn store_f16(at: *mut f16, x: Four<f32>) {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Four<f16>>().write_unaligned(x.map(f16::from_f32)) }
    }
    #[inline(always)]
    unsafe fn load_i8(at: *const i8) -> Four<f32> {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Four<i8>>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_u8(at: *const u8) -> Four<f32> {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Four<u8>>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_f32(at: *const f32) -> Four<f32> {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Four<f32>>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_f32(at: *mut f32, x: Four<f32>) {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Four<f32>>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn splat_f32(value: f32) -> Four<f32> {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn add(a: Four<f32>, b: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Four<f32>, b: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: Four<f32>, b: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn mul_add(a: Four<f32>, b: Four<f32>, c: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn max(a: Four<f32>, b: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn min(a: Four<f32>, b: Four<f32>) -> Four<f32> {
        std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn abs(x: Four<f32>) -> Four<f32> {
        x.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn power_of_two(x: Four<i32>) -> Four<f32> {
        x.map(|lane| f32::from_bits(((lane + 127) as u32) << 23))
    }
}
