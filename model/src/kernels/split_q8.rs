//! A matrix of 8-bit numbers in two planes, so that its largest product can be found from half of its bytes.
//!
//! Of most outputs of a vocabulary the upper four bits of each number tell already that they are not the largest. The first plane
//! holds those, as a matrix of four bits; the second plane holds the lower four. For each output the length of what
//! the first plane leaves out is known, and by the inequality of Cauchy and Schwarz the product with it is at most that length times the
//! length of the input. So the outputs that may be the largest are found from the first plane, and worked out from both. What is worked out has
//! the bits that it has where all outputs are.

use candle_core::quantized::GgmlDType;
use half::f16;
use rayon::prelude::*;

use super::block_format::Format;
use super::activations::GroupedActivations;
use super::layout::{self, LINE};
use super::memory::Lines;
use super::packed::{Packed, Part, Parts, bytes_mut};
use super::product::Panel;
use super::simd::PANEL;

/// Columns of a span.
const SPAN: usize = 32;
/// Lines of a span in each plane.
const PLANE: usize = layout::lines(SPAN, 4);
/// Bytes of a block of the file: a scale and 32 numbers.
const BLOCK: usize = 34;
/// The middle of what the lower four bits may be, as a part of one of the upper.
const MIDDLE: f32 = 7.5 / 16.0;
/// What rounding in sums of 32-bit floats may add to an estimate's error: a share of the error, and of the output's length.
const ROUNDING: (f32, f32) = (1.01, 1e-5);

/// A matrix `[out, in]` of 8-bit numbers with a scale for each 32.
#[derive(Debug)]
pub(crate) struct SplitQ8 {
    /// `16 scale * (number - 8 + MIDDLE)`.
    upper: Packed,
    /// Lines as in a packed matrix of four bits, panel after panel.
    lower: Lines,
    /// For each output: the length of what the first plane leaves out.
    errors: Vec<f32>,
}

impl SplitQ8 {
    /// From the blocks of a file (`Q8_0`), row after row; `None` where sixteen times a scale is no 16-bit float.
    pub(crate) fn new(out: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        let (blocks, panels) = (columns / SPAN, out.div_ceil(PANEL));
        let mut format = Format::of(GgmlDType::Q4_0)?;
        format.more = MIDDLE;
        let mut upper = Packed::zeroed(format, out, columns);
        let mut lower = Lines::zeroed(panels * blocks * PLANE);
        let mut errors = vec![0f32; out];
        let parts = upper.parts().into_par_iter().zip(lower.par_chunks_mut(blocks * PLANE));
        let rows = bytes.par_chunks(PANEL * blocks * BLOCK).zip(errors.par_chunks_mut(PANEL));
        let filled = parts.zip(rows).map(|((mut upper, lower), (rows, errors))| {
            let lower = bytes_mut(lower);
            let mut lanes = rows.chunks_exact(blocks * BLOCK).zip(errors).enumerate();
            lanes.all(|(lane, (row, error))| match write(row, lane, &mut upper, lower) {
                Some(left_out) => {
                    *error = left_out;
                    true
                }
                None => false,
            })
        });
        filled.reduce(|| true, |a, b| a && b).then_some(Self { upper, lower, errors })
    }

    /// Bytes that have to be read to find the largest output: those of the first plane.
    pub(crate) fn bytes(&self) -> usize {
        self.upper.bytes() + size_of_val(&self.errors[..])
    }

    pub(crate) fn panels(&self) -> usize {
        self.upper.panels()
    }

