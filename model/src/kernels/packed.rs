//! Quantised matrices, repacked once at load so that every shape takes the fast path.
//!
//! Outputs are gathered in panels of 16, and inside a panel four columns of each output lie side by side: one vector
//! register holds 4 columns of 16 outputs, the accumulators hold outputs in their lanes, and nothing is ever summed
//! across lanes. Numbers are widened to unsigned bytes and scales stay what the file says, so nothing is quantised anew.
//!
//! Inputs are quantised row by row to signed bytes with one scale for 32 columns. The sum over a span of columns is exact
//! in integers and the spans are added in order with the same two float operations in every kernel: a row's result does
//! not depend on how many rows share the call, nor on the number of threads.

use half::f16;

use super::blocks::Format;
use super::isa;
use super::pool::pool;

/// Outputs in a panel.
pub(crate) const PANEL: usize = 16;

/// 64 bytes that begin where a cache line begins.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Scales or minima, 16 for each span of each panel.
#[derive(Debug)]
pub(crate) enum Scales {
    Half(Vec<f16>),
    Full(Vec<f32>),
}

/// A quantised matrix `[out, in]`.
#[derive(Debug)]
pub(crate) struct Packed {
    out: usize,
    columns: usize,
    pub(crate) format: Format,
    quants: Vec<Line>,
    pub(crate) scales: Scales,
    pub(crate) minima: Option<Vec<f32>>,
}

impl Packed {
    /// From the blocks of a file, row after row. `columns` must be a multiple of the format's block; `bytes` must hold the
    /// whole matrix.
    pub(crate) fn new(format: Format, out: usize, columns: usize, bytes: &[u8]) -> Self {
        let panels = out.div_ceil(PANEL);
        let spans = columns / format.span;
        let count = panels * spans * PANEL;
        let mut quants = vec![Line([format.zero; 64]); panels * columns / 4];
        let mut scales = vec![0f32; count];
        let mut minima = vec![0f32; if format.minima { count } else { 0 }];
        let target = Target(quants.as_mut_ptr().cast(), scales.as_mut_ptr(), minima.as_mut_ptr());
        let row_bytes = columns / format.columns * format.bytes;
        pool().ranges(panels, &|range| {
            let target = &target;
            for output in range.start * PANEL..(range.end * PANEL).min(out) {
                let row = &bytes[output * row_bytes..][..row_bytes];
                // SAFETY: each output writes its own places, inside the three vectors, which outlive this call.
                unsafe { target.write_row(format, columns, output, row) };
            }
        });
        let scales = if format.half {
            Scales::Half(scales.into_iter().map(f16::from_f32).collect())
        } else {
            Scales::Full(scales)
        };
        Self { out, columns, format, quants, scales, minima: format.minima.then_some(minima) }
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// The numbers of panel `panel`: `columns * 16` bytes.
    pub(crate) fn quants(&self, panel: usize) -> *const u8 {
        self.quants[panel * self.columns / 4..].as_ptr().cast()
    }

    /// Row `output` of the matrix, as floats.
    pub(crate) fn row(&self, output: usize, values: &mut [f32]) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let spans = self.columns / self.format.span;
        for (column, value) in values.iter_mut().enumerate() {
            let line = &self.quants[panel * self.columns / 4 + column / 4];
            let at = (panel * spans + column / self.format.span) * PANEL + lane;
            let scale = match &self.scales {
                Scales::Half(scales) => scales[at].to_f32(),
                Scales::Full(scales) => scales[at],
            };
            let number = f32::from(line.0[lane * 4 + column % 4]) - f32::from(self.format.zero);
            *value = scale * number + self.minima.as_ref().map_or(0.0, |minima| minima[at]);
        }
    }

    /// `x` (`[rows, in]`) times the transposed matrix into `y` (`[rows, out]`).
    pub(crate) fn multiply(&self, x: &[f32], y: &mut [f32]) {
        let inputs = Inputs::new(x, self.columns);
        let panels = self.out.div_ceil(PANEL);
        let target = Output(y.as_mut_ptr());
        let kernel = super::panel_kernel(isa());
        pool().ranges(panels, &|range| {
            let target = &target;
            for panel in range {
                let mut row = 0;
                while row < inputs.rows {
                    let tile = (inputs.rows - row).min(TILE);
                    let mut result = [[0f32; PANEL]; TILE];
                    kernel(self, panel, &inputs, row, &mut result[..tile]);
                    for (i, result) in result[..tile].iter().enumerate() {
                        let lanes = PANEL.min(self.out - panel * PANEL);
                        let at = (row + i) * self.out + panel * PANEL;
                        // SAFETY: `at + lanes` is inside `y`, and no two panels write the same outputs.
                        unsafe { std::ptr::copy_nonoverlapping(result.as_ptr(), target.0.add(at), lanes) };
                    }
                    row += tile;
                }
            }
        });
    }
}

