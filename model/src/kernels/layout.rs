//! Memory layouts of packed weights, one implementation per width of the quants.
//!
//! A matrix is packed into *panels* of 16 outputs (rows of the matrix). A *vector* is 64 bytes: four columns of each
//! output of a panel side by side, one byte per quant. One 512-bit register holds a vector (narrower registers a part
//! of it), each lane accumulates one output, and nothing is ever summed across lanes. A *group* is the columns that
//! share a sub-scale, 16 or 32. It is stored as:
//!
//! * 8 bits: its vectors;
//! * 4 bits: lines of 64 bytes with two vectors each, the first in the low nibbles and the second in the high nibbles;
//! * 5 and 6 bits: the same, and one more line with the upper bits, those of vector `i` in bits `i * extra ..` of each
//!   byte;
//! * split Q8: the lines of 4 bits twice, in two planes, the high nibbles of each quant and the low nibbles.

use std::marker::PhantomData;

use super::simd::Simd;

/// Size of a vector and of a line in bytes, a cache line.
pub(crate) const LINE_BYTES: usize = 64;

/// Layout of the quants of a group of columns in a panel.
pub(crate) trait Layout {
    /// Columns per group.
    const GROUP_COLUMNS: usize;
    /// Bits per quant.
    const BITS: usize;
    /// Lines per group.
    const GROUP_LINES: usize = group_lines(Self::GROUP_COLUMNS, Self::BITS);

    /// True if the quants lie in two planes.
    const IS_SPLIT: bool = false;

    /// True if the quants are in the cache already, so that prefetching them is useless.
    const IS_CACHED: bool = false;

    /// Loads vector `index` of the group at `group`, whose second plane, if there is one, is at `low_nibbles`. A set
    /// with registers of fewer than 16 lanes loads the lanes that begin where `group` points.
    ///
    /// # Safety
    /// As for [`Simd`]. `group` points into the first line of the group, and so does `low_nibbles` if there are two
    /// planes.
    unsafe fn load_vector<S: Simd>(group: *const u8, low_nibbles: *const u8, index: usize) -> S::Ints;
}

/// Number of lines that a group takes.
pub(crate) const fn group_lines(columns: usize, bits: usize) -> usize {
    let vectors = columns / 4;
    match bits {
        8 => vectors,
        4 => vectors / 2,
        _ => vectors / 2 + 1,
    }
}

/// Layout of 8-bit quants.
pub(crate) struct ByteLayout<const COLUMNS: usize>;

impl<const COLUMNS: usize> Layout for ByteLayout<COLUMNS> {
    const GROUP_COLUMNS: usize = COLUMNS;
    const BITS: usize = 8;

    #[inline(always)]
    unsafe fn load_vector<S: Simd>(group: *const u8, _: *const u8, index: usize) -> S::Ints {
        // SAFETY: the group has `GROUP_COLUMNS / 4` lines.
        unsafe { S::load_bytes(group.add(index * LINE_BYTES)) }
    }
}

/// Layout of quants of 4 bits and `EXTRA_BITS` more, which lie in a line of their own.
pub(crate) struct NibbleLayout<const COLUMNS: usize, const EXTRA_BITS: usize>;

impl<const COLUMNS: usize, const EXTRA_BITS: usize> Layout for NibbleLayout<COLUMNS, EXTRA_BITS> {
    const GROUP_COLUMNS: usize = COLUMNS;
    const BITS: usize = 4 + EXTRA_BITS;

    #[inline(always)]
    unsafe fn load_vector<S: Simd>(group: *const u8, _: *const u8, index: usize) -> S::Ints {
        // SAFETY: the group has `GROUP_COLUMNS / 8` lines of nibbles, and one more if `EXTRA_BITS` is not 0.
        unsafe {
            let line = S::load_bytes(group.add(index / 2 * LINE_BYTES));
            let line = if index.is_multiple_of(2) { line } else { S::shift_right(line, 4) };
            let low = S::and(line, splat_byte::<S>(15));
            if EXTRA_BITS == 0 {
                return low;
            }
            let upper = S::load_bytes(group.add(COLUMNS / 8 * LINE_BYTES));
            let bit = (index * EXTRA_BITS) as u32;
            let upper = if bit <= 4 { S::shift_left(upper, 4 - bit) } else { S::shift_right(upper, bit - 4) };
            S::or(low, S::and(upper, splat_byte::<S>(((1 << EXTRA_BITS) - 1) << 4)))
        }
    }
}

