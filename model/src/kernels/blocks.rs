//! The block formats of ggml, one small function each: 32 columns of a row as unsigned numbers with scales.
//!
//! Every format says `value = scale * (number - zero) + minimum`, with one scale for 32 columns or one for each 16. The
//! layouts are those of ggml's `ggml-quants.c` and of the GGUF specification.

use candle_core::quantized::GgmlDType;
use half::f16;

/// 32 columns of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Columns {
    /// The numbers.
    pub(crate) numbers: [u8; 32],
    /// Scale of the first and of the last 16 columns.
    pub(crate) scale: [f32; 2],
    /// What is added to the first and to the last 16 columns.
    pub(crate) minimum: [f32; 2],
}

/// What all columns of a format have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// Columns for one scale, 16 or 32.
    pub(crate) span: usize,
    /// Whether the scales are exact in 16 bits.
    pub(crate) half: bool,
    /// Whether there are minima.
    pub(crate) minima: bool,
    /// The number that stands for zero.
    pub(crate) zero: u8,
    /// Columns in a block of the file.
    pub(crate) columns: usize,
    /// Bytes of a block of the file.
    pub(crate) bytes: usize,
    unpack: fn(&[u8], usize) -> Columns,
}

impl Format {
    /// The format of a quantised type; `None` for float types and types that no model file uses for weights.
    pub(crate) fn of(dtype: GgmlDType) -> Option<Self> {
        let small =
            |bytes, zero, minima, unpack| Self { span: 32, half: true, minima, zero, columns: 32, bytes, unpack };
        let super_block =
            |span, bytes, zero, minima, unpack| Self { span, half: false, minima, zero, columns: 256, bytes, unpack };
        Some(match dtype {
            GgmlDType::Q4_0 => small(18, 8, false, q4_0),
            GgmlDType::Q4_1 => small(20, 0, true, q4_1),
            GgmlDType::Q5_0 => small(22, 16, false, q5_0),
            GgmlDType::Q5_1 => small(24, 0, true, q5_1),
            GgmlDType::Q8_0 => small(34, 128, false, q8_0),
            GgmlDType::Q2K => super_block(16, 84, 0, true, q2_k),
            GgmlDType::Q3K => super_block(16, 110, 4, false, q3_k),
            GgmlDType::Q4K => super_block(32, 144, 0, true, q4_k),
            GgmlDType::Q5K => super_block(32, 176, 0, true, q5_k),
            GgmlDType::Q6K => super_block(16, 210, 32, false, q6_k),
            _ => return None,
        })
    }

    /// Columns `32 * index ..` of a row that lies in `row` block after block.
    pub(crate) fn columns(&self, row: &[u8], index: usize) -> Columns {
        let per_block = self.columns / 32;
        let block = index / per_block * self.bytes;
        (self.unpack)(&row[block..block + self.bytes], index % per_block)
    }
}

