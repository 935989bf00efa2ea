//! Quantised matrices, repacked once at load so that every shape takes the fast path (see [`super::layout`]).
//!
//! Quants keep the bits and scales the precision of the file: nothing is requantised, and a matrix takes about as much
//! memory as in the file.

use std::ops::Range;

use half::f16;
use rayon::prelude::*;

use super::activations::{Activations, GroupedActivations};
use super::block_format::{BlockFormat, UnpackedColumns};
use super::layout::{self, LINE_BYTES};
use super::memory::{Line, LineBuffer};
use super::product::{MAX_ROWS, MIN_UNPACK_ROWS, Microkernels, Panel, ProductRows};
use super::simd::PANEL;
use super::table::Kernels;

/// Part of a product of activations with a matrix: some rows times some panels.
pub(crate) struct PartialProduct<'a> {
    pub(super) kernels: &'a Kernels,
    /// Rows of the activations.
    pub(super) rows: Range<usize>,
    /// Panels of the matrix, 16 outputs each.
    pub(super) panels: Range<usize>,
    pub(super) inputs: &'a Activations,
}

impl<'a> PartialProduct<'a> {
    /// Creates the part for these rows and panels.
    pub(crate) fn new(kernels: &'a Kernels, rows: Range<usize>, panels: Range<usize>, inputs: &'a Activations) -> Self {
        Self { kernels, rows, panels, inputs }
    }

    /// Multiplies tile by tile and passes each result to `sink`: row, first output, up to 16 values. `panel` returns a
    /// panel of the matrix, which has `outputs` outputs; `unpacked` is scratch space.
    pub(super) fn multiply_tiles(
        &self,
        outputs: usize,
        microkernels: Microkernels,
        x: ProductRows,
        panel: impl Fn(usize) -> Panel,
        unpacked: &mut Vec<Line>,
        mut sink: impl FnMut(usize, usize, &[f32]),
    ) {
        let mut result = [[0f32; PANEL]; MAX_ROWS];
        let (unpack, microkernel) = match microkernels.unpacked {
            Some((unpack, microkernel)) if self.rows.len() >= MIN_UNPACK_ROWS => (Some(unpack), microkernel),
            _ => (None, microkernels.microkernel),
        };
        if unpack.is_some() && unpacked.len() < x.columns / 4 {
            unpacked.resize(x.columns / 4, Line([0; LINE_BYTES]));
        }
        for index in self.panels.clone() {
            let mut panel = panel(index);
            if let Some(unpack) = unpack {
                // SAFETY: the set is supported, the panel is complete, and there is a line for every four columns.
                unsafe { unpack(panel, unpacked.as_mut_ptr().cast()) };
                panel.quants = unpacked.as_ptr().cast();
            }
            for row in self.rows.clone().step_by(MAX_ROWS) {
                let tile = &mut result[..(self.rows.end - row).min(MAX_ROWS)];
                // SAFETY: the set is supported; panel and rows are complete.
                unsafe { microkernel(panel, x, row, tile) };
                let lanes = PANEL.min(outputs - index * PANEL);
                for (i, result) in tile.iter().enumerate() {
                    // Nearly all panels are full; the constant length lets the compiler vectorise `sink`.
                    match lanes {
                        PANEL => sink(row + i, index * PANEL, &result[..]),
                        lanes => sink(row + i, index * PANEL, &result[..lanes]),
                    }
                }
            }
        }
    }
}

/// Copies the results of a panel. Nearly all panels are full, and 16 values are copied without a call.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub(crate) fn copy_results(to: &mut [f32], results: &[f32]) {
    match (<&mut [f32; PANEL]>::try_from(&mut *to), <&[f32; PANEL]>::try_from(results)) {
        (Ok(to), Ok(results)) => *to = *results,
        _ => to.copy_from_slice(results),
    }
}

/// Quantised matrix `[out, in]`, packed into panels.
#[derive(Debug)]
pub(crate) struct PackedMatrix {
    pub(crate) out: usize,
    pub(crate) columns: usize,
    pub(crate) format: BlockFormat,
    quants: LineBuffer,
    /// `[panels, blocks, 16]`
    scales: Vec<f16>,
    /// `[panels, blocks, 16]`, if the format has mins.
    mins: Vec<f16>,
    /// `[panels, groups, 16]`, if a block has several groups.
    sub_scales: Vec<i8>,
    sub_mins: Vec<u8>,
}

