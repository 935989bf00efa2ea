//! Inputs of matrices: rows of floats, and the same quantised to signed bytes with one scale for 32 columns.

use super::Kernels;
use super::memory::Line;
use super::product::Rows;
use super::elementwise::BLOCK;
use super::shared_buffer::SharedBuffer;

/// Columns of the smallest span.
const SMALL: usize = 16;

/// Rows of inputs, which the threads of a step fill row by row and then read together.
#[derive(Default)]
pub(crate) struct Activations {
    /// Rows in use.
    pub(crate) rows: usize,
    /// Columns in use.
    pub(crate) columns: usize,
    /// `[rows, columns]`
    pub(crate) floats: SharedBuffer<f32>,
    numbers: SharedBuffer<i8>, // [rows, columns]
    scales: SharedBuffer<f32>, // [rows, columns / 32]
    sums: SharedBuffer<i32>,   // [rows, columns / 16]
}

impl Activations {
    /// The rows of `x`, quantised.
    pub(crate) fn new(kernels: &Kernels, x: &[f32], columns: usize) -> Self {
        let mut inputs = Self::default();
        inputs.reshape(x.len() / columns, columns);
        for (row, x) in x.chunks_exact(columns).enumerate() {
            // SAFETY: nobody else has the inputs.
            unsafe {
                inputs.row_mut(row).copy_from_slice(x);
                inputs.quantise(kernels, row);
            }
        }
        inputs
    }

    /// Makes room for inputs of this shape; what was there is lost.
    pub(crate) fn reshape(&mut self, rows: usize, columns: usize) {
        (self.rows, self.columns) = (rows, columns);
        self.floats.reserve(rows * columns);
        self.numbers.reserve(rows * columns);
        self.scales.reserve(rows * columns.div_ceil(BLOCK));
        self.sums.reserve(rows * columns.div_ceil(SMALL));
    }

    /// The floats of a row, to be filled in.
    ///
    /// # Safety
    /// Nobody else may use this row meanwhile.
    #[expect(clippy::mut_from_ref, reason = "threads have different rows")]
    pub(crate) unsafe fn row_mut(&self, row: usize) -> &mut [f32] {
        // SAFETY: by contract.
        unsafe { self.floats.slice_mut(row * self.columns..(row + 1) * self.columns) }
    }

    /// The floats of a row.
    ///
    /// # Safety
    /// Nobody may write this row meanwhile.
    pub(crate) unsafe fn row(&self, row: usize) -> &[f32] {
        // SAFETY: by contract.
        unsafe { self.floats.slice(row * self.columns..(row + 1) * self.columns) }
    }

    /// Quantises a row; columns behind the last whole block of 32 are no inputs of quantised matrices.
    ///
    /// # Safety
    /// Nobody else may use this row meanwhile.
    pub(crate) unsafe fn quantise(&self, kernels: &Kernels, row: usize) {
        let part = |size: usize| row * (self.columns / size)..(row + 1) * (self.columns / size);
        // SAFETY: by contract; the kernels are those of a set that is here.
        unsafe {
            let numbers = self.numbers.slice_mut(row * self.columns..(row + 1) * self.columns);
            let (scales, sums) = (self.scales.slice_mut(part(BLOCK)), self.sums.slice_mut(part(SMALL)));
            (kernels.quantise)(self.row(row), numbers, scales, sums);
        }
    }

    /// The length of a row as it is quantised.
    ///
    /// # Safety
    /// Nobody may write this row meanwhile.
    pub(crate) unsafe fn length(&self, row: usize) -> f32 {
        let part = |size: usize| row * (self.columns / size)..(row + 1) * (self.columns / size);
        // SAFETY: by contract.
        let (numbers, scales) = unsafe {
            (self.numbers.slice(row * self.columns..(row + 1) * self.columns), self.scales.slice(part(BLOCK)))
        };
        let blocks = numbers.chunks_exact(BLOCK).zip(scales);
        let squares = blocks.map(|(numbers, scale)| {
            let sum: i32 = numbers.iter().map(|number| i32::from(*number).pow(2)).sum();
            sum as f32 * scale * scale
        });
        squares.sum::<f32>().sqrt()
    }
}

/// What one thread works out of the inputs for the matrices that it multiplies.
#[derive(Default)]
pub(crate) struct GroupedActivations {
    /// Zero and span that the lists below are for.
    format: Option<(u8, usize)>,
    starts: Vec<i32>,
    scales: Vec<f32>,
    sums: Vec<f32>,
    /// Room for the numbers of a panel, unpacked.
    pub(super) wide: Vec<Line>,
}

impl GroupedActivations {
    /// The inputs have changed.
    pub(crate) fn forget(&mut self) {
        self.format = None;
    }

    /// The rows of `inputs` as a product needs them with a matrix in which `zero` stands for zero and a factor for `span` columns.
    pub(crate) fn rows(&mut self, zero: u8, span: usize, inputs: &Activations) -> Rows {
        // SAFETY: the inputs are complete: nobody writes them while they are multiplied.
        let (numbers, scales, sums) = unsafe { (inputs.numbers.as_slice(), inputs.scales.as_slice(), inputs.sums.as_slice()) };
        if self.format != Some((zero, span)) {
            let blocks = inputs.rows * inputs.columns / BLOCK;
            self.fill(zero, span, inputs.rows, &scales[..blocks], &sums[..blocks * (BLOCK / SMALL)]);
        }
        Rows {
            count: inputs.rows,
            numbers: numbers.as_ptr(),
            scales: self.scales.as_ptr(),
            starts: self.starts.as_ptr(),
            sums: self.sums.as_ptr(),
            columns: inputs.columns,
        }
    }

    /// From the scale of each block and the sum of each `SMALL` columns, row after row, of some rows.
    fn fill(&mut self, zero: u8, span: usize, rows: usize, scales: &[f32], sums: &[i32]) {
        self.format = Some((zero, span));
        let entries = sums.len() * SMALL / span;
        self.starts.resize(entries, 0);
        self.scales.resize(entries, 0.0);
        self.sums.resize(entries, 0.0);
        if entries == 0 {
            return;
        }
        match span {
            BLOCK => self.fill_spans::<{ BLOCK / SMALL }>(zero, rows, scales, sums),
            _ => self.fill_spans::<1>(zero, rows, scales, sums),
        }
    }

    /// The same for spans of `SMALLS` times `SMALL` columns; the lists have their lengths.
    fn fill_spans<const SMALLS: usize>(&mut self, zero: u8, rows: usize, scales: &[f32], sums: &[i32]) {
        let (blocks, small) = (scales.len() / rows, sums.len() / rows);
        let to = self
            .starts
            .chunks_exact_mut(rows)
            .zip(self.scales.chunks_exact_mut(rows))
            .zip(self.sums.chunks_exact_mut(rows));
        for (span, ((starts, to_scales), to_sums)) in to.enumerate() {
            let (sums, scales) = (&sums[span * SMALLS..], &scales[span * SMALLS * SMALL / BLOCK..]);
            let to = starts.iter_mut().zip(to_scales).zip(to_sums);
            for (row, ((start, to_scale), to_sum)) in to.enumerate() {
                let (sum, scale) = (sums[row * small..][..SMALLS].iter().sum::<i32>(), scales[row * blocks]);
                (*start, *to_scale, *to_sum) = (-i32::from(zero) * sum, scale, sum as f32 * scale);
            }
        }
    }
}
