//! Split Q8: an 8-bit matrix in two planes of nibbles, so that the argmax of a product is found from half of the bytes.
//!
//! For most tokens of a vocabulary, the high nibbles of the weights already show that their logit is not the largest.
//! The first plane holds these, as a 4-bit matrix; the second holds the low nibbles. For each output the L2 norm of the
//! residual, which the first plane leaves out, is known. By the Cauchy-Schwarz inequality the residual's product is at
//! most that norm times the norm of the activations. So the first plane gives the outputs that may be the largest, and
//! both planes their exact values, which have the same bits as in a full product.

use candle_core::quantized::GgmlDType;
use half::f16;
use rayon::prelude::*;

use super::activations::GroupedActivations;
use super::block_format::BlockFormat;
use super::layout::{self, LINE_BYTES};
use super::memory::LineBuffer;
use super::packed::{PackedMatrix, PanelBuffers, PartialProduct, bytes_mut};
use super::product::Panel;
use super::simd::PANEL;

/// Columns per group.
const GROUP_COLUMNS: usize = 32;
/// Lines per group in each plane.
const PLANE_GROUP_LINES: usize = layout::group_lines(GROUP_COLUMNS, 4);
/// Bytes per block of the file: a scale and 32 quants.
const BLOCK_BYTES: usize = 34;
/// Mean of the low nibbles, as a fraction of one high nibble.
const LOW_NIBBLE_MEAN: f32 = 7.5 / 16.0;
/// Margin for rounding in sums of 32-bit floats: a factor of the residual's norm, and a fraction of the row's norm.
const ROUNDING_MARGIN: (f32, f32) = (1.01, 1e-5);

/// Matrix `[out, in]` of 8-bit quants with a scale per 32 columns.
#[derive(Debug)]
pub(crate) struct SplitQ8 {
    /// High nibbles, with values `16 scale * (nibble - 8 + LOW_NIBBLE_MEAN)`.
    high_nibbles: PackedMatrix,
    /// Low nibbles, in lines as of a packed 4-bit matrix, panel after panel.
    low_nibbles: LineBuffer,
    /// L2 norm of each output's residual, which the first plane leaves out.
    residual_norms: Vec<f32>,
}

impl SplitQ8 {
    /// Splits the `Q8_0` blocks of a file, row after row; `None` if sixteen times a scale overflows a 16-bit float.
    pub(crate) fn new(out: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        let (blocks, panels) = (columns / GROUP_COLUMNS, out.div_ceil(PANEL));
        let mut format = BlockFormat::of(GgmlDType::Q4_0)?;
        format.offset = LOW_NIBBLE_MEAN;
        let mut upper = PackedMatrix::zeroed(format, out, columns);
        let mut lower = LineBuffer::zeroed(panels * blocks * PLANE_GROUP_LINES);
        let mut errors = vec![0f32; out];
        let parts = upper.panel_buffers().into_par_iter().zip(lower.par_chunks_mut(blocks * PLANE_GROUP_LINES));
        let rows = bytes.par_chunks(PANEL * blocks * BLOCK_BYTES).zip(errors.par_chunks_mut(PANEL));
        let filled = parts.zip(rows).map(|((mut upper, lower), (rows, errors))| {
            let lower = bytes_mut(lower);
            let mut lanes = rows.chunks_exact(blocks * BLOCK_BYTES).zip(errors).enumerate();
            lanes.all(|(lane, (row, error))| match write(row, lane, &mut upper, lower) {
                Some(left_out) => {
                    *error = left_out;
                    true
                }
                None => false,
            })
        });
        filled.reduce(|| true, |a, b| a && b).then_some(Self {
            high_nibbles: upper,
            low_nibbles: lower,
            residual_norms: errors,
        })
    }

    /// Number of bytes read to find the argmax: those of the first plane.
    pub(crate) fn bytes(&self) -> usize {
        self.high_nibbles.bytes() + size_of_val(&self.residual_norms[..])
    }

    /// Number of panels.
    pub(crate) fn panels(&self) -> usize {
        self.high_nibbles.panels()
    }