impl PackedMatrix {
    /// Packs the blocks of a file, row after row. `columns` must be a multiple of the format's block, and `bytes` must
    /// hold the whole matrix.
    pub(crate) fn new(format: BlockFormat, out: usize, columns: usize, bytes: &[u8]) -> Self {
        let mut packed = Self::zeroed(format, out, columns);
        packed.panel_buffers().into_par_iter().enumerate().for_each(|(panel, mut buffers)| {
            buffers.write(&format, bytes, columns, panel * PANEL..((panel + 1) * PANEL).min(out));
        });
        packed
    }

    /// Creates a matrix with zeros in all of its lists.
    pub(super) fn zeroed(format: BlockFormat, out: usize, columns: usize) -> Self {
        let panels = out.div_ceil(PANEL);
        let (blocks, groups) = (columns / format.block_columns, columns / format.group_columns);
        let has_sub_scales = format.groups_per_block() > 1;
        let entries = |exists: bool, per_row: usize| if exists { panels * per_row * PANEL } else { 0 };
        Self {
            out,
            columns,
            format,
            quants: LineBuffer::zeroed(panels * groups * format.group_lines()),
            scales: vec![f16::ZERO; entries(true, blocks)],
            mins: vec![f16::ZERO; entries(format.has_mins, blocks)],
            sub_scales: vec![0; entries(has_sub_scales, groups)],
            sub_mins: vec![0; entries(has_sub_scales && format.has_mins, groups)],
        }
    }

    /// Number of bytes that a product reads.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.quants[..])
            + size_of_val(&self.scales[..])
            + size_of_val(&self.mins[..])
            + size_of_val(&self.sub_scales[..])
            + size_of_val(&self.sub_mins[..])
    }

    /// Number of panels.
    pub(crate) fn panels(&self) -> usize {
        self.out.div_ceil(PANEL)
    }

    fn group_count(&self) -> usize {
        self.columns / self.format.group_columns
    }

    fn block_count(&self) -> usize {
        self.columns / self.format.block_columns
    }

    /// Lines per panel.
    fn panel_lines(&self) -> usize {
        self.group_count() * self.format.group_lines()
    }

    /// Buffers of each panel, to be filled.
    pub(super) fn panel_buffers(&mut self) -> Vec<PanelBuffers<'_>> {
        let (panels, lines) = (self.panels(), self.panel_lines());
        let (block_entries, group_entries) = (self.block_count() * PANEL, self.group_count() * PANEL);
        let mut scales = self.scales.chunks_exact_mut(block_entries);
        let mut mins = self.mins.chunks_exact_mut(block_entries);
        let mut sub_scales = self.sub_scales.chunks_exact_mut(group_entries);
        let mut sub_mins = self.sub_mins.chunks_exact_mut(group_entries);
        let mut buffers = Vec::with_capacity(panels);
        for lines in self.quants.chunks_exact_mut(lines) {
            buffers.push(PanelBuffers {
                quants: bytes_mut(lines),
                scales: scales.next().unwrap_or_default(),
                mins: mins.next().unwrap_or_default(),
                sub_scales: sub_scales.next().unwrap_or_default(),
                sub_mins: sub_mins.next().unwrap_or_default(),
            });
        }
        assert_eq!(buffers.len(), panels);
        buffers
    }

    /// Panel `index` as a microkernel takes it.
    pub(super) fn panel(&self, index: usize) -> Panel {
        let (first_block, first_group) = (index * self.block_count() * PANEL, index * self.group_count() * PANEL);
        Panel {
            quants: self.quants[index * self.panel_lines()..].as_ptr().cast(),
            low_nibbles: std::ptr::null(),
            scales: pointer_or_null(&self.scales, first_block),
            mins: pointer_or_null(&self.mins, first_block),
            sub_scales: pointer_or_null(&self.sub_scales, first_group),
            sub_mins: pointer_or_null(&self.sub_mins, first_group),
            blocks: self.block_count(),
            groups_per_block: self.format.groups_per_block(),
            zero_point: self.format.zero_point,
            offset: self.format.offset,
        }
    }

    /// Dequantises row `output` of the matrix.
    pub(crate) fn row(&self, output: usize, values: &mut [f32]) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let format = &self.format;
        for (column, value) in values.iter_mut().enumerate() {
            let block = (panel * self.block_count() + column / format.block_columns) * PANEL + lane;
            let group = (panel * self.group_count() + column / format.group_columns) * PANEL + lane;
            let sub_scale = self.sub_scales.get(group).copied().unwrap_or(1);
            let (quant, scale) = self.quant_and_scale(output, column);
            *value = scale * f32::from(sub_scale) * (f32::from(quant) - f32::from(format.zero_point));
            if format.has_mins {
                let sub_min = self.sub_mins.get(group).copied().unwrap_or(1);
                *value += self.mins[block].to_f32() * f32::from(sub_min);
            }
        }
    }

    /// Quant at `column` of row `output`, and the scale of its block.
    pub(super) fn quant_and_scale(&self, output: usize, column: usize) -> (u8, f32) {
        let ((panel, lane), format) = ((output / PANEL, output % PANEL), &self.format);
        let (group, block) = (column / format.group_columns, column / format.block_columns);
        let lines = &self.quants[panel * self.panel_lines() + group * format.group_lines()..][..format.group_lines()];
        let (vector, byte) = (column % format.group_columns / 4, lane * 4 + column % 4);
        let quant = layout::load_quant(bytes(lines), format.group_columns, format.bits, vector, byte);
        (quant, self.scales[(panel * self.block_count() + block) * PANEL + lane].to_f32())
    }

    /// Computes a part of a product and passes each result to `sink`: row, first output, up to 16 values.
    pub(crate) fn multiply(
        &self,
        part: PartialProduct,
        grouped: &mut GroupedActivations,
        sink: impl FnMut(usize, usize, &[f32]),
    ) {
        let x = grouped.rows(self.format.zero_point, self.format.group_columns, part.inputs);
        let microkernels = part.kernels.microkernels(&self.format);
        part.multiply_tiles(self.out, microkernels, x, |index| self.panel(index), &mut grouped.unpacked, sink);
    }
}

