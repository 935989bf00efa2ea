//! Quantised matrices, repacked once at load so that every shape takes the fast path: see [`layout`](super::layout).
//!
//! Numbers keep the bits and scales the precision of the file, so nothing is quantised anew and a matrix takes about the memory that
//! it takes there.

use std::ops::Range;

use half::f16;
use rayon::prelude::*;

use super::Kernels;
use super::block_format::{Columns, Format};
use super::activations::{Activations, GroupedActivations};
use super::layout::{self, LINE};
use super::memory::{Line, Lines};
use super::product::{MANY, Panel, Products, Rows, TILE};
use super::simd::PANEL;

/// A part of a product of inputs with a matrix.
pub(crate) struct Part<'a> {
    pub(super) kernels: &'a Kernels,
    /// Of the inputs.
    pub(super) rows: Range<usize>,
    /// Of 16 outputs of the matrix.
    pub(super) panels: Range<usize>,
    pub(super) inputs: &'a Activations,
}

impl<'a> Part<'a> {
    pub(crate) fn new(kernels: &'a Kernels, rows: Range<usize>, panels: Range<usize>, inputs: &'a Activations) -> Self {
        Self { kernels, rows, panels, inputs }
    }

    /// Multiplies tile by tile. The matrix has `out` outputs and gives each of its panels; `x` are the inputs as products take them;
    /// `wide` is scratch.
    pub(super) fn work_out(
        &self,
        out: usize,
        products: Products,
        x: Rows,
        panel: impl Fn(usize) -> Panel,
        wide: &mut Vec<Line>,
        mut take: impl FnMut(usize, usize, &[f32]),
    ) {
        let mut result = [[0f32; PANEL]; TILE];
        let widens = products.wide.filter(|_| self.rows.len() >= MANY);
        if widens.is_some() && wide.len() < x.columns / 4 {
            wide.resize(x.columns / 4, Line([0; LINE]));
        }
        let product = widens.map_or(products.product, |(_, product)| product);
        for index in self.panels.clone() {
            let mut panel = panel(index);
            if let Some((widen, _)) = widens {
                // SAFETY: the set is here; the panel is whole, and there is a line for every four columns.
                unsafe { widen(panel, wide.as_mut_ptr().cast()) };
                panel.numbers = wide.as_ptr().cast();
            }
            for row in self.rows.clone().step_by(TILE) {
                let tile = &mut result[..(self.rows.end - row).min(TILE)];
                // SAFETY: the set is here; panel and rows are whole.
                unsafe { product(panel, x, row, tile) };
                let lanes = PANEL.min(out - index * PANEL);
                for (i, result) in tile.iter().enumerate() {
                    // Nearly all panels are full, and what is done with 16 values is done at once.
                    match lanes {
                        PANEL => take(row + i, index * PANEL, &result[..]),
                        lanes => take(row + i, index * PANEL, &result[..lanes]),
                    }
                }
            }
        }
    }
}

/// Copies what a product gives of a panel. Nearly all panels are whole, and 16 values are copied without a call.
///
/// # Panics
/// Panics where the lengths differ.
#[inline]
pub(crate) fn copy_results(to: &mut [f32], results: &[f32]) {
    match (<&mut [f32; PANEL]>::try_from(&mut *to), <&[f32; PANEL]>::try_from(results)) {
        (Ok(to), Ok(results)) => *to = *results,
        _ => to.copy_from_slice(results),
    }
}

/// A quantised matrix `[out, in]`.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) out: usize,
    pub(crate) columns: usize,
    pub(crate) format: Format,
    numbers: Lines,
    /// `[panels, blocks, 16]`
    scales: Vec<f16>,
    /// `[panels, blocks, 16]`, if the format has minima.
    minima: Vec<f16>,
    /// `[panels, spans, 16]`, if a block has several spans.
    factors: Vec<i8>,
    minimum_factors: Vec<u8>,
}