/// Rows that a kernel treats at once at the most.
pub(crate) const TILE: usize = 8;

/// A kernel multiplies one panel with `result.len()` rows (at most [`TILE`]) from `row` on.
pub(crate) type PanelKernel = fn(&Packed, usize, &Inputs, usize, &mut [[f32; PANEL]]);

struct Output(*mut f32);

// SAFETY: threads write to disjoint places.
unsafe impl Sync for Output {}

struct Target(*mut u8, *mut f32, *mut f32);

// SAFETY: threads write to disjoint places.
unsafe impl Sync for Target {}

impl Target {
    /// # Safety
    /// `output` must be inside the vectors, which must be alive, and no other thread may write this output.
    unsafe fn write_row(&self, format: Format, columns: usize, output: usize, row: &[u8]) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let spans = columns / format.span;
        for index in 0..columns / 32 {
            let it = format.columns(row, index);
            for (group, four) in it.numbers.chunks_exact(4).enumerate() {
                let at = (panel * columns / 4 + index * 8 + group) * 64 + lane * 4;
                // SAFETY: see the function's contract; `at` lies in line `panel * columns / 4 + index * 8 + group`.
                unsafe { std::ptr::copy_nonoverlapping(four.as_ptr(), self.0.add(at), 4) };
            }
            for part in 0..32 / format.span {
                let at = (panel * spans + index * 32 / format.span + part) * PANEL + lane;
                // SAFETY: see the function's contract.
                unsafe {
                    *self.1.add(at) = it.scale[part];
                    if format.minima {
                        *self.2.add(at) = it.minimum[part];
                    }
                }
            }
        }
    }
}

/// Rows of inputs, quantised to signed bytes.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// `[rows, columns]`
    pub(crate) numbers: Vec<i8>,
    /// `[rows, columns / 32]`
    pub(crate) scales: Vec<f32>,
    /// `[rows, columns / 16]`: the sum of each 16 numbers.
    pub(crate) sums: Vec<i32>,
}

impl Inputs {
    /// Quantises `x` (`[rows, columns]`).
    pub(crate) fn new(x: &[f32], columns: usize) -> Self {
        let rows = x.len() / columns;
        let mut numbers = vec![0i8; x.len()];
        let mut scales = vec![0f32; x.len() / 32];
        let mut sums = vec![0i32; x.len() / 16];
        for (((x, numbers), scale), sums) in
            x.chunks_exact(32).zip(numbers.chunks_exact_mut(32)).zip(&mut scales).zip(sums.chunks_exact_mut(2))
        {
            *scale = quantise(x, numbers);
            for (sum, numbers) in sums.iter_mut().zip(numbers.chunks_exact(16)) {
                *sum = numbers.iter().map(|number| i32::from(*number)).sum();
            }
        }
        Self { rows, columns, numbers, scales, sums }
    }

    /// The sum of the numbers of `row` in span `index` of `span` columns.
    pub(crate) fn sum(&self, row: usize, index: usize, span: usize) -> i32 {
        let at = row * (self.columns / 16);
        if span == 16 { self.sums[at + index] } else { self.sums[at + index * 2] + self.sums[at + index * 2 + 1] }
    }

    /// The scale of the 32 columns that hold span `index` of `span` columns.
    pub(crate) fn scale(&self, row: usize, index: usize, span: usize) -> f32 {
        self.scales[row * (self.columns / 32) + index * span / 32]
    }
}

/// Rounds 32 values to signed bytes and returns their scale.
fn quantise(x: &[f32], numbers: &mut [i8]) -> f32 {
    let largest = x.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    for (number, x) in numbers.iter_mut().zip(x) {
        *number = (x * inverse).round_ties_even() as i8;
    }
    largest / 127.0
}

