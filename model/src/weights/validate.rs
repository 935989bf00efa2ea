//! Checks that weights are finite: floats themselves, and the scales of quantised blocks. A single NaN would silently
//! corrupt every completion.

use candle_core::quantized::GgmlDType;
use rayon::prelude::*;

/// Blocks in a unit of parallel work.
const BLOCKS_PER_CHUNK: usize = 1 << 14;

/// Returns true if no float, and no block's scale or minimum, is infinite or NaN.
pub(crate) fn is_finite(dtype: GgmlDType, bytes: &[u8]) -> bool {
    let block = dtype.type_size();
    bytes.par_chunks(block * BLOCKS_PER_CHUNK).all(|chunk| match dtype {
        GgmlDType::F32 => exponents_are_finite(chunk, 4, &[2], 0x7f80),
        GgmlDType::BF16 => exponents_are_finite(chunk, 2, &[0], 0x7f80),
        _ => exponents_are_finite(chunk, block, scale_offsets(dtype), 0x7c00),
    })
}

/// Byte offsets of the f16 scales and minimums in a block.
fn scale_offsets(dtype: GgmlDType) -> &'static [usize] {
    match dtype {
        GgmlDType::Q4_1 | GgmlDType::Q5_1 | GgmlDType::Q4K | GgmlDType::Q5K => &[0, 2],
        GgmlDType::Q2K => &[80, 82],
        GgmlDType::Q3K => &[108],
        GgmlDType::Q6K => &[208],
        _ => &[0],
    }
}

/// Returns true if no 16-bit word at these offsets of any block has all bits of the `exponent` mask set (infinity or
/// NaN).
fn exponents_are_finite(bytes: &[u8], block: usize, offsets: &[usize], exponent: u16) -> bool {
    offsets.iter().all(|&offset| {
        let word = |block: &[u8]| u16::from_le_bytes([block[offset], block[offset + 1]]);
        bytes.chunks_exact(block).all(|block| word(block) & exponent != exponent)
    })
}