impl Packed {
    /// From the blocks of a file, row after row. `columns` must be a multiple of the format's block; `bytes` must hold the
    /// whole matrix.
    pub(crate) fn new(format: Format, out: usize, columns: usize, bytes: &[u8]) -> Self {
        let mut packed = Self::zeroed(format, out, columns);
        packed.parts().into_par_iter().enumerate().for_each(|(panel, mut parts)| {
            parts.write(&format, bytes, columns, panel * PANEL..((panel + 1) * PANEL).min(out));
        });
        packed
    }

    /// With zero in all of its lists.
    pub(super) fn zeroed(format: Format, out: usize, columns: usize) -> Self {
        let panels = out.div_ceil(PANEL);
        let (blocks, spans) = (columns / format.columns, columns / format.span);
        let several = format.spans() > 1;
        let when = |yes: bool, count: usize| if yes { panels * count * PANEL } else { 0 };
        Self {
            out,
            columns,
            format,
            numbers: Lines::zeroed(panels * spans * format.lines()),
            scales: vec![f16::ZERO; when(true, blocks)],
            minima: vec![f16::ZERO; when(format.minima, blocks)],
            factors: vec![0; when(several, spans)],
            minimum_factors: vec![0; when(several && format.minima, spans)],
        }
    }

    /// Bytes that a product reads.
    pub(crate) fn bytes(&self) -> usize {
        let halves = self.scales.len() + self.minima.len();
        self.numbers.len() * LINE + halves * size_of::<f16>() + self.factors.len() + self.minimum_factors.len()
    }

    pub(crate) fn panels(&self) -> usize {
        self.out.div_ceil(PANEL)
    }

    fn spans(&self) -> usize {
        self.columns / self.format.span
    }

    fn blocks(&self) -> usize {
        self.columns / self.format.columns
    }

    /// Lines of a panel.
    fn lines(&self) -> usize {
        self.spans() * self.format.lines()
    }

    /// What belongs to each panel, to be filled.
    pub(super) fn parts(&mut self) -> Vec<Parts<'_>> {
        let (panels, lines) = (self.panels(), self.lines());
        let (blocks, spans) = (self.blocks() * PANEL, self.spans() * PANEL);
        let mut scales = self.scales.chunks_exact_mut(blocks);
        let mut minima = self.minima.chunks_exact_mut(blocks);
        let mut factors = self.factors.chunks_exact_mut(spans);
        let mut minimum_factors = self.minimum_factors.chunks_exact_mut(spans);
        let parts = self.numbers.chunks_exact_mut(lines).map(|numbers| Parts {
            numbers: bytes_mut(numbers),
            scales: scales.next().unwrap_or_default(),
            minima: minima.next().unwrap_or_default(),
            factors: factors.next().unwrap_or_default(),
            minimum_factors: minimum_factors.next().unwrap_or_default(),
        });
        let parts: Vec<_> = parts.collect();
        assert_eq!(parts.len(), panels);
        parts
    }

    /// Panel `panel` as a kernel sees it.
    pub(super) fn panel(&self, panel: usize) -> Panel {
        let (blocks, spans) = (panel * self.blocks() * PANEL, panel * self.spans() * PANEL);
        Panel {
            numbers: self.numbers[panel * self.lines()..].as_ptr().cast(),
            lower: std::ptr::null(),
            scales: pointer(&self.scales, blocks),
            minima: pointer(&self.minima, blocks),
            factors: pointer(&self.factors, spans),
            minimum_factors: pointer(&self.minimum_factors, spans),
            blocks: self.blocks(),
            spans: self.format.spans(),
            zero: self.format.zero,
            more: self.format.more,
        }
    }

    /// Row `output` of the matrix, as floats.
    pub(crate) fn row(&self, output: usize, values: &mut [f32]) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let format = &self.format;
        for (column, value) in values.iter_mut().enumerate() {
            let (span, block) = (column / format.span, column / format.columns);
            let at = |count: usize, index: usize| (panel * count + index) * PANEL + lane;
            let factor = self.factors.get(at(self.spans(), span)).copied().unwrap_or(1);
            let (number, scale) = self.number(output, column);
            *value = scale * f32::from(factor) * (f32::from(number) - f32::from(format.zero));
            if format.minima {
                let factor = self.minimum_factors.get(at(self.spans(), span)).copied().unwrap_or(1);
                *value += self.minima[at(self.blocks(), block)].to_f32() * f32::from(factor);
            }
        }
    }

    /// The number at `column` of row `output`, and the scale of its block.
    pub(super) fn number(&self, output: usize, column: usize) -> (u8, f32) {
        let ((panel, lane), format) = ((output / PANEL, output % PANEL), &self.format);
        let (span, block) = (column / format.span, column / format.columns);
        let lines = &self.numbers[panel * self.lines() + span * format.lines()..][..format.lines()];
        let (index, byte) = (column % format.span / 4, lane * 4 + column % 4);
        let number = layout::number(bytes(lines), format.span, format.bits, index, byte);
        (number, self.scales[(panel * self.blocks() + block) * PANEL + lane].to_f32())
    }

    /// Works out a part of a product and hands every result to `take`: row, first output, up to 16 values.
    pub(crate) fn multiply(&self, part: Part, prepared: &mut GroupedActivations, take: impl FnMut(usize, usize, &[f32])) {
        let x = prepared.rows(self.format.zero, self.format.span, part.inputs);
        let products = part.kernels.products(&self.format);
        part.work_out(self.out, products, x, |panel| self.panel(panel), &mut prepared.wide, take);
    }
}