/// The kernel that any processor can run.
pub(crate) fn scalar(matrix: &Packed, panel: usize, inputs: &Inputs, row: usize, result: &mut [[f32; PANEL]]) {
    let span = matrix.format.span;
    let zero = i32::from(matrix.format.zero);
    for (i, result) in result.iter_mut().enumerate() {
        let row = row + i;
        for index in 0..matrix.columns / span {
            let at = (panel * (matrix.columns / span) + index) * PANEL;
            let x = &inputs.numbers[row * matrix.columns + index * span..][..span];
            let sum = inputs.sum(row, index, span);
            let x_scale = inputs.scale(row, index, span);
            for (lane, result) in result.iter_mut().enumerate() {
                let mut dot = -zero * sum;
                for (group, x) in x.chunks_exact(4).enumerate() {
                    let line = &matrix.quants[(panel * matrix.columns + index * span) / 4 + group].0;
                    dot += (0..4).map(|j| i32::from(line[lane * 4 + j]) * i32::from(x[j])).sum::<i32>();
                }
                let scale = match &matrix.scales {
                    Scales::Half(scales) => scales[at + lane].to_f32(),
                    Scales::Full(scales) => scales[at + lane],
                };
                *result += dot as f32 * (scale * x_scale);
                if let Some(minima) = &matrix.minima {
                    *result += minima[at + lane] * (x_scale * sum as f32);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Isa;
    use super::super::blocks::tests::{ALL, sample};
    use super::*;
    use candle_core::quantized::GgmlDType;

    fn wave(count: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 31 % 97) as f32 / 48.5 - 1.0) * (1.0 + (i % 7) as f32)).collect()
    }

    fn kernels() -> Vec<(Isa, PanelKernel)> {
        Isa::ALL.into_iter().filter(|isa| isa.is_here()).map(|isa| (isa, super::super::panel_kernel(isa))).collect()
    }

    fn product(kernel: PanelKernel, matrix: &Packed, inputs: &Inputs, row: usize, rows: usize) -> Vec<Vec<f32>> {
        let mut out = vec![Vec::new(); rows];
        for panel in 0..matrix.out.div_ceil(PANEL) {
            let mut result = [[0f32; PANEL]; TILE];
            kernel(matrix, panel, inputs, row, &mut result[..rows]);
            for (out, result) in out.iter_mut().zip(&result) {
                out.extend(&result[..PANEL.min(matrix.out - panel * PANEL)]);
            }
        }
        out
    }

    #[test]
    fn every_kernel_and_format_multiplies_within_the_error_of_the_inputs() {
        for dtype in ALL {
            let format = Format::of(dtype).expect("known");
            for (out, columns) in [(16, 256), (5, 512), (33, 1024)] {
                let (bytes, values) = sample(dtype, out, columns);
                let matrix = Packed::new(format, out, columns, &bytes);
                let x = wave(columns * 3);
                let inputs = Inputs::new(&x, columns);
                for (isa, kernel) in kernels() {
                    for (row, got) in product(kernel, &matrix, &inputs, 0, 3).iter().enumerate() {
                        for (o, got) in got.iter().enumerate() {
                            let terms = (0..columns).map(|c| values[o * columns + c] * x[row * columns + c]);
                            let (want, size) = terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
                            assert!(
                                (got - want).abs() < 0.01 * size + 1e-3,
                                "{dtype:?} {isa:?} {row} {o}: {got} {want}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_same_alone_and_among_others() {
        for dtype in ALL {
            let (bytes, _) = sample(dtype, 40, 768);
            let matrix = Packed::new(Format::of(dtype).expect("known"), 40, 768, &bytes);
            let inputs = Inputs::new(&wave(768 * TILE), 768);
            for (isa, kernel) in kernels() {
                let alone: Vec<_> = (0..TILE).map(|row| product(kernel, &matrix, &inputs, row, 1).remove(0)).collect();
                for rows in 2..=TILE {
                    assert_eq!(
                        product(kernel, &matrix, &inputs, 0, rows),
                        alone[..rows],
                        "{dtype:?} {isa:?} {rows} rows"
                    );
                }
            }
        }
    }

    #[test]
    fn columns_that_are_no_multiple_of_256_work() {
        for columns in [32, 96, 896, 576, 960] {
            let (bytes, values) = sample(GgmlDType::Q5_0, 17, columns);
            let matrix = Packed::new(Format::of(GgmlDType::Q5_0).expect("known"), 17, columns, &bytes);
            let mut row = vec![0.0; columns];
            matrix.row(16, &mut row);
            assert_eq!(row, values[16 * columns..]);
            let (x, mut y) = (wave(columns * 9), vec![0.0; 17 * 9]);
            matrix.multiply(&x, &mut y);
            let want: f32 = row.iter().zip(&x[8 * columns..]).map(|(w, x)| w * x).sum();
            let size: f32 = row.iter().zip(&x[8 * columns..]).map(|(w, x)| (w * x).abs()).sum();
            assert!((y[8 * 17 + 16] - want).abs() < 0.01 * size);
        }
    }
}
