//! Split Q8: an 8-bit matrix in two planes of nibbles. Half of its bytes suffice to find the argmax of a product.
//!
//! For most tokens of a vocabulary, the high nibbles of the weights already show that their logit is not the largest.
//! The first plane holds the high nibbles, as a 4-bit matrix; the second holds the low nibbles. The residual of an
//! output is the part of its weights that the first plane leaves out, and its L2 norm is computed at load. By the
//! Cauchy-Schwarz inequality the residual's product is at most that norm times the norm of the activations. So the
//! first plane gives the outputs that may be the largest, and both planes give their exact values, which have the same
//! bits as in a full product.

use candle_core::quantized::GgmlDType;
use half::f16;
use rayon::prelude::*;

use super::activations::GroupedActivations;
use super::block_format::BlockFormat;
use super::layout::{self, LINE_BYTES};
use super::memory::LineBuffer;
use super::packed::{self, PackedMatrix, PanelBuffers, PartialProduct, bytes_mut};
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
/// Margin for rounding in sums of 32-bit floats, as a factor of the residual's norm.
const RESIDUAL_MARGIN: f32 = 1.01;
/// Further margin for rounding, as a fraction of the row's norm.
const ROW_MARGIN: f32 = 1e-5;

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
        let mut high_nibbles = PackedMatrix::zeroed(format, out, columns);
        let mut low_nibbles = LineBuffer::zeroed(panels * blocks * PLANE_GROUP_LINES);
        let mut residual_norms = vec![0f32; out];
        let planes =
            high_nibbles.panel_buffers().into_par_iter().zip(low_nibbles.par_chunks_mut(blocks * PLANE_GROUP_LINES));
        let rows = bytes.par_chunks(PANEL * blocks * BLOCK_BYTES).zip(residual_norms.par_chunks_mut(PANEL));
        planes.zip(rows).try_for_each(|((mut high, low), (rows, norms))| {
            let low = bytes_mut(low);
            for (lane, (row, norm)) in rows.chunks_exact(blocks * BLOCK_BYTES).zip(norms).enumerate() {
                *norm = pack_row(row, lane, &mut high, low)?;
            }
            Some(())
        })?;
        Some(Self { high_nibbles, low_nibbles, residual_norms })
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
        let groups = self.high_nibbles.columns / GROUP_COLUMNS;
        for (column, value) in values.iter_mut().enumerate() {
            let group = panel * groups + column / GROUP_COLUMNS;
            let (vector, byte) = (column % GROUP_COLUMNS / 4, lane * 4 + column % 4);
            let lines = &self.low_nibbles[group * PLANE_GROUP_LINES..][..PLANE_GROUP_LINES];
            let low = layout::load_quant(packed::bytes(lines), GROUP_COLUMNS, 4, vector, byte);
            let (high, scale) = self.high_nibbles.quant_and_scale(output, column);
            *value = scale / 16.0 * (f32::from(high << 4 | low) - 128.0);
        }
    }

    /// Computes a part of a product from both planes, as [`PackedMatrix::multiply`] does.
    pub(crate) fn multiply(
        &self,
        part: PartialProduct,
        grouped: &mut GroupedActivations,
        mut sink: impl FnMut(usize, usize, &[f32]),
    ) {
        let x = grouped.rows(128, GROUP_COLUMNS, part.inputs);
        let panel_lines = self.high_nibbles.columns / GROUP_COLUMNS * PLANE_GROUP_LINES;
        let panel = |index: usize| {
            let low_nibbles = self.low_nibbles[index * panel_lines..].as_ptr().cast();
            Panel { low_nibbles, zero_point: 128, offset: 0.0, ..self.high_nibbles.panel(index) }
        };
        let sink_scaled = |row: usize, output: usize, values: &[f32]| {
            // The scales are those of the high nibbles: sixteen times the scales of the file.
            let mut scaled = [0f32; PANEL];
            for (scaled, value) in scaled.iter_mut().zip(values) {
                *scaled = value / 16.0;
            }
            sink(row, output, &scaled[..values.len()]);
        };
        let outputs = self.high_nibbles.out;
        part.multiply_tiles(outputs, part.kernels.split_q8, x, panel, &mut grouped.unpacked, sink_scaled);
    }

    /// Computes a part of a product from the first plane alone. Each result is off by at most the output's
    /// [residual norm](Self::residual_norms) times the L2 norm of the row of activations.
    pub(crate) fn multiply_approx(
        &self,
        part: PartialProduct,
        grouped: &mut GroupedActivations,
        sink: impl FnMut(usize, usize, &[f32]),
    ) {
        self.high_nibbles.multiply(part, grouped, sink);
    }

    /// L2 norm of each output's residual.
    pub(crate) fn residual_norms(&self) -> &[f32] {
        &self.residual_norms
    }
}

