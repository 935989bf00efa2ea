//! The block formats of ggml, one small function each: 32 columns of a row as unsigned numbers with scales.
//!
//! Every format says `value = scale * (number - zero) + minimum`, with one scale for a block of columns, and in large blocks a small
//! factor of it for 32 columns or for 16. The layouts are those of ggml's `ggml-quants.c` and of the GGUF specification.

use candle_core::quantized::GgmlDType;
use half::f16;

/// 32 columns of one row: `value = scale * factor * (number - zero) + minimum * minimum_factor`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Columns {
    /// The numbers.
    pub(crate) numbers: [u8; 32],
    /// The block's scale.
    pub(crate) scale: f16,
    /// The block's minimum.
    pub(crate) minimum: f16,
    /// What the scale is multiplied with, for the first and for the last 16 columns.
    pub(crate) factor: [i8; 2],
    /// What the minimum is multiplied with.
    pub(crate) minimum_factor: [u8; 2],
}

/// What all columns of a format have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// Columns that share one factor, 16 or 32.
    pub(crate) span: usize,
    /// Bits that hold a number.
    pub(crate) bits: usize,
    /// Whether there are minima.
    pub(crate) minima: bool,
    /// The number that stands for zero.
    pub(crate) zero: u8,
    /// What is added to each number, where that is no whole number; no format of a file has it.
    pub(super) more: f32,
    /// Columns in a block of the file, which share one scale.
    pub(crate) columns: usize,
    /// Bytes of a block of the file.
    pub(crate) bytes: usize,
    unpack: fn(&[u8], usize) -> Columns,
}

impl Format {
    /// The format of a quantised type; `None` for float types and types that no model file uses for weights.
    pub(crate) fn of(dtype: GgmlDType) -> Option<Self> {
        let small = |bits, bytes, zero, minima, unpack| Self {
            span: 32,
            bits,
            minima,
            zero,
            more: 0.0,
            columns: 32,
            bytes,
            unpack,
        };
        let super_block = |span, bits, bytes, zero, minima, unpack| Self {
            span,
            bits,
            minima,
            zero,
            more: 0.0,
            columns: 256,
            bytes,
            unpack,
        };
        Some(match dtype {
            GgmlDType::Q4_0 => small(4, 18, 8, false, q4_0),
            GgmlDType::Q4_1 => small(4, 20, 0, true, q4_1),
            GgmlDType::Q5_0 => small(5, 22, 16, false, q5_0),
            GgmlDType::Q5_1 => small(5, 24, 0, true, q5_1),
            GgmlDType::Q8_0 => small(8, 34, 128, false, q8_0),
            GgmlDType::Q2K => super_block(16, 4, 84, 0, true, q2_k),
            GgmlDType::Q3K => super_block(16, 4, 110, 4, false, q3_k),
            GgmlDType::Q4K => super_block(32, 4, 144, 0, true, q4_k),
            GgmlDType::Q5K => super_block(32, 5, 176, 0, true, q5_k),
            GgmlDType::Q6K => super_block(16, 6, 210, 32, false, q6_k),
            _ => return None,
        })
    }

    /// Columns `32 * index ..` of a row that lies in `row` block after block.
    pub(crate) fn columns(&self, row: &[u8], index: usize) -> Columns {
        let per_block = self.columns / 32;
        let block = index / per_block * self.bytes;
        (self.unpack)(&row[block..block + self.bytes], index % per_block)
    }

    /// Lines that the packed numbers of a span take.
    pub(crate) fn lines(&self) -> usize {
        super::layout::lines(self.span, self.bits)
    }

    /// Spans of a block.
    pub(crate) fn spans(&self) -> usize {
        self.columns / self.span
    }

    /// The values of a row that lies in `row` block after block.
    pub(crate) fn values(&self, row: &[u8], values: &mut [f32]) {
        for (index, values) in values.chunks_exact_mut(32).enumerate() {
            let it = self.columns(row, index);
            for (i, value) in values.iter_mut().enumerate() {
                *value = it.value(i, self.zero);
            }
        }
    }
}

impl Columns {
    /// The value of column `i`.
    fn value(&self, i: usize, zero: u8) -> f32 {
        let scale = self.scale.to_f32() * f32::from(self.factor[i / 16]);
        let minimum = self.minimum.to_f32() * f32::from(self.minimum_factor[i / 16]);
        scale * (f32::from(self.numbers[i]) - f32::from(zero)) + minimum
    }
}