/// Where entry `at` lies; null in an empty list.
fn pointer<T>(all: &[T], at: usize) -> *const T {
    all.get(at..).filter(|it| !it.is_empty()).map_or(std::ptr::null(), <[T]>::as_ptr)
}

pub(super) fn bytes(lines: &[Line]) -> &[u8] {
    // SAFETY: a line is 64 bytes without padding.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LINE) }
}

pub(super) fn bytes_mut(lines: &mut [Line]) -> &mut [u8] {
    // SAFETY: a line is 64 bytes without padding, and any bytes are one.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LINE) }
}

/// What belongs to one panel; what a format does not have is empty.
pub(super) struct Parts<'a> {
    pub(super) numbers: &'a mut [u8],
    pub(super) scales: &'a mut [f16],
    minima: &'a mut [f16],
    factors: &'a mut [i8],
    minimum_factors: &'a mut [u8],
}

impl Parts<'_> {
    /// Fills in `outputs`, at most 16, from the blocks in `bytes`.
    fn write(&mut self, format: &Format, bytes: &[u8], columns: usize, outputs: Range<usize>) {
        let row_bytes = columns / format.columns * format.bytes;
        for (lane, output) in outputs.enumerate() {
            let row = &bytes[output * row_bytes..][..row_bytes];
            for index in 0..columns / 32 {
                self.write_columns(format, lane, index, &format.columns(row, index));
            }
        }
    }

    /// Fills in 32 columns of the output in `lane`.
    fn write_columns(&mut self, format: &Format, lane: usize, index: usize, columns: &Columns) {
        let block = index * 32 / format.columns * PANEL + lane;
        self.scales[block] = columns.scale;
        if let Some(minimum) = self.minima.get_mut(block) {
            *minimum = columns.minimum;
        }
        for (part, numbers) in columns.numbers.chunks_exact(format.span).enumerate() {
            let span = index * 32 / format.span + part;
            if let Some(factor) = self.factors.get_mut(span * PANEL + lane) {
                *factor = columns.factor[part];
            }
            if let Some(factor) = self.minimum_factors.get_mut(span * PANEL + lane) {
                *factor = columns.minimum_factor[part];
            }
            let lines = &mut self.numbers[span * format.lines() * LINE..][..format.lines() * LINE];
            for (i, number) in numbers.iter().enumerate() {
                layout::put(lines, format.span, format.bits, i / 4, lane * 4 + i % 4, *number);
            }
        }
    }
}
