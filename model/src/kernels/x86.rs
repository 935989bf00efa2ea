//! The panel kernels for x86-64: AVX512-VNNI, and AVX2 with and without VNNI.
//!
//! All take their numbers as unsigned bytes. VNNI multiplies unsigned by signed bytes and adds four products to a lane in
//! one instruction; AVX2 alone does it in three, with the sign moved to the inputs so that 16 bits never overflow.

use std::arch::x86_64::*;

use super::packed::{Inputs, PANEL, Packed, Scales, TILE};

/// What a kernel needs of a span, gathered once for all rows.
struct Span {
    quants: *const u8,
    at: usize,
}

fn span_at(matrix: &Packed, panel: usize, index: usize) -> Span {
    let span = matrix.format.span;
    // SAFETY: a panel has `columns * 16` bytes and `index` is below `columns / span`.
    let quants = unsafe { matrix.quants(panel).add(index * span * PANEL) };
    Span { quants, at: (panel * (matrix.columns() / span) + index) * PANEL }
}

/// Four numbers of a row of inputs, as one lane.
#[inline(always)]
fn four(inputs: &Inputs, row: usize, column: usize) -> i32 {
    let at = row * inputs.columns + column;
    let bytes: &[i8; 4] = inputs.numbers[at..at + 4].try_into().unwrap_or(&[0; 4]);
    i32::from_le_bytes(bytes.map(|byte| byte as u8))
}

macro_rules! by_rows {
    ($kernel:ident, $matrix:expr, $panel:expr, $inputs:expr, $row:expr, $result:expr) => {
        // SAFETY: the dispatcher has looked for the features that the kernel is compiled for.
        unsafe {
            match $result.len() {
                1 => $kernel::<1>($matrix, $panel, $inputs, $row, $result),
                2 => $kernel::<2>($matrix, $panel, $inputs, $row, $result),
                3 => $kernel::<3>($matrix, $panel, $inputs, $row, $result),
                4 => $kernel::<4>($matrix, $panel, $inputs, $row, $result),
                5 => $kernel::<5>($matrix, $panel, $inputs, $row, $result),
                6 => $kernel::<6>($matrix, $panel, $inputs, $row, $result),
                7 => $kernel::<7>($matrix, $panel, $inputs, $row, $result),
                _ => $kernel::<TILE>($matrix, $panel, $inputs, $row, $result),
            }
        }
    };
}

pub(crate) fn avx512(matrix: &Packed, panel: usize, inputs: &Inputs, row: usize, result: &mut [[f32; PANEL]]) {
    by_rows!(avx512_rows, matrix, panel, inputs, row, result);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn avx512_rows<const R: usize>(m: &Packed, panel: usize, x: &Inputs, row: usize, result: &mut [[f32; PANEL]]) {
    let span = m.format.span;
    let zero = i32::from(m.format.zero);
    let mut sums = [_mm512_setzero_ps(); R];
    for index in 0..m.columns() / span {
        let it = span_at(m, panel, index);
        let mut dots: [__m512i; R] = std::array::from_fn(|r| _mm512_set1_epi32(-zero * x.sum(row + r, index, span)));
        for group in 0..span / 4 {
            // SAFETY: a span has `span / 4` lines of 64 bytes.
            let w = unsafe { _mm512_loadu_si512(it.quants.add(group * 64).cast()) };
            for (r, dot) in dots.iter_mut().enumerate() {
                *dot = _mm512_dpbusd_epi32(*dot, w, _mm512_set1_epi32(four(x, row + r, index * span + group * 4)));
            }
        }
        let scale = match &m.scales {
            // SAFETY: there are 16 scales at `at` for each span.
            Scales::Half(s) => unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(s[it.at..it.at + PANEL].as_ptr().cast())) },
            // SAFETY: as above.
            Scales::Full(s) => unsafe { _mm512_loadu_ps(s[it.at..it.at + PANEL].as_ptr()) },
        };
        for (r, sum) in sums.iter_mut().enumerate() {
            let x_scale = x.scale(row + r, index, span);
            let factor = _mm512_mul_ps(scale, _mm512_set1_ps(x_scale));
            *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r]), factor, *sum);
            if let Some(minima) = &m.minima {
                // SAFETY: there are 16 minima at `at` for each span.
                let minimum = unsafe { _mm512_loadu_ps(minima[it.at..it.at + PANEL].as_ptr()) };
                let x_sum = _mm512_set1_ps(x_scale * x.sum(row + r, index, span) as f32);
                *sum = _mm512_fmadd_ps(minimum, x_sum, *sum);
            }
        }
    }
    for (result, sum) in result.iter_mut().zip(sums) {
        // SAFETY: a result has 16 floats.
        unsafe { _mm512_storeu_ps(result.as_mut_ptr(), sum) };
    }
}

