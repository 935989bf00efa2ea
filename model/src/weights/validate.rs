//! Whether a tensor's numbers are numbers: floats, and the scales of blocks. One NaN would spoil every answer silently.

use candle_core::quantized::GgmlDType;
use rayon::prelude::*;

/// Blocks that one thread checks at a time.
const BLOCKS_PER_CHUNK: usize = 1 << 14;

/// Whether no float, and no block's scale or minimum, is infinite or not a number.
pub(crate) fn is_finite(dtype: GgmlDType, bytes: &[u8]) -> bool {
    let block = dtype.type_size();
    bytes.par_chunks(block * BLOCKS_PER_CHUNK).all(|chunk| match dtype {
        GgmlDType::F32 => exponents_are_finite(chunk, 4, &[2], 0x7f80),
        GgmlDType::BF16 => exponents_are_finite(chunk, 2, &[0], 0x7f80),
        _ => exponents_are_finite(chunk, block, scale_offsets(dtype), 0x7c00),
    })
}

/// Where in a block its f16 scales are.
fn scale_offsets(dtype: GgmlDType) -> &'static [usize] {
    match dtype {
        GgmlDType::Q4_1 | GgmlDType::Q5_1 | GgmlDType::Q4K | GgmlDType::Q5K => &[0, 2],
        GgmlDType::Q2K => &[80, 82],
        GgmlDType::Q3K => &[108],
        GgmlDType::Q6K => &[208],
        _ => &[0],
    }
}

/// Whether, in every block, the 16-bit words at these places have an exponent that is not all ones.
fn exponents_are_finite(bytes: &[u8], block: usize, places: &[usize], exponent: u16) -> bool {
    places.iter().all(|&at| {
        let word = |block: &[u8]| u16::from_le_bytes([block[at], block[at + 1]]);
        bytes.chunks_exact(block).all(|block| word(block) & exponent != exponent)
    })
}
