//! Activations, the inputs of matrix products: rows of floats, and the same quantised to 8 bits with a scale per 32
//! columns.

use super::elementwise::BLOCK_COLUMNS;
use super::memory::Line;
use super::product::ProductRows;
use super::shared_buffer::SharedBuffer;
use super::table::Kernels;

/// Columns per partial sum, which are those of the smallest group.
const SUM_COLUMNS: usize = 16;

/// Rows of activations, which the threads of a step fill row by row and then read together.
#[derive(Default)]
pub(crate) struct Activations {
    /// Number of rows in use.
    pub(crate) rows: usize,
    /// Number of columns in use.
    pub(crate) columns: usize,
    /// `[rows, columns]`
    pub(crate) floats: SharedBuffer<f32>,
    quants: SharedBuffer<i8>,  // [rows, columns]
    scales: SharedBuffer<f32>, // [rows, columns / 32]
    sums: SharedBuffer<i32>,   // [rows, columns / 16]
}

impl Activations {
    /// Quantises the rows of `x`.
    pub(crate) fn new(kernels: &Kernels, x: &[f32], columns: usize) -> Self {
        let mut inputs = Self::default();
        inputs.reshape(x.len() / columns, columns);
        for (row, x) in x.chunks_exact(columns).enumerate() {
            // SAFETY: no other thread has the activations.
            unsafe {
                inputs.row_mut(row).copy_from_slice(x);
                inputs.quantise(kernels, row);
            }
        }
        inputs
    }

    /// Changes the shape. The contents are lost.
    pub(crate) fn reshape(&mut self, rows: usize, columns: usize) {
        (self.rows, self.columns) = (rows, columns);
        self.floats.reserve(rows * columns);
        self.quants.reserve(rows * columns);
        self.scales.reserve(rows * columns.div_ceil(BLOCK_COLUMNS));
        self.sums.reserve(rows * columns.div_ceil(SUM_COLUMNS));
    }

    /// Floats of a row, to be filled in.
    ///
    /// # Safety
    /// No other thread may use this row while the slice is alive.
    #[expect(clippy::mut_from_ref, reason = "threads have different rows")]
    pub(crate) unsafe fn row_mut(&self, row: usize) -> &mut [f32] {
        // SAFETY: by contract.
        unsafe { self.floats.slice_mut(row * self.columns..(row + 1) * self.columns) }
    }

    /// Floats of a row.
    ///
    /// # Safety
    /// No thread may write this row while the slice is alive.
    pub(crate) unsafe fn row(&self, row: usize) -> &[f32] {
        // SAFETY: by contract.
        unsafe { self.floats.slice(row * self.columns..(row + 1) * self.columns) }
    }

    /// Quantises a row. Columns after the last whole block of 32 are left out: quantised matrices have none.
    ///
    /// # Safety
    /// No other thread may use this row during the call.
    pub(crate) unsafe fn quantise(&self, kernels: &Kernels, row: usize) {
        let range = |columns: usize| row * (self.columns / columns)..(row + 1) * (self.columns / columns);
        // SAFETY: by contract; the processor supports the kernels' set.
        unsafe {
            let quants = self.quants.slice_mut(row * self.columns..(row + 1) * self.columns);
            let (scales, sums) = (self.scales.slice_mut(range(BLOCK_COLUMNS)), self.sums.slice_mut(range(SUM_COLUMNS)));
            (kernels.quantise)(self.row(row), quants, scales, sums);
        }
    }

    /// L2 norm of a row as quantised.
    ///
    /// # Safety
    /// No thread may write this row during the call.
    pub(crate) unsafe fn l2_norm(&self, row: usize) -> f32 {
        let range = |columns: usize| row * (self.columns / columns)..(row + 1) * (self.columns / columns);
        // SAFETY: by contract.
        let (quants, scales) = unsafe {
            (self.quants.slice(row * self.columns..(row + 1) * self.columns), self.scales.slice(range(BLOCK_COLUMNS)))
        };
        let squares = quants.chunks_exact(BLOCK_COLUMNS).zip(scales).map(|(quants, scale)| {
            let sum: i32 = quants.iter().map(|quant| i32::from(*quant).pow(2)).sum();
            sum as f32 * scale * scale
        });
        squares.sum::<f32>().sqrt()
    }
}