/// How four products are added to a lane of 8 outputs.
trait Multiply {
    /// # Safety
    /// The processor must have the features that the kernel is compiled for.
    unsafe fn add(dot: __m256i, w: __m256i, x: __m256i, zero: __m256i) -> __m256i;
    /// Whether `add` takes the zero off the numbers itself.
    const SIGNED: bool;
}

struct Plain;

impl Multiply for Plain {
    const SIGNED: bool = true;

    #[inline(always)]
    unsafe fn add(dot: __m256i, w: __m256i, x: __m256i, zero: __m256i) -> __m256i {
        // SAFETY: AVX2, by contract. |w| <= 128 and |x| <= 127, so two products fit into 16 bits.
        unsafe {
            let w = _mm256_sub_epi8(w, zero);
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
            _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}

struct Vnni;

impl Multiply for Vnni {
    const SIGNED: bool = false;

    #[inline(always)]
    unsafe fn add(dot: __m256i, w: __m256i, x: __m256i, _zero: __m256i) -> __m256i {
        // SAFETY: AVX-VNNI, by contract.
        unsafe { _mm256_dpbusd_avx_epi32(dot, w, x) }
    }
}

pub(crate) fn avx2(matrix: &Packed, panel: usize, inputs: &Inputs, row: usize, result: &mut [[f32; PANEL]]) {
    by_rows!(avx2_rows, matrix, panel, inputs, row, result);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn avx2_rows<const R: usize>(m: &Packed, panel: usize, x: &Inputs, row: usize, result: &mut [[f32; PANEL]]) {
    // SAFETY: AVX2, FMA and F16C are enabled.
    unsafe { eight_lanes::<R, Plain>(m, panel, x, row, result) };
}

pub(crate) fn avxvnni(matrix: &Packed, panel: usize, inputs: &Inputs, row: usize, result: &mut [[f32; PANEL]]) {
    by_rows!(avxvnni_rows, matrix, panel, inputs, row, result);
}

#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
fn avxvnni_rows<const R: usize>(m: &Packed, panel: usize, x: &Inputs, row: usize, result: &mut [[f32; PANEL]]) {
    // SAFETY: AVX2, FMA, F16C and AVX-VNNI are enabled.
    unsafe { eight_lanes::<R, Vnni>(m, panel, x, row, result) };
}

/// Both halves of a panel, 8 outputs at a time.
///
/// # Safety
/// The processor must have AVX2, FMA, F16C and what `M` needs.
#[inline(always)]
unsafe fn eight_lanes<const R: usize, M: Multiply>(
    m: &Packed,
    panel: usize,
    x: &Inputs,
    row: usize,
    result: &mut [[f32; PANEL]],
) {
    let span = m.format.span;
    let start = if M::SIGNED { 0 } else { -i32::from(m.format.zero) };
    for half in 0..2 {
        // SAFETY: features by contract; the reads stay inside a span's lines, scales and minima as in `avx512_rows`.
        unsafe {
            let zero = _mm256_set1_epi8(m.format.zero as i8);
            let mut sums = [_mm256_setzero_ps(); R];
            for index in 0..m.columns() / span {
                let it = span_at(m, panel, index);
                let at = it.at + half * 8;
                let mut dots = [_mm256_setzero_si256(); R];
                for (r, dot) in dots.iter_mut().enumerate() {
                    *dot = _mm256_set1_epi32(start * x.sum(row + r, index, span));
                }
                for group in 0..span / 4 {
                    let w = _mm256_loadu_si256(it.quants.add(group * 64 + half * 32).cast());
                    for (r, dot) in dots.iter_mut().enumerate() {
                        let x = _mm256_set1_epi32(four(x, row + r, index * span + group * 4));
                        *dot = M::add(*dot, w, x, zero);
                    }
                }
                let scale = match &m.scales {
                    Scales::Half(s) => _mm256_cvtph_ps(_mm_loadu_si128(s[at..at + 8].as_ptr().cast())),
                    Scales::Full(s) => _mm256_loadu_ps(s[at..at + 8].as_ptr()),
                };
                for (r, sum) in sums.iter_mut().enumerate() {
                    let x_scale = x.scale(row + r, index, span);
                    let factor = _mm256_mul_ps(scale, _mm256_set1_ps(x_scale));
                    *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[r]), factor, *sum);
                    if let Some(minima) = &m.minima {
                        let x_sum = _mm256_set1_ps(x_scale * x.sum(row + r, index, span) as f32);
                        *sum = _mm256_fmadd_ps(_mm256_loadu_ps(minima[at..at + 8].as_ptr()), x_sum, *sum);
                    }
                }
            }
            for (result, sum) in result.iter_mut().zip(sums) {
                _mm256_storeu_ps(result[half * 8..].as_mut_ptr(), sum);
            }
        }
    }
}