    /// Dequantises row `output` of the matrix.
    pub(crate) fn row(&self, output: usize, values: &mut [f32]) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let spans = self.high_nibbles.columns / GROUP_COLUMNS;
        for (column, value) in values.iter_mut().enumerate() {
            let span = column / GROUP_COLUMNS;
            let (index, byte) = (column % GROUP_COLUMNS / 4, lane * 4 + column % 4);
            let lines = &self.low_nibbles[(panel * spans + span) * PLANE_GROUP_LINES..][..PLANE_GROUP_LINES];
            let low = layout::load_quant(super::packed::bytes(lines), GROUP_COLUMNS, 4, index, byte);
            let (high, scale) = self.high_nibbles.quant_and_scale(output, column);
            *value = scale / 16.0 * (f32::from(high << 4 | low) - 128.0);
        }
    }

    /// Computes a part of a product from both planes, as [`PackedMatrix::multiply`] does.
    pub(crate) fn multiply(
        &self,
        part: PartialProduct,
        prepared: &mut GroupedActivations,
        mut take: impl FnMut(usize, usize, &[f32]),
    ) {
        let x = prepared.rows(128, GROUP_COLUMNS, part.inputs);
        let lines = self.high_nibbles.columns / GROUP_COLUMNS * PLANE_GROUP_LINES;
        let panel = |index: usize| {
            let lower = self.low_nibbles[index * lines..].as_ptr().cast();
            Panel { low_nibbles: lower, zero_point: 128, offset: 0.0, ..self.high_nibbles.panel(index) }
        };
        part.multiply_tiles(
            self.high_nibbles.out,
            part.kernels.split_q8,
            x,
            panel,
            &mut prepared.unpacked,
            |row, output, values| {
                // The scales are those of the high nibbles.
                let mut whole = [0f32; PANEL];
                whole.iter_mut().zip(values).for_each(|(whole, value)| *whole = value / 16.0);
                take(row, output, &whole[..values.len()]);
            },
        );
    }

    /// Computes a part of a product from the first plane alone. Each result is off by at most the output's
    /// [residual norm](Self::residual_norms) times the L2 norm of the row of activations.
    pub(crate) fn multiply_approx(
        &self,
        part: PartialProduct,
        prepared: &mut GroupedActivations,
        take: impl FnMut(usize, usize, &[f32]),
    ) {
        self.high_nibbles.multiply(part, prepared, take);
    }

    /// L2 norm of each output's residual.
    pub(crate) fn residual_norms(&self) -> &[f32] {
        &self.residual_norms
    }
}

/// Packs an output's blocks into the planes of its panel. Returns the L2 norm of the residual with a margin for
/// rounding.
fn write(row: &[u8], lane: usize, upper: &mut PanelBuffers, lower: &mut [u8]) -> Option<f32> {
    let (mut left_out, mut length) = (0f64, 0f64);
    for (index, block) in row.chunks_exact(BLOCK_BYTES).enumerate() {
        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
        let large = f16::from_f32(scale * 16.0);
        if large.to_f32() != scale * 16.0 || !large.is_finite() {
            return None;
        }
        upper.scales[index * PANEL + lane] = large;
        // Makes the quants unsigned: the zero point moves from 0 to 128.
        let numbers: [u8; GROUP_COLUMNS] = std::array::from_fn(|i| block[2 + i] ^ 0x80);
        let lines = index * PLANE_GROUP_LINES * LINE_BYTES..(index + 1) * PLANE_GROUP_LINES * LINE_BYTES;
        let lines =
            upper.quants[lines.clone()].chunks_exact_mut(LINE_BYTES).zip(lower[lines].chunks_exact_mut(LINE_BYTES));
        for ((upper, lower), numbers) in lines.zip(numbers.chunks_exact(8)) {
            // A line holds two vectors of four columns each.
            for i in 0..4 {
                upper[lane * 4 + i] = numbers[i] >> 4 | numbers[i + 4] & 0xf0;
                lower[lane * 4 + i] = numbers[i] & 15 | numbers[i + 4] << 4;
            }
        }
        let squares: i32 = numbers.iter().map(|number| (i32::from(number & 15) * 2 - 15).pow(2)).sum();
        let whole: i32 = numbers.iter().map(|number| (i32::from(*number) - 128).pow(2)).sum();
        // The residual of a quant is its low nibble less the mean of low nibbles.
        let scale = f64::from(scale);
        left_out += scale * scale * f64::from(squares) / 4.0;
        length += scale * scale * f64::from(whole);
    }
    Some(left_out.sqrt() as f32 * ROUNDING_MARGIN.0 + length.sqrt() as f32 * ROUNDING_MARGIN.1)
}

#[cfg(test)]
mod tests {
    use super::super::activations::Activations;
    use super::super::block_format::tests::sample;
    use super::super::tests::{kernels, product, wave};
    use super::*;

    const OUT: usize = 53;

    fn matrices(columns: usize) -> (PackedMatrix, SplitQ8) {
        let (bytes, _) = sample(GgmlDType::Q8_0, OUT, columns);
        let format = BlockFormat::of(GgmlDType::Q8_0).expect("known");
        (PackedMatrix::new(format, OUT, columns, &bytes), SplitQ8::new(OUT, columns, &bytes).expect("usual scales"))
    }