/// Per-group scales and sums of the activations for one matrix format. Each thread computes its own.
#[derive(Default)]
pub(crate) struct GroupedActivations {
    /// Zero point and columns per group that the lists below are for.
    key: Option<(u8, usize)>,
    initial_sums: Vec<i32>,
    scales: Vec<f32>,
    value_sums: Vec<f32>,
    /// Scratch space for the unpacked quants of a panel.
    pub(super) unpacked: Vec<Line>,
}

impl GroupedActivations {
    /// Discards the lists after the activations have changed.
    pub(crate) fn invalidate(&mut self) {
        self.key = None;
    }

    /// Rows of `inputs` as a microkernel takes them, for a matrix with this zero point and a sub-scale per
    /// `group_columns` columns.
    pub(crate) fn rows(&mut self, zero_point: u8, group_columns: usize, inputs: &Activations) -> ProductRows {
        // SAFETY: the activations are complete: no thread writes them while they are multiplied.
        let (quants, scales, sums) =
            unsafe { (inputs.quants.as_slice(), inputs.scales.as_slice(), inputs.sums.as_slice()) };
        if self.key != Some((zero_point, group_columns)) {
            self.key = Some((zero_point, group_columns));
            let blocks = inputs.rows * inputs.columns / BLOCK_COLUMNS;
            let (scales, sums) = (&scales[..blocks], &sums[..blocks * (BLOCK_COLUMNS / SUM_COLUMNS)]);
            self.fill(zero_point, group_columns, inputs.rows, scales, sums);
        }
        ProductRows {
            count: inputs.rows,
            quants: quants.as_ptr(),
            scales: self.scales.as_ptr(),
            initial_sums: self.initial_sums.as_ptr(),
            value_sums: self.value_sums.as_ptr(),
            columns: inputs.columns,
        }
    }

    /// Fills the lists from the scale of each block and the sum of each `SUM_COLUMNS` columns, row after row.
    fn fill(&mut self, zero_point: u8, group_columns: usize, rows: usize, scales: &[f32], sums: &[i32]) {
        let entries = sums.len() * SUM_COLUMNS / group_columns;
        self.initial_sums.resize(entries, 0);
        self.scales.resize(entries, 0.0);
        self.value_sums.resize(entries, 0.0);
        if entries == 0 {
            return;
        }
        match group_columns {
            BLOCK_COLUMNS => self.fill_groups::<{ BLOCK_COLUMNS / SUM_COLUMNS }>(zero_point, rows, scales, sums),
            _ => self.fill_groups::<1>(zero_point, rows, scales, sums),
        }
    }

    /// Fills the lists, which have their lengths, for groups of `SUMS` times `SUM_COLUMNS` columns.
    fn fill_groups<const SUMS: usize>(&mut self, zero_point: u8, rows: usize, scales: &[f32], sums: &[i32]) {
        let (row_scales, row_sums) = (scales.len() / rows, sums.len() / rows);
        let groups = self
            .initial_sums
            .chunks_exact_mut(rows)
            .zip(self.scales.chunks_exact_mut(rows))
            .zip(self.value_sums.chunks_exact_mut(rows));
        for (group, ((initial_sums, group_scales), value_sums)) in groups.enumerate() {
            let (sums, scales) = (&sums[group * SUMS..], &scales[group * SUMS * SUM_COLUMNS / BLOCK_COLUMNS..]);
            let entries = initial_sums.iter_mut().zip(group_scales).zip(value_sums);
            for (row, ((initial_sum, group_scale), value_sum)) in entries.enumerate() {
                let sum: i32 = sums[row * row_sums..][..SUMS].iter().sum();
                let scale = scales[row * row_scales];
                *initial_sum = -i32::from(zero_point) * sum;
                *group_scale = scale;
                *value_sum = sum as f32 * scale;
            }
        }
    }
}