/// Layout of quants of layout `L` after unpacking to a byte each.
pub(crate) struct UnpackedLayout<L>(PhantomData<L>);

impl<L: Layout> Layout for UnpackedLayout<L> {
    const GROUP_COLUMNS: usize = L::GROUP_COLUMNS;
    const BITS: usize = L::BITS;
    const GROUP_LINES: usize = group_lines(L::GROUP_COLUMNS, 8);
    const IS_CACHED: bool = true;

    #[inline(always)]
    unsafe fn load_vector<S: Simd>(group: *const u8, low_nibbles: *const u8, index: usize) -> S::Ints {
        // SAFETY: the group has `GROUP_COLUMNS / 4` lines, laid out as 8-bit quants.
        unsafe { ByteLayout::<32>::load_vector::<S>(group, low_nibbles, index) }
    }
}

/// Layout of [`SplitQ8`](super::split_q8::SplitQ8): high nibbles in one plane, low nibbles in the other.
pub(crate) struct SplitQ8Layout;

impl Layout for SplitQ8Layout {
    const GROUP_COLUMNS: usize = 32;
    const BITS: usize = 4;
    const IS_SPLIT: bool = true;

    #[inline(always)]
    unsafe fn load_vector<S: Simd>(group: *const u8, low_nibbles: *const u8, index: usize) -> S::Ints {
        // SAFETY: a group has 4 lines of nibbles in each plane.
        unsafe {
            let high = S::load_bytes(group.add(index / 2 * LINE_BYTES));
            let low = NibbleLayout::<32, 0>::load_vector::<S>(low_nibbles, low_nibbles, index);
            let high = if index.is_multiple_of(2) { S::shift_left(high, 4) } else { high };
            S::or(low, S::and(high, splat_byte::<S>(0xf0)))
        }
    }
}

/// Fills a register with one byte.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
pub(crate) unsafe fn splat_byte<S: Simd>(byte: u8) -> S::Ints {
    // SAFETY: as the caller guarantees.
    unsafe { S::splat_i32(i32::from_ne_bytes([byte; 4])) }
}

/// Stores a quant at byte `byte` of vector `index`, into lines of its group that are zero there.
pub(crate) fn store_quant(lines: &mut [u8], columns: usize, bits: usize, index: usize, byte: usize, quant: u8) {
    if bits == 8 {
        lines[index * LINE_BYTES + byte] = quant;
        return;
    }
    lines[index / 2 * LINE_BYTES + byte] |= (quant & 15) << (index % 2 * 4);
    if bits > 4 {
        lines[columns / 8 * LINE_BYTES + byte] |= (quant >> 4) << (index * (bits - 4));
    }
}

/// Loads the quant that [`store_quant`] stored.
pub(crate) fn load_quant(lines: &[u8], columns: usize, bits: usize, index: usize, byte: usize) -> u8 {
    if bits == 8 {
        return lines[index * LINE_BYTES + byte];
    }
    let low = lines[index / 2 * LINE_BYTES + byte] >> (index % 2 * 4) & 15;
    if bits == 4 {
        return low;
    }
    let extra_bits = bits - 4;
    let upper = lines[columns / 8 * LINE_BYTES + byte] >> (index * extra_bits) & ((1 << extra_bits) - 1);
    low | upper << 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_quant_is_loaded() {
        for (columns, bits) in [(32, 4), (16, 4), (32, 5), (16, 6), (32, 8), (16, 8)] {
            let quant = |index: usize, byte: usize| ((index * 31 + byte * 7) % (1 << bits)) as u8;
            let mut lines = vec![0; super::group_lines(columns, bits) * LINE_BYTES];
            for (index, byte) in (0..columns / 4).flat_map(|index| (0..LINE_BYTES).map(move |byte| (index, byte))) {
                store_quant(&mut lines, columns, bits, index, byte, quant(index, byte));
            }
            for (index, byte) in (0..columns / 4).flat_map(|index| (0..LINE_BYTES).map(move |byte| (index, byte))) {
                assert_eq!(load_quant(&lines, columns, bits, index, byte), quant(index, byte), "{columns} {bits}");
            }
        }
    }
}
