//! Block formats of ggml, one small function each: 32 columns of a row as unsigned quants with scales.
//!
//! In every format `value = scale * (quant - zero_point) + min`, with one scale per block of columns. The super-blocks
//! of K-quants have sub-scales for each 16 or 32 columns. The layouts are those of ggml's `ggml-quants.c` and of the
//! GGUF specification.

use candle_core::quantized::GgmlDType;
use half::f16;

/// 32 columns of one row: `value = scale * sub_scale * (quant - zero_point) + min * sub_min`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct UnpackedColumns {
    /// Unsigned quants.
    pub(crate) quants: [u8; 32],
    /// Scale of the block.
    pub(crate) scale: f16,
    /// Min of the block.
    pub(crate) min: f16,
    /// Sub-scales of the first and of the last 16 columns.
    pub(crate) sub_scales: [i8; 2],
    /// Factors of the min for the first and for the last 16 columns.
    pub(crate) sub_mins: [u8; 2],
}

/// Parameters of a block format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockFormat {
    /// Columns that share a sub-scale, 16 or 32.
    pub(crate) group_columns: usize,
    /// Bits per quant as packed.
    pub(crate) bits: usize,
    /// True if blocks have mins.
    pub(crate) has_mins: bool,
    /// Quant that stands for zero.
    pub(crate) zero_point: u8,
    /// Fraction that is added to each quant; 0 in all formats of files.
    pub(super) offset: f32,
    /// Columns per block of the file, which share one scale.
    pub(crate) block_columns: usize,
    /// Bytes per block of the file.
    pub(crate) block_bytes: usize,
    unpack: fn(&[u8], usize) -> UnpackedColumns,
}

impl BlockFormat {
    /// Returns the format of a quantised type; `None` for float types and for types that no model file uses for
    /// weights.
    pub(crate) fn of(dtype: GgmlDType) -> Option<Self> {
        let block = |bits, block_bytes, zero_point, has_mins, unpack| Self {
            group_columns: 32,
            bits,
            has_mins,
            zero_point,
            offset: 0.0,
            block_columns: 32,
            block_bytes,
            unpack,
        };
        let super_block = |group_columns, bits, block_bytes, zero_point, has_mins, unpack| Self {
            group_columns,
            bits,
            has_mins,
            zero_point,
            offset: 0.0,
            block_columns: 256,
            block_bytes,
            unpack,
        };
        Some(match dtype {
            GgmlDType::Q4_0 => block(4, 18, 8, false, q4_0),
            GgmlDType::Q4_1 => block(4, 20, 0, true, q4_1),
            GgmlDType::Q5_0 => block(5, 22, 16, false, q5_0),
            GgmlDType::Q5_1 => block(5, 24, 0, true, q5_1),
            GgmlDType::Q8_0 => block(8, 34, 128, false, q8_0),
            GgmlDType::Q2K => super_block(16, 4, 84, 0, true, q2_k),
            GgmlDType::Q3K => super_block(16, 4, 110, 4, false, q3_k),
            GgmlDType::Q4K => super_block(32, 4, 144, 0, true, q4_k),
            GgmlDType::Q5K => super_block(32, 5, 176, 0, true, q5_k),
            GgmlDType::Q6K => super_block(16, 6, 210, 32, false, q6_k),
            _ => return None,
        })
    }

    /// Unpacks the 32 columns from `32 * index` on of a row given as consecutive blocks.
    pub(crate) fn unpack_columns(&self, row: &[u8], index: usize) -> UnpackedColumns {
        let per_block = self.block_columns / 32;
        let block = index / per_block * self.block_bytes;
        (self.unpack)(&row[block..block + self.block_bytes], index % per_block)
    }

    /// Lines per group of packed quants.
    pub(crate) fn group_lines(&self) -> usize {
        super::layout::group_lines(self.group_columns, self.bits)
    }

    /// Groups per block.
    pub(crate) fn groups_per_block(&self) -> usize {
        self.block_columns / self.group_columns
    }

    /// Dequantises a row given as consecutive blocks into `values`.
    pub(crate) fn dequantise_row(&self, row: &[u8], values: &mut [f32]) {
        for (index, values) in values.chunks_exact_mut(32).enumerate() {
            let columns = self.unpack_columns(row, index);
            for (i, value) in values.iter_mut().enumerate() {
                *value = columns.dequantise(i, self.zero_point);
            }
        }
    }
}

