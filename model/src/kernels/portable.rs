//! Any processor: four lanes in plain arrays, which the compiler may vectorise.

use half::f16;

use super::simd::Simd;

/// Portable set: no instructions beyond those that every processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

type Lanes<T> = [T; 4];

fn map_lanes(x: Lanes<i32>, f: impl Fn(u32) -> u32) -> Lanes<i32> {
    x.map(|lane| f(lane as u32) as i32)
}

/// Lane of four equal bytes, which masks the bits that a shift moves into the next byte.
fn repeat_byte(byte: u8) -> u32 {
    u32::from_ne_bytes([byte; 4])
}

#[allow(clippy::missing_safety_doc, reason = "documented on the trait")]
impl Simd for Portable {
    const LANES: usize = 4;
    const SIGNED_DOT: bool = true;
    type Ints = Lanes<i32>;
    type Floats = Lanes<f32>;

    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
    #[inline(always)]
    unsafe fn prefetch_l2(_: *const u8) {}
    #[inline(always)]
    unsafe fn load_bytes(at: *const u8) -> Lanes<i32> {
        // SAFETY: 16 bytes by contract; `i32` has no invalid values.
        unsafe { at.cast::<Lanes<i32>>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat_i32(value: i32) -> Lanes<i32> {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn and(a: Lanes<i32>, b: Lanes<i32>) -> Lanes<i32> {
        std::array::from_fn(|i| a[i] & b[i])
    }
    #[inline(always)]
    unsafe fn or(a: Lanes<i32>, b: Lanes<i32>) -> Lanes<i32> {
        std::array::from_fn(|i| a[i] | b[i])
    }
    #[inline(always)]
    unsafe fn shift_left(x: Lanes<i32>, by: u32) -> Lanes<i32> {
        map_lanes(x, |lane| (lane << by) & repeat_byte(0xff << by))
    }
    #[inline(always)]
    unsafe fn shift_right(x: Lanes<i32>, by: u32) -> Lanes<i32> {
        map_lanes(x, |lane| (lane >> by) & repeat_byte(0xff >> by))
    }
    #[inline(always)]
    unsafe fn dot(sum: Lanes<i32>, quants: Lanes<i32>, zero_point: Lanes<i32>, x: Lanes<i32>) -> Lanes<i32> {
        std::array::from_fn(|i| {
            let (quants, zero_point, x) = (quants[i].to_ne_bytes(), zero_point[i].to_ne_bytes(), x[i].to_ne_bytes());
            let product = |j: usize| (i32::from(quants[j]) - i32::from(zero_point[j])) * i32::from(x[j] as i8);
            sum[i] + (0..4).map(product).sum::<i32>()
        })
    }
    #[inline(always)]
    unsafe fn to_f32(x: Lanes<i32>) -> Lanes<f32> {
        x.map(|lane| lane as f32)
    }
    #[inline(always)]
    unsafe fn round_to_i32(x: Lanes<f32>) -> Lanes<i32> {
        // Adding and subtracting 1.5 * 2^23 rounds to the nearest, without a call.
        x.map(|lane| if lane.abs() < 4_194_304.0 { (lane + 12_582_912.0 - 12_582_912.0) as i32 } else { lane as i32 })
    }
    #[inline(always)]
    unsafe fn store_i32(at: *mut i32, x: Lanes<i32>) {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Lanes<i32>>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn load_f16(at: *const f16) -> Lanes<f32> {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Lanes<f16>>().read_unaligned() }.map(f16::to_f32)
    }
    #[inline(always)]
    unsafe fn store_f16(at: *mut f16, x: Lanes<f32>) {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Lanes<f16>>().write_unaligned(x.map(f16::from_f32)) }
    }
    #[inline(always)]
    unsafe fn load_i8(at: *const i8) -> Lanes<f32> {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Lanes<i8>>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_u8(at: *const u8) -> Lanes<f32> {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Lanes<u8>>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_f32(at: *const f32) -> Lanes<f32> {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Lanes<f32>>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_f32(at: *mut f32, x: Lanes<f32>) {
        // SAFETY: four lanes by contract.
        unsafe { at.cast::<Lanes<f32>>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn splat_f32(value: f32) -> Lanes<f32> {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn add(a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn mul_add(a: Lanes<f32>, b: Lanes<f32>, c: Lanes<f32>) -> Lanes<f32> {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn max(a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn min(a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn abs(x: Lanes<f32>) -> Lanes<f32> {
        x.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn power_of_two(x: Lanes<i32>) -> Lanes<f32> {
        x.map(|lane| f32::from_bits(((lane + 127) as u32) << 23))
    }
}