/// Packs an output's blocks into the planes of its panel. Returns the L2 norm of the residual with a margin for
/// rounding, or `None` if sixteen times a scale is not a 16-bit float.
fn pack_row(row: &[u8], lane: usize, high: &mut PanelBuffers, low: &mut [u8]) -> Option<f32> {
    let (mut residual_squares, mut row_squares) = (0f64, 0f64);
    for (index, block) in row.chunks_exact(BLOCK_BYTES).enumerate() {
        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
        let high_scale = f16::from_f32(scale * 16.0);
        if high_scale.to_f32() != scale * 16.0 || !high_scale.is_finite() {
            return None;
        }
        high.scales[index * PANEL + lane] = high_scale;
        // Makes the quants unsigned: the zero point moves from 0 to 128.
        let quants: [u8; GROUP_COLUMNS] = std::array::from_fn(|i| block[2 + i] ^ 0x80);
        let group = index * PLANE_GROUP_LINES * LINE_BYTES..(index + 1) * PLANE_GROUP_LINES * LINE_BYTES;
        let high_lines = high.quants[group.clone()].chunks_exact_mut(LINE_BYTES);
        let low_lines = low[group].chunks_exact_mut(LINE_BYTES);
        for ((high, low), quants) in high_lines.zip(low_lines).zip(quants.chunks_exact(8)) {
            // A line holds two vectors of four columns each.
            for i in 0..4 {
                high[lane * 4 + i] = quants[i] >> 4 | quants[i + 4] & 0xf0;
                low[lane * 4 + i] = quants[i] & 15 | quants[i + 4] << 4;
            }
        }
        // The residual of a quant is its low nibble less the mean of low nibbles, 7.5.
        let residual: i32 = quants.iter().map(|quant| (i32::from(quant & 15) * 2 - 15).pow(2)).sum();
        let whole: i32 = quants.iter().map(|quant| (i32::from(*quant) - 128).pow(2)).sum();
        let scale = f64::from(scale);
        residual_squares += scale * scale * f64::from(residual) / 4.0;
        row_squares += scale * scale * f64::from(whole);
    }
    Some(residual_squares.sqrt() as f32 * RESIDUAL_MARGIN + row_squares.sqrt() as f32 * ROW_MARGIN)
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
    fn collect_results(rows: usize, multiply: impl FnOnce(&mut dyn FnMut(usize, usize, &[f32]))) -> Vec<f32> {
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
                let mut grouped = GroupedActivations::default();
                let got = collect_results(rows, |sink| {
                    planes.multiply(
                        PartialProduct::new(kernels, 0..rows, 0..planes.panels(), &inputs),
                        &mut grouped,
                        sink,
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
            let mut grouped = GroupedActivations::default();
            let estimates = collect_results(rows, |sink| {
                planes.multiply_approx(
                    PartialProduct::new(kernels, 0..rows, 0..planes.panels(), &inputs),
                    &mut grouped,
                    sink,
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
        let (columns, quant) = (32, |i: usize| if i == 0 { 127i8 } else { (i % 16) as i8 });
        let scale = f16::from_f32(0.5);
        let bytes: Vec<u8> = scale.to_le_bytes().into_iter().chain((0..columns).map(|i| quant(i) as u8)).collect();
        let planes = SplitQ8::new(1, columns, &bytes).expect("usual scales");
        // The residual itself, scaled so that the largest activation of a block is 127.
        let x: Vec<f32> = (0..columns).map(|i| f32::from(quant(i) & 15) - 7.5).map(|x| x * 127.0 / 7.5).collect();
        for (isa, kernels) in kernels() {
            let inputs = Activations::new(kernels, &x, columns);
            let result = |exact: bool| {
                let (mut y, mut grouped) = (0.0, GroupedActivations::default());
                let sink = |_: usize, _: usize, values: &[f32]| y = values[0];
                let part = PartialProduct::new(kernels, 0..1, 0..1, &inputs);
                if exact {
                    planes.multiply(part, &mut grouped, sink);
                } else {
                    planes.multiply_approx(part, &mut grouped, sink);
                }
                y
            };
            // SAFETY: no thread writes the activations.
            let bound = planes.residual_norms()[0] * unsafe { inputs.l2_norm(0) };
            let error = (result(true) - result(false)).abs();
            assert!(error <= bound && error > 0.95 * bound, "{isa:?}: {error} of {bound}");
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