impl UnpackedColumns {
    /// Creates the columns of a block of 32, which has no sub-scales.
    fn of_block(quants: [u8; 32], scale: f16, min: f16) -> Self {
        Self { quants, scale, min, sub_scales: [1; 2], sub_mins: [1; 2] }
    }

    /// Creates the columns of a super-block of Q4_K or Q5_K, which share a sub-scale.
    fn of_super_block(block: &[u8], index: usize, quants: [u8; 32]) -> Self {
        let (sub_scale, sub_min) = scale_min_k4(block, index);
        let (scale, min) = (read_f16(block, 0), -read_f16(block, 2));
        Self { quants, scale, min, sub_scales: [sub_scale as i8; 2], sub_mins: [sub_min; 2] }
    }

    /// Value of column `i`.
    fn dequantise(&self, i: usize, zero_point: u8) -> f32 {
        let scale = self.scale.to_f32() * f32::from(self.sub_scales[i / 16]);
        let min = self.min.to_f32() * f32::from(self.sub_mins[i / 16]);
        scale * (f32::from(self.quants[i]) - f32::from(zero_point)) + min
    }
}

fn read_f16(bytes: &[u8], at: usize) -> f16 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Unpacks low nibbles, then high nibbles.
fn unpack_nibbles(packed: &[u8]) -> [u8; 32] {
    std::array::from_fn(|i| if i < 16 { packed[i] & 15 } else { packed[i - 16] >> 4 })
}

/// Adds the fifth bits, one per quant in `high_bits`.
fn with_fifth_bits(mut quants: [u8; 32], high_bits: &[u8]) -> [u8; 32] {
    for (i, quant) in quants.iter_mut().enumerate() {
        *quant |= (high_bits[i / 8] >> (i % 8) & 1) << 4;
    }
    quants
}

fn q4_0(block: &[u8], _: usize) -> UnpackedColumns {
    UnpackedColumns::of_block(unpack_nibbles(&block[2..]), read_f16(block, 0), f16::ZERO)
}

fn q4_1(block: &[u8], _: usize) -> UnpackedColumns {
    UnpackedColumns::of_block(unpack_nibbles(&block[4..]), read_f16(block, 0), read_f16(block, 2))
}

fn q5_0(block: &[u8], _: usize) -> UnpackedColumns {
    UnpackedColumns::of_block(with_fifth_bits(unpack_nibbles(&block[6..]), &block[2..6]), read_f16(block, 0), f16::ZERO)
}

fn q5_1(block: &[u8], _: usize) -> UnpackedColumns {
    UnpackedColumns::of_block(
        with_fifth_bits(unpack_nibbles(&block[8..]), &block[4..8]),
        read_f16(block, 0),
        read_f16(block, 2),
    )
}

fn q8_0(block: &[u8], _: usize) -> UnpackedColumns {
    UnpackedColumns::of_block(std::array::from_fn(|i| block[2 + i] ^ 0x80), read_f16(block, 0), f16::ZERO)
}

fn q2_k(block: &[u8], index: usize) -> UnpackedColumns {
    let (scales, quants) = (&block[..16], &block[16 + index / 4 * 32..]);
    let sub_scale_and_min = |i: usize| scales[index * 2 + i];
    UnpackedColumns {
        quants: std::array::from_fn(|i| quants[i] >> (index % 4 * 2) & 3),
        scale: read_f16(block, 80),
        min: -read_f16(block, 82),
        sub_scales: std::array::from_fn(|i| (sub_scale_and_min(i) & 15) as i8),
        sub_mins: std::array::from_fn(|i| sub_scale_and_min(i) >> 4),
    }
}

fn q3_k(block: &[u8], index: usize) -> UnpackedColumns {
    let (high_bits, low_bits) = (&block[..32], &block[32 + index / 4 * 32..]);
    let scales = &block[96..108];
    let sub_scale = |i: usize| {
        let low = if i < 8 { scales[i] & 15 } else { scales[i - 8] >> 4 };
        let high = scales[8 + i % 4] >> (i / 4 * 2) & 3;
        (low | high << 4) as i8 - 32
    };
    UnpackedColumns {
        quants: std::array::from_fn(|i| (low_bits[i] >> (index % 4 * 2) & 3) | (high_bits[i] >> index & 1) << 2),
        scale: read_f16(block, 108),
        min: f16::ZERO,
        sub_scales: [sub_scale(index * 2), sub_scale(index * 2 + 1)],
        sub_mins: [0; 2],
    }
}