    /// Row `output` of the matrix, as floats.
    pub(crate) fn row(&self, output: usize, values: &mut [f32]) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let spans = self.upper.columns / SPAN;
        for (column, value) in values.iter_mut().enumerate() {
            let span = column / SPAN;
            let (index, byte) = (column % SPAN / 4, lane * 4 + column % 4);
            let lines = &self.lower[(panel * spans + span) * PLANE..][..PLANE];
            let low = layout::number(super::packed::bytes(lines), SPAN, 4, index, byte);
            let (high, scale) = self.upper.number(output, column);
            *value = scale / 16.0 * (f32::from(high << 4 | low) - 128.0);
        }
    }

    /// Works out a part of a product: as [`Packed::multiply`].
    pub(crate) fn multiply(&self, part: Part, prepared: &mut GroupedActivations, mut take: impl FnMut(usize, usize, &[f32])) {
        let x = prepared.rows(128, SPAN, part.inputs);
        let lines = self.upper.columns / SPAN * PLANE;
        let panel = |index: usize| {
            let lower = self.lower[index * lines..].as_ptr().cast();
            Panel { lower, zero: 128, more: 0.0, ..self.upper.panel(index) }
        };
        part.work_out(self.upper.out, part.kernels.planes, x, panel, &mut prepared.wide, |row, output, values| {
            // The first plane's scales are those of its numbers.
            let mut whole = [0f32; PANEL];
            whole.iter_mut().zip(values).for_each(|(whole, value)| *whole = value / 16.0);
            take(row, output, &whole[..values.len()]);
        });
    }

    /// The same from the first plane alone: each result is off by at most [`errors`](Self::errors) times the length of the input.
    pub(crate) fn estimate(&self, part: Part, prepared: &mut GroupedActivations, take: impl FnMut(usize, usize, &[f32])) {
        self.upper.multiply(part, prepared, take);
    }

    /// What estimates may be off, for an input of length 1: one number for each output.
    pub(crate) fn errors(&self) -> &[f32] {
        &self.errors
    }
}

/// Puts an output's blocks into the planes of its panel. Gives the length of what the first one leaves out, and a little more.
fn write(row: &[u8], lane: usize, upper: &mut Parts, lower: &mut [u8]) -> Option<f32> {
    let (mut left_out, mut length) = (0f64, 0f64);
    for (index, block) in row.chunks_exact(BLOCK).enumerate() {
        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
        let large = f16::from_f32(scale * 16.0);
        if large.to_f32() != scale * 16.0 || !large.is_finite() {
            return None;
        }
        upper.scales[index * PANEL + lane] = large;
        // As in a file the zero is 0, and here it is 128.
        let numbers: [u8; SPAN] = std::array::from_fn(|i| block[2 + i] ^ 0x80);
        let lines = index * PLANE * LINE..(index + 1) * PLANE * LINE;
        let lines = upper.numbers[lines.clone()].chunks_exact_mut(LINE).zip(lower[lines].chunks_exact_mut(LINE));
        for ((upper, lower), numbers) in lines.zip(numbers.chunks_exact(8)) {
            // A line holds two vectors of four columns.
            for i in 0..4 {
                upper[lane * 4 + i] = numbers[i] >> 4 | numbers[i + 4] & 0xf0;
                lower[lane * 4 + i] = numbers[i] & 15 | numbers[i + 4] << 4;
            }
        }
        let squares: i32 = numbers.iter().map(|number| (i32::from(number & 15) * 2 - 15).pow(2)).sum();
        let whole: i32 = numbers.iter().map(|number| (i32::from(*number) - 128).pow(2)).sum();
        // What is left out of a number are its lower bits without their middle.
        let scale = f64::from(scale);
        left_out += scale * scale * f64::from(squares) / 4.0;
        length += scale * scale * f64::from(whole);
    }
    Some(left_out.sqrt() as f32 * ROUNDING.0 + length.sqrt() as f32 * ROUNDING.1)
}

#[cfg(test)]
mod tests {
    use super::super::block_format::tests::sample;
    use super::super::activations::Activations;
    use super::super::tests::{kernels, product, wave};
    use super::*;

    const OUT: usize = 53;

    fn matrices(columns: usize) -> (Packed, SplitQ8) {
        let (bytes, _) = sample(GgmlDType::Q8_0, OUT, columns);
        let format = Format::of(GgmlDType::Q8_0).expect("known");
        (Packed::new(format, OUT, columns, &bytes), SplitQ8::new(OUT, columns, &bytes).expect("usual scales"))
    }

    /// All results of a way to multiply, `[rows, outputs]`.
    fn all(rows: usize, multiply: impl FnOnce(&mut dyn FnMut(usize, usize, &[f32]))) -> Vec<f32> {
        let mut y = vec![f32::NAN; rows * OUT];
        multiply(&mut |row, output, values: &[f32]| y[row * OUT + output..][..values.len()].copy_from_slice(values));
        y
    }