fn half(bytes: &[u8], at: usize) -> f16 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Columns of a block of 32.
fn one(numbers: [u8; 32], scale: f16, minimum: f16) -> Columns {
    Columns { numbers, scale, minimum, factor: [1; 2], minimum_factor: [1; 2] }
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
    one(nibbles(&block[2..]), half(block, 0), f16::ZERO)
}

fn q4_1(block: &[u8], _: usize) -> Columns {
    one(nibbles(&block[4..]), half(block, 0), half(block, 2))
}

fn q5_0(block: &[u8], _: usize) -> Columns {
    one(with_fifth_bit(nibbles(&block[6..]), &block[2..6]), half(block, 0), f16::ZERO)
}

fn q5_1(block: &[u8], _: usize) -> Columns {
    one(with_fifth_bit(nibbles(&block[8..]), &block[4..8]), half(block, 0), half(block, 2))
}

fn q8_0(block: &[u8], _: usize) -> Columns {
    one(std::array::from_fn(|i| block[2 + i] ^ 0x80), half(block, 0), f16::ZERO)
}

fn q2_k(block: &[u8], index: usize) -> Columns {
    let (scales, quants) = (&block[..16], &block[16 + index / 4 * 32..]);
    let sub = |i: usize| scales[index * 2 + i];
    Columns {
        numbers: std::array::from_fn(|i| quants[i] >> (index % 4 * 2) & 3),
        scale: half(block, 80),
        minimum: -half(block, 82),
        factor: std::array::from_fn(|i| (sub(i) & 15) as i8),
        minimum_factor: std::array::from_fn(|i| sub(i) >> 4),
    }
}

fn q3_k(block: &[u8], index: usize) -> Columns {
    let (high, quants) = (&block[..32], &block[32 + index / 4 * 32..]);
    let scales = &block[96..108];
    let factor = |i: usize| {
        let low = if i < 8 { scales[i] & 15 } else { scales[i - 8] >> 4 };
        let top = scales[8 + i % 4] >> (i / 4 * 2) & 3;
        (low | top << 4) as i8 - 32
    };
    Columns {
        numbers: std::array::from_fn(|i| (quants[i] >> (index % 4 * 2) & 3) | (high[i] >> index & 1) << 2),
        scale: half(block, 108),
        minimum: f16::ZERO,
        factor: [factor(index * 2), factor(index * 2 + 1)],
        minimum_factor: [0; 2],
    }
}

/// The 6-bit factors of scale and minimum of 32 columns in the packing that Q4_K and Q5_K share.
fn factors_k(block: &[u8], index: usize) -> (u8, u8) {
    let scales = &block[4..16];
    if index < 4 {
        return (scales[index] & 63, scales[index + 4] & 63);
    }
    let low = scales[index + 4];
    (low & 15 | scales[index - 4] >> 6 << 4, low >> 4 | scales[index] >> 6 << 4)
}

/// Columns of a block of Q4_K or Q5_K.
fn one_k(block: &[u8], index: usize, numbers: [u8; 32]) -> Columns {
    let (factor, minimum_factor) = factors_k(block, index);
    let (scale, minimum) = (half(block, 0), -half(block, 2));
    Columns { numbers, scale, minimum, factor: [factor as i8; 2], minimum_factor: [minimum_factor; 2] }
}

fn nibbles_k(quants: &[u8], index: usize) -> [u8; 32] {
    let quants = &quants[index / 2 * 32..];
    std::array::from_fn(|i| quants[i] >> (index % 2 * 4) & 15)
}

fn q4_k(block: &[u8], index: usize) -> Columns {
    one_k(block, index, nibbles_k(&block[16..], index))
}

fn q5_k(block: &[u8], index: usize) -> Columns {
    let mut numbers = nibbles_k(&block[48..], index);
    for (number, high) in numbers.iter_mut().zip(&block[16..48]) {
        *number |= (high >> index & 1) << 4;
    }
    one_k(block, index, numbers)
}

fn q6_k(block: &[u8], index: usize) -> Columns {
    let (half_block, part) = (index / 4, index % 4);
    let low = &block[half_block * 64 + part % 2 * 32..];
    let high = &block[128 + half_block * 32..];
    let factor = |i: usize| block[192 + index * 2 + i] as i8;
    Columns {
        numbers: std::array::from_fn(|i| (low[i] >> (part / 2 * 4) & 15) | (high[i] >> (part * 2) & 3) << 4),
        scale: half(block, 208),
        minimum: f16::ZERO,
        factor: [factor(0), factor(1)],
        minimum_factor: [0; 2],
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
            let mut found = vec![0.0; values.len()];
            for (row, found) in found.chunks_exact_mut(512).enumerate() {
                format.values(&bytes[row * row_bytes..][..row_bytes], found);
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