fn half(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

fn one(numbers: [u8; 32], scale: f32, minimum: f32) -> Columns {
    Columns { numbers, scale: [scale; 2], minimum: [minimum; 2] }
}

/// Low nibbles, then high nibbles.
fn nibbles(quants: &[u8]) -> [u8; 32] {
    std::array::from_fn(|i| if i < 16 { quants[i] & 15 } else { quants[i - 16] >> 4 })
}

fn with_fifth_bit(mut numbers: [u8; 32], high: &[u8]) -> [u8; 32] {
    for (i, number) in numbers.iter_mut().enumerate() {
        *number |= (high[i / 8] >> (i % 8) & 1) << 4;
    }
    numbers
}

fn q4_0(block: &[u8], _: usize) -> Columns {
    one(nibbles(&block[2..]), half(block, 0), 0.0)
}

fn q4_1(block: &[u8], _: usize) -> Columns {
    one(nibbles(&block[4..]), half(block, 0), half(block, 2))
}

fn q5_0(block: &[u8], _: usize) -> Columns {
    one(with_fifth_bit(nibbles(&block[6..]), &block[2..6]), half(block, 0), 0.0)
}

fn q5_1(block: &[u8], _: usize) -> Columns {
    one(with_fifth_bit(nibbles(&block[8..]), &block[4..8]), half(block, 0), half(block, 2))
}

fn q8_0(block: &[u8], _: usize) -> Columns {
    one(std::array::from_fn(|i| block[2 + i] ^ 0x80), half(block, 0), 0.0)
}

fn q2_k(block: &[u8], index: usize) -> Columns {
    let (scales, quants) = (&block[..16], &block[16 + index / 4 * 32..]);
    let (d, dmin) = (half(block, 80), half(block, 82));
    let sub = |i: usize| scales[index * 2 + i];
    Columns {
        numbers: std::array::from_fn(|i| quants[i] >> (index % 4 * 2) & 3),
        scale: std::array::from_fn(|i| d * f32::from(sub(i) & 15)),
        minimum: std::array::from_fn(|i| -dmin * f32::from(sub(i) >> 4)),
    }
}

fn q3_k(block: &[u8], index: usize) -> Columns {
    let (high, quants) = (&block[..32], &block[32 + index / 4 * 32..]);
    let (scales, d) = (&block[96..108], half(block, 108));
    let scale = |i: usize| {
        let low = if i < 8 { scales[i] & 15 } else { scales[i - 8] >> 4 };
        let top = scales[8 + i % 4] >> (i / 4 * 2) & 3;
        d * (f32::from(low | top << 4) - 32.0)
    };
    Columns {
        numbers: std::array::from_fn(|i| (quants[i] >> (index % 4 * 2) & 3) | (high[i] >> index & 1) << 2),
        scale: [scale(index * 2), scale(index * 2 + 1)],
        minimum: [0.0; 2],
    }
}

/// The 6-bit scale and minimum of 32 columns in the packing that Q4_K and Q5_K share.
fn scale_and_minimum(block: &[u8], index: usize) -> (f32, f32) {
    let scales = &block[4..16];
    let (scale, minimum) = if index < 4 {
        (scales[index] & 63, scales[index + 4] & 63)
    } else {
        let low = scales[index + 4];
        (low & 15 | scales[index - 4] >> 6 << 4, low >> 4 | scales[index] >> 6 << 4)
    };
    (half(block, 0) * f32::from(scale), -half(block, 2) * f32::from(minimum))
}

fn nibbles_k(quants: &[u8], index: usize) -> [u8; 32] {
    let quants = &quants[index / 2 * 32..];
    std::array::from_fn(|i| quants[i] >> (index % 2 * 4) & 15)
}

fn q4_k(block: &[u8], index: usize) -> Columns {
    let (scale, minimum) = scale_and_minimum(block, index);
    one(nibbles_k(&block[16..], index), scale, minimum)
}

fn q5_k(block: &[u8], index: usize) -> Columns {
    let (scale, minimum) = scale_and_minimum(block, index);
    let mut numbers = nibbles_k(&block[48..], index);
    for (number, high) in numbers.iter_mut().zip(&block[16..48]) {
        *number |= (high >> index & 1) << 4;
    }
    one(numbers, scale, minimum)
}

fn q6_k(block: &[u8], index: usize) -> Columns {
    let (half_block, part) = (index / 4, index % 4);
    let low = &block[half_block * 64 + part % 2 * 32..];
    let high = &block[128 + half_block * 32..];
    let d = half(block, 208);
    let scale = |i: usize| d * f32::from(block[192 + index * 2 + i] as i8);
    Columns {
        numbers: std::array::from_fn(|i| (low[i] >> (part / 2 * 4) & 15) | (high[i] >> (part * 2) & 3) << 4),
        scale: [scale(0), scale(1)],
        minimum: [0.0; 2],
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use candle_core::quantized::{QStorage, QTensor};
    use candle_core::{Device, Tensor};

    pub(crate) const ALL: [GgmlDType; 10] = [
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

    /// A matrix quantised by candle: its bytes and its values.
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
    fn every_format_unpacks_to_the_values_that_candle_reads() {
        for dtype in ALL {
            let format = Format::of(dtype).expect("a known format");
            let (bytes, values) = sample(dtype, 2, 512);
            let row_bytes = 512 / format.columns * format.bytes;
            for (i, expected) in values.iter().enumerate() {
                let (row, column) = (i / 512, i % 512);
                let it = format.columns(&bytes[row * row_bytes..][..row_bytes], column / 32);
                let part = column % 32 / 16;
                let number = f32::from(it.numbers[column % 32]) - f32::from(format.zero);
                let value = it.scale[part] * number + it.minimum[part];
                assert!(
                    (value - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                    "{dtype:?} {i}: {value} {expected}"
                );
            }
        }
    }
}
