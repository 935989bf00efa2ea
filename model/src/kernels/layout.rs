//! How the numbers of a packed matrix lie in memory: one implementation a width.
//!
//! Outputs are gathered in panels of 16. A *vector* is 64 bytes: four columns of each output of a panel lie side by side, one
//! byte a number, so one 512-bit register holds 4 columns of 16 outputs (and narrower ones a part of them), sums hold outputs in
//! their lanes, and nothing is ever summed across lanes. What is stored of a span of columns:
//!
//! * eight bits: its vectors;
//! * four bits: lines of 64 bytes, each two vectors, the first in the low halves of the bytes and the second in the high halves;
//! * five and six bits: the same, then a line with the upper bits: those of vector `i` in bits `i * extra ..` of each byte;
//! * eight bits in two planes: the lines of four bits twice, in two places, the upper four bits of each number and the lower.

use std::marker::PhantomData;

use super::simd::Simd;

/// Bytes of a vector and of a line.
pub(crate) const LINE: usize = 64;

/// The numbers of a span of columns of a panel.
pub(crate) trait Layout {
    /// Columns.
    const SPAN: usize;
    /// Bits of a number.
    const BITS: usize;
    /// Lines that a span takes.
    const LINES: usize = lines(Self::SPAN, Self::BITS);

    /// Whether the numbers lie in two planes.
    const PLANES: bool = false;

    /// Whether the numbers were put near just before.
    const NEAR: bool = false;

    /// Vector `index` of the span at `span`, and at `lower` in the second plane where there are two; a set with fewer lanes than 16 gets
    /// those that begin where `span` points to.
    ///
    /// # Safety
    /// That of [`Simd`]; `span` points into the span's first line, and so does `lower` where there are two planes.
    unsafe fn vector<S: Simd>(span: *const u8, lower: *const u8, index: usize) -> S::Ints;
}

/// Lines that a span takes.
pub(crate) const fn lines(span: usize, bits: usize) -> usize {
    let vectors = span / 4;
    match bits {
        8 => vectors,
        4 => vectors / 2,
        _ => vectors / 2 + 1,
    }
}

/// One byte a number.
pub(crate) struct Bytes<const SPAN: usize>;

impl<const SPAN: usize> Layout for Bytes<SPAN> {
    const SPAN: usize = SPAN;
    const BITS: usize = 8;

    #[inline(always)]
    unsafe fn vector<S: Simd>(span: *const u8, _: *const u8, index: usize) -> S::Ints {
        // SAFETY: the span has `SPAN / 4` lines.
        unsafe { S::load_bytes(span.add(index * LINE)) }
    }
}

/// Four bits a number, and `EXTRA` more in a line of their own.
pub(crate) struct Nibbles<const SPAN: usize, const EXTRA: usize>;

impl<const SPAN: usize, const EXTRA: usize> Layout for Nibbles<SPAN, EXTRA> {
    const SPAN: usize = SPAN;
    const BITS: usize = 4 + EXTRA;

    #[inline(always)]
    unsafe fn vector<S: Simd>(span: *const u8, _: *const u8, index: usize) -> S::Ints {
        // SAFETY: the span has `SPAN / 8` lines of halves, and one more if `EXTRA` is not 0.
        unsafe {
            let line = S::load_bytes(span.add(index / 2 * LINE));
            let line = if index.is_multiple_of(2) { line } else { S::shift_right(line, 4) };
            let low = S::and(line, bytes_of::<S>(15));
            if EXTRA == 0 {
                return low;
            }
            let upper = S::load_bytes(span.add(SPAN / 8 * LINE));
            let at = index * EXTRA;
            let upper =
                if at <= 4 { S::shift_left(upper, 4 - at as u32) } else { S::shift_right(upper, at as u32 - 4) };
            S::or(low, S::and(upper, bytes_of::<S>(((1 << EXTRA) - 1) << 4)))
        }
    }
}

/// The numbers of another layout, unpacked to a byte each.
pub(crate) struct Wide<L>(PhantomData<L>);

impl<L: Layout> Layout for Wide<L> {
    const SPAN: usize = L::SPAN;
    const BITS: usize = L::BITS;
    const LINES: usize = lines(L::SPAN, 8);
    const NEAR: bool = true;

    #[inline(always)]
    unsafe fn vector<S: Simd>(span: *const u8, lower: *const u8, index: usize) -> S::Ints {
        // SAFETY: the span has `SPAN / 4` lines, and so they lie as where all numbers are bytes.
        unsafe { Bytes::<32>::vector::<S>(span, lower, index) }
    }
}

/// Eight bits a number: the upper four in one plane, the lower four in the other.
pub(crate) struct Planes;

impl Layout for Planes {
    const SPAN: usize = 32;
    const BITS: usize = 4;
    const PLANES: bool = true;

    #[inline(always)]
    unsafe fn vector<S: Simd>(span: *const u8, lower: *const u8, index: usize) -> S::Ints {
        // SAFETY: a span has 4 lines of halves in each plane.
        unsafe {
            let upper = S::load_bytes(span.add(index / 2 * LINE));
            let lower = Nibbles::<32, 0>::vector::<S>(lower, lower, index);
            let upper = if index.is_multiple_of(2) { S::shift_left(upper, 4) } else { upper };
            S::or(lower, S::and(upper, bytes_of::<S>(0xf0)))
        }
    }
}

/// The same byte everywhere.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn bytes_of<S: Simd>(byte: u8) -> S::Ints {
    // SAFETY: the caller's.
    unsafe { S::splat_i32(i32::from_ne_bytes([byte; 4])) }
}

/// Puts a number into the lines of its span, which are zero there: vector `index`, byte `byte`.
pub(crate) fn put(lines: &mut [u8], span: usize, bits: usize, index: usize, byte: usize, number: u8) {
    if bits == 8 {
        lines[index * LINE + byte] = number;
        return;
    }
    lines[index / 2 * LINE + byte] |= (number & 15) << (index % 2 * 4);
    if bits > 4 {
        lines[span / 8 * LINE + byte] |= (number >> 4) << (index * (bits - 4));
    }
}

/// The number that [`put`] stored.
pub(crate) fn number(lines: &[u8], span: usize, bits: usize, index: usize, byte: usize) -> u8 {
    if bits == 8 {
        return lines[index * LINE + byte];
    }
    let low = lines[index / 2 * LINE + byte] >> (index % 2 * 4) & 15;
    let extra = bits - 4;
    let upper = if extra == 0 { 0 } else { lines[span / 8 * LINE + byte] >> (index * extra) & ((1 << extra) - 1) };
    low | upper << 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found() {
        for (span, bits) in [(32, 4), (16, 4), (32, 5), (16, 6), (32, 8), (16, 8)] {
            let number_of = |index: usize, byte: usize| ((index * 31 + byte * 7) % (1 << bits)) as u8;
            let mut lines = vec![0; super::lines(span, bits) * LINE];
            for (index, byte) in (0..span / 4).flat_map(|index| (0..LINE).map(move |byte| (index, byte))) {
                put(&mut lines, span, bits, index, byte, number_of(index, byte));
            }
            for (index, byte) in (0..span / 4).flat_map(|index| (0..LINE).map(move |byte| (index, byte))) {
                assert_eq!(number(&lines, span, bits, index, byte), number_of(index, byte), "{span} {bits}");
            }
        }
    }
}