    /// Collects all results of a product, `[rows, outputs]`.
    fn all(rows: usize, multiply: impl FnOnce(&mut dyn FnMut(usize, usize, &[f32]))) -> Vec<f32> {
        let mut y = vec![f32::NAN; rows * OUT];
        multiply(&mut |row, output, values: &[f32]| y[row * OUT + output..][..values.len()].copy_from_slice(values));
        y
    }

    #[test]
    fn a_product_of_both_planes_has_the_bits_of_the_packed_matrix() {
        for (columns, rows) in [(32, 1), (96, 3), (896, 11)] {
            let ((packed, planes), x) = (matrices(columns), wave(columns * rows));
            for (isa, kernels) in kernels() {
                let inputs = Activations::new(kernels, &x, columns);
                let mut prepared = GroupedActivations::default();
                let got = all(rows, |take| {
                    planes.multiply(
                        PartialProduct::new(kernels, 0..rows, 0..planes.panels(), &inputs),
                        &mut prepared,
                        take,
                    );
                });
                assert_eq!(got, product(kernels, &packed, &x), "{isa:?} {columns} {rows}");
            }
        }
    }

    #[test]
    fn an_approximate_product_is_within_its_bound() {
        let (columns, rows) = (896, 5);
        let ((packed, planes), x) = (matrices(columns), wave(columns * rows));
        for (isa, kernels) in kernels() {
            let inputs = Activations::new(kernels, &x, columns);
            let mut prepared = GroupedActivations::default();
            let estimates = all(rows, |take| {
                planes.multiply_approx(
                    PartialProduct::new(kernels, 0..rows, 0..planes.panels(), &inputs),
                    &mut prepared,
                    take,
                );
            });
            let mut largest = 0f32;
            for (i, (estimate, exact)) in estimates.iter().zip(product(kernels, &packed, &x)).enumerate() {
                // SAFETY: no thread writes the activations.
                let bound = planes.residual_norms()[i % OUT] * unsafe { inputs.l2_norm(i / OUT) };
                assert!((estimate - exact).abs() <= bound, "{isa:?} {i}: {estimate}, {exact}, {bound}");
                largest = largest.max((estimate - exact).abs() / bound);
            }
            assert!(largest > 0.01, "{isa:?}: {largest}");
        }
    }

    #[test]
    fn the_bound_is_tight_for_the_residual_itself() {
        let (columns, number) = (32, |i: usize| if i == 0 { 127i8 } else { (i % 16) as i8 });
        let scale = f16::from_f32(0.5);
        let bytes: Vec<u8> = scale.to_le_bytes().into_iter().chain((0..columns).map(|i| number(i) as u8)).collect();
        let planes = SplitQ8::new(1, columns, &bytes).expect("usual scales");
        // The residual itself, scaled so that the largest activation of a block is 127.
        let x: Vec<f32> = (0..columns).map(|i| f32::from(number(i) & 15) - 7.5).map(|x| x * 127.0 / 7.5).collect();
        for (isa, kernels) in kernels() {
            let inputs = Activations::new(kernels, &x, columns);
            let result = |exact: bool| {
                let (mut y, mut prepared) = (0.0, GroupedActivations::default());
                let take = |_: usize, _: usize, values: &[f32]| y = values[0];
                match exact {
                    true => planes.multiply(PartialProduct::new(kernels, 0..1, 0..1, &inputs), &mut prepared, take),
                    false => {
                        planes.multiply_approx(PartialProduct::new(kernels, 0..1, 0..1, &inputs), &mut prepared, take)
                    }
                }
                y
            };
            // SAFETY: no thread writes the activations.
            let bound = planes.residual_norms()[0] * unsafe { inputs.l2_norm(0) };
            let off = (result(true) - result(false)).abs();
            assert!(off <= bound && off > 0.95 * bound, "{isa:?}: {off} of {bound}");
        }
    }

    #[test]
    fn a_row_is_dequantised_as_from_the_packed_matrix() {
        let (packed, planes) = matrices(96);
        let (mut expected, mut row) = (vec![0.0; 96], vec![0.0; 96]);
        for output in [0, 17, OUT - 1] {
            packed.row(output, &mut expected);
            planes.row(output, &mut row);
            assert_eq!(row, expected);
        }
    }

    #[test]
    fn scales_that_overflow_16_bits_are_refused() {
        let mut bytes = sample(GgmlDType::Q8_0, 1, 32).0;
        bytes[..2].copy_from_slice(&f16::from_f32(5000.0).to_le_bytes());
        assert!(SplitQ8::new(1, 32, &bytes).is_none());
    }
}