    #[test]
    fn a_product_of_both_planes_has_the_bits_of_the_whole_numbers() {
        for (columns, rows) in [(32, 1), (96, 3), (896, 11)] {
            let ((packed, planes), x) = (matrices(columns), wave(columns * rows));
            for (isa, kernels) in kernels() {
                let inputs = Activations::new(kernels, &x, columns);
                let mut prepared = GroupedActivations::default();
                let got = all(rows, |take| {
                    planes.multiply(Part::new(kernels, 0..rows, 0..planes.panels(), &inputs), &mut prepared, take);
                });
                assert_eq!(got, product(kernels, &packed, &x), "{isa:?} {columns} {rows}");
            }
        }
    }

    #[test]
    fn an_estimate_is_off_by_no_more_than_its_bound_and_not_always_by_nothing() {
        let (columns, rows) = (896, 5);
        let ((packed, planes), x) = (matrices(columns), wave(columns * rows));
        for (isa, kernels) in kernels() {
            let inputs = Activations::new(kernels, &x, columns);
            let mut prepared = GroupedActivations::default();
            let estimates = all(rows, |take| {
                planes.estimate(Part::new(kernels, 0..rows, 0..planes.panels(), &inputs), &mut prepared, take);
            });
            let mut largest = 0f32;
            for (i, (estimate, exact)) in estimates.iter().zip(product(kernels, &packed, &x)).enumerate() {
                // SAFETY: nobody writes the inputs.
                let bound = planes.errors()[i % OUT] * unsafe { inputs.length(i / OUT) };
                assert!((estimate - exact).abs() <= bound, "{isa:?} {i}: {estimate}, {exact}, {bound}");
                largest = largest.max((estimate - exact).abs() / bound);
            }
            assert!(largest > 0.01, "{isa:?}: {largest}");
        }
    }

    #[test]
    fn an_input_that_is_what_an_estimate_leaves_out_comes_near_the_bound() {
        let (columns, number) = (32, |i: usize| if i == 0 { 127i8 } else { (i % 16) as i8 });
        let scale = f16::from_f32(0.5);
        let bytes: Vec<u8> = scale.to_le_bytes().into_iter().chain((0..columns).map(|i| number(i) as u8)).collect();
        let planes = SplitQ8::new(1, columns, &bytes).expect("usual scales");
        // The lower bits without their middle; a block's largest input is 127.
        let x: Vec<f32> = (0..columns).map(|i| f32::from(number(i) & 15) - 7.5).map(|x| x * 127.0 / 7.5).collect();
        for (isa, kernels) in kernels() {
            let inputs = Activations::new(kernels, &x, columns);
            let result = |exact: bool| {
                let (mut y, mut prepared) = (0.0, GroupedActivations::default());
                let take = |_: usize, _: usize, values: &[f32]| y = values[0];
                match exact {
                    true => planes.multiply(Part::new(kernels, 0..1, 0..1, &inputs), &mut prepared, take),
                    false => planes.estimate(Part::new(kernels, 0..1, 0..1, &inputs), &mut prepared, take),
                }
                y
            };
            // SAFETY: nobody writes the inputs.
            let bound = planes.errors()[0] * unsafe { inputs.length(0) };
            let off = (result(true) - result(false)).abs();
            assert!(off <= bound && off > 0.95 * bound, "{isa:?}: {off} of {bound}");
        }
    }

    #[test]
    fn a_row_is_that_of_the_whole_numbers() {
        let (packed, planes) = matrices(96);
        let (mut expected, mut row) = (vec![0.0; 96], vec![0.0; 96]);
        for output in [0, 17, OUT - 1] {
            packed.row(output, &mut expected);
            planes.row(output, &mut row);
            assert_eq!(row, expected);
        }
    }

    #[test]
    fn scales_that_sixteen_times_are_no_16_bit_float_are_refused() {
        let mut bytes = sample(GgmlDType::Q8_0, 1, 32).0;
        bytes[..2].copy_from_slice(&f16::from_f32(5000.0).to_le_bytes());
        assert!(SplitQ8::new(1, 32, &bytes).is_none());
    }
}