/// Unpacks the 6-bit sub-scale and sub-min of 32 columns of Q4_K or Q5_K (`get_scale_min_k4` in ggml).
fn scale_min_k4(block: &[u8], index: usize) -> (u8, u8) {
    let scales = &block[4..16];
    if index < 4 {
        return (scales[index] & 63, scales[index + 4] & 63);
    }
    let low = scales[index + 4];
    (low & 15 | scales[index - 4] >> 6 << 4, low >> 4 | scales[index] >> 6 << 4)
}

/// Unpacks 32 quants of Q4_K: even indices are the low nibbles of 32 bytes, odd ones the high nibbles.
fn unpack_nibbles_k(packed: &[u8], index: usize) -> [u8; 32] {
    let packed = &packed[index / 2 * 32..];
    std::array::from_fn(|i| packed[i] >> (index % 2 * 4) & 15)
}

fn q4_k(block: &[u8], index: usize) -> UnpackedColumns {
    UnpackedColumns::of_super_block(block, index, unpack_nibbles_k(&block[16..], index))
}

fn q5_k(block: &[u8], index: usize) -> UnpackedColumns {
    let mut quants = unpack_nibbles_k(&block[48..], index);
    for (quant, high_bits) in quants.iter_mut().zip(&block[16..48]) {
        *quant |= (high_bits >> index & 1) << 4;
    }
    UnpackedColumns::of_super_block(block, index, quants)
}

fn q6_k(block: &[u8], index: usize) -> UnpackedColumns {
    let (half, quarter) = (index / 4, index % 4);
    let low = &block[half * 64 + quarter % 2 * 32..];
    let high = &block[128 + half * 32..];
    let sub_scale = |i: usize| block[192 + index * 2 + i] as i8;
    UnpackedColumns {
        quants: std::array::from_fn(|i| (low[i] >> (quarter / 2 * 4) & 15) | (high[i] >> (quarter * 2) & 3) << 4),
        scale: read_f16(block, 208),
        min: f16::ZERO,
        sub_scales: [sub_scale(0), sub_scale(1)],
        sub_mins: [0; 2],
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use candle_core::quantized::{QStorage, QTensor};
    use candle_core::{Device, Tensor};

    pub(crate) const ALL_TYPES: [GgmlDType; 10] = [
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q2K,
        GgmlDType::Q3K,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
    ];

    /// Quantises a matrix with candle and returns its bytes and values.
    pub(crate) fn sample(dtype: GgmlDType, out: usize, columns: usize) -> (Vec<u8>, Vec<f32>) {
        let wave = |i: usize| ((i * 7919 % 1009) as f32 / 504.5 - 1.0) * (1.0 + (i % 13) as f32);
        let values: Vec<f32> = (0..out * columns).map(wave).collect();
        let tensor = Tensor::from_vec(values, (out, columns), &Device::Cpu).expect("a matrix");
        let quantised = QTensor::quantize(&tensor, dtype).expect("a quantised matrix");
        let bytes = quantised.data().expect("bytes on the CPU").into_owned();
        let storage = QStorage::from_data(bytes.clone().into(), &Device::Cpu, dtype).expect("the same bytes");
        let back = QTensor::new(storage, (out, columns)).expect("the same shape").dequantize(&Device::Cpu);
        (bytes, back.and_then(|t| t.flatten_all()?.to_vec1()).expect("values"))
    }

    #[test]
    fn every_format_dequantises_to_the_values_of_candle() {
        for dtype in ALL_TYPES {
            let format = BlockFormat::of(dtype).expect("a known format");
            let (bytes, values) = sample(dtype, 2, 512);
            let row_bytes = 512 / format.block_columns * format.block_bytes;
            let mut found = vec![0.0; values.len()];
            for (row, found) in found.chunks_exact_mut(512).enumerate() {
                format.dequantise_row(&bytes[row * row_bytes..][..row_bytes], found);
            }
            for (i, (value, expected)) in found.iter().zip(&values).enumerate() {
                assert!(
                    (value - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                    "{dtype:?} {i}: {value} {expected}"
                );
            }
        }
    }
}