/// Pointer to entry `index`; null if there is none.
fn pointer_or_null<T>(entries: &[T], index: usize) -> *const T {
    match entries.get(index..) {
        None | Some([]) => std::ptr::null(),
        Some(rest) => rest.as_ptr(),
    }
}

/// Views lines as bytes.
pub(super) fn bytes(lines: &[Line]) -> &[u8] {
    // SAFETY: a line is 64 bytes without padding.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LINE_BYTES) }
}

/// Views lines as mutable bytes.
pub(super) fn bytes_mut(lines: &mut [Line]) -> &mut [u8] {
    // SAFETY: a line is 64 bytes without padding, and any bytes are one.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LINE_BYTES) }
}

/// Buffers of one panel. Lists that the format does not have are empty.
pub(super) struct PanelBuffers<'a> {
    pub(super) quants: &'a mut [u8],
    pub(super) scales: &'a mut [f16],
    mins: &'a mut [f16],
    sub_scales: &'a mut [i8],
    sub_mins: &'a mut [u8],
}

impl PanelBuffers<'_> {
    /// Packs `outputs`, at most 16, from the blocks in `bytes`.
    fn write(&mut self, format: &BlockFormat, bytes: &[u8], columns: usize, outputs: Range<usize>) {
        let row_bytes = columns / format.block_columns * format.block_bytes;
        for (lane, output) in outputs.enumerate() {
            let row = &bytes[output * row_bytes..][..row_bytes];
            for index in 0..columns / 32 {
                self.write_columns(format, lane, index, &format.unpack_columns(row, index));
            }
        }
    }

    /// Packs 32 columns of the output in `lane`.
    fn write_columns(&mut self, format: &BlockFormat, lane: usize, index: usize, columns: &UnpackedColumns) {
        let block = index * 32 / format.block_columns * PANEL + lane;
        self.scales[block] = columns.scale;
        if let Some(min) = self.mins.get_mut(block) {
            *min = columns.min;
        }
        for (part, quants) in columns.quants.chunks_exact(format.group_columns).enumerate() {
            let group = index * 32 / format.group_columns + part;
            if let Some(sub_scale) = self.sub_scales.get_mut(group * PANEL + lane) {
                *sub_scale = columns.sub_scales[part];
            }
            if let Some(sub_min) = self.sub_mins.get_mut(group * PANEL + lane) {
                *sub_min = columns.sub_mins[part];
            }
            let group_bytes = format.group_lines() * LINE_BYTES;
            let lines = &mut self.quants[group * group_bytes..][..group_bytes];
            for (i, quant) in quants.iter().enumerate() {
                layout::store_quant(lines, format.group_columns, format.bits, i / 4, lane * 4 + i % 4, *quant);
            }
        }
    }
}
