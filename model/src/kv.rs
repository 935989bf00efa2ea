//! Keys and values of the tokens that a sequence has seen, and attention over them.
//!
//! A cache belongs to one sequence. Rows of a step are written behind its length and count only once they are
//! [committed](KvCache::commit), so a step that is broken off leaves nothing to undo. What it had worked out stays as
//! [`Begun`], and a step over the same tokens goes on from there.

use std::ops::Range;

use candle_core::{Device, Result, Tensor};
use half::f16;

use crate::attend::Attend;
use crate::config::Config;
use crate::kernels::attention::{BLOCK, HEADS, Keys, Partial};
use crate::kernels::memory::F16Buffer;
use crate::kernels::pool::pool;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;
use crate::kernels::{Kernels, kernels};

/// Positions by which a cache grows at least; a multiple of [`PANEL`].
const GROWTH_POSITIONS: usize = 256;

/// The cache of one sequence, 16-bit: for each layer and key head, keys as `[capacity / 16][dim][16]` and values as
/// `[capacity][dim]`.
pub(crate) struct KvCache {
    /// Layer after layer, keys before values.
    memory: F16Buffer,
    layers: usize,
    kv_heads: usize,
    dim: usize,
    capacity: usize,
    length: usize,
    partial_step: Option<PartialStep>,
}

/// What a step that was broken off worked out for tokens behind the length: their keys and values are in the cache, layer by
/// layer as far as it came.
#[derive(Default)]
pub(crate) struct PartialStep {
    pub(crate) tokens: Vec<u32>,
    /// Layers that each of them went through.
    pub(crate) layers: Vec<usize>,
    /// The residual stream behind these, `[tokens, hidden]`.
    pub(crate) x: Vec<f32>,
}

/// How many tokens two sequences begin with in common.
pub(crate) fn common_prefix_len(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl KvCache {
    /// An empty cache for a model of this shape.
    pub(crate) fn new(config: &Config) -> Self {
        let Config { layers, kv_heads, head_dim: dim, .. } = *config;
        Self { memory: F16Buffer::zeroed(0), layers, kv_heads, dim, capacity: 0, length: 0, partial_step: None }
    }

    /// Bytes that one position takes in a model of this shape.
    pub(crate) fn bytes_per_position(config: &Config) -> usize {
        config.layers * 2 * config.kv_heads * config.head_dim * size_of::<f16>()
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let begun = self.partial_step.as_ref().map_or(0, |begun| size_of_val(&begun.x[..]));
        self.layers * 2 * self.layer_elements() * size_of::<f16>() + begun
    }

    /// Numbers that keys or values of a layer take.
    fn layer_elements(&self) -> usize {
        self.kv_heads * self.capacity * self.dim
    }

    /// Where the numbers of a key head lie: its keys, and its values.
    fn head_offsets(&self, layer: usize, head: usize) -> (usize, usize) {
        let keys = layer * 2 * self.layer_elements() + head * self.capacity * self.dim;
        (keys, keys + self.layer_elements())
    }

    /// Positions that count.
    #[cfg(test)]
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Forgets everything from `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        if length < self.length {
            (self.length, self.partial_step) = (length, None);
        }
    }

    /// What a step that was broken off left for tokens behind the length.
    pub(crate) fn partial_step(&self) -> Option<&PartialStep> {
        self.partial_step.as_ref()
    }

    /// Takes that out: a step over these rows begins, and writes there.
    pub(crate) fn take_partial(&mut self) -> Option<PartialStep> {
        self.partial_step.take()
    }

    /// A step over these tokens behind the length was broken off.
    pub(crate) fn save_partial(&mut self, begun: PartialStep) {
        self.partial_step = Some(begun);
    }

    /// A cache of its own with the first `length` positions.
    pub(crate) fn fork(&self, length: usize) -> Self {
        let length = length.min(self.length);
        self.copy(length.next_multiple_of(GROWTH_POSITIONS), length, length)
    }

    /// Makes room for `rows` more positions.
    pub(crate) fn reserve(&mut self, rows: usize) {
        let needed = self.length + rows;
        if needed > self.capacity {
            let begun = self.partial_step.take();
            let written = self.length + begun.as_ref().map_or(0, |begun| begun.tokens.len());
            *self = Self {
                partial_step: begun,
                ..self.copy(needed.max(written).next_multiple_of(GROWTH_POSITIONS), self.length, written)
            };
        }
    }

    /// Counts the `rows` positions that the last step wrote.
    pub(crate) fn commit(&mut self, rows: usize) {
        self.length += rows;
        self.partial_step = None;
        assert!(self.length <= self.capacity, "rows without room");
    }

    /// The first `written` positions, of which `length` count, in a cache of another capacity.
    fn copy(&self, capacity: usize, length: usize, written: usize) -> Self {
        let Self { layers, kv_heads, dim, .. } = *self;
        let memory = F16Buffer::zeroed(layers * 2 * kv_heads * capacity * dim);
        let copy = Self { memory, layers, kv_heads, dim, capacity, length, partial_step: None };
        let size = written.next_multiple_of(PANEL).min(self.capacity) * self.dim;
        for (layer, head) in (0..self.layers).flat_map(|layer| (0..self.kv_heads).map(move |head| (layer, head))) {
            let ((from_keys, from_values), (keys, values)) =
                (self.head_offsets(layer, head), copy.head_offsets(layer, head));
            for (from, to) in [(from_keys, keys), (from_values, values)] {
                // SAFETY: nobody else has the copy, and a cache is written only by the step that holds it.
                unsafe {
                    copy.memory.slice_mut(to..to + size).copy_from_slice(self.memory.slice(from..from + size));
                }
            }
        }
        copy
    }

    /// Writes key and value, `[kv_heads, dim]` each, of the row that lies `row` behind the length.
    ///
    /// # Safety
    /// Nobody else may use this row meanwhile, and room for it has been [reserved](Self::reserve).
    pub(crate) unsafe fn write(&self, kernels: &Kernels, layer: usize, row: usize, k: &[f32], v: &[f32]) {
        let (dim, position) = (self.dim, self.length + row);
        for (head, (k, v)) in k.chunks_exact(dim).zip(v.chunks_exact(dim)).enumerate() {
            let (keys, values) = self.head_offsets(layer, head);
            let panel = keys + position / PANEL * PANEL * dim + position % PANEL;
            for (i, k) in k.chunks(PANEL).enumerate() {
                let mut halves = [f16::ZERO; PANEL];
                // SAFETY: the kernels are those of a set that is here; the places by contract.
                unsafe {
                    (kernels.to_halves)(k, &mut halves[..k.len()]);
                    for (d, half) in halves[..k.len()].iter().enumerate() {
                        let at = panel + (i * PANEL + d) * PANEL;
                        self.memory.slice_mut(at..at + 1)[0] = *half;
                    }
                }
            }
            let at = values + position * dim;
            // SAFETY: as above.
            unsafe { (kernels.to_halves)(v, self.memory.slice_mut(at..at + dim)) };
        }
    }

    /// Keys and values of one key head.
    ///
    /// # Safety
    /// Nobody may write the positions that are read through it.
    unsafe fn head_view(&self, layer: usize, head: usize) -> Keys {
        let size = self.capacity * self.dim;
        let (keys, values) = self.head_offsets(layer, head);
        // SAFETY: by contract.
        let [keys, values] = [keys, values].map(|at| unsafe { self.memory.slice(at..at + size) }.as_ptr());
        Keys { keys, values, dim: self.dim, scale: 1.0 / (self.dim as f32).sqrt() }
    }

    /// Query heads `heads` (at most [`HEADS`], of one key head) of the row that lies `row` behind the length, over block `block` of
    /// the positions that it sees. `q` is `[heads, dim]`.
    ///
    /// # Safety
    /// Nobody may write these positions meanwhile.
    #[expect(clippy::too_many_arguments, reason = "one place among heads, rows and blocks")]
    pub(crate) unsafe fn attend_block(
        &self,
        kernels: &Kernels,
        layer: usize,
        kv_head: usize,
        row: usize,
        block: usize,
        q: &[f32],
        scores: &mut Vec<f32>,
        out: &mut Partial,
    ) {
        let seen = self.length + row + 1;
        let positions = block * BLOCK..seen.min((block + 1) * BLOCK);
        // SAFETY: by contract; the panels of positions below the capacity are whole.
        unsafe { (kernels.attend_block)(q, self.head_view(layer, kv_head), positions, scores, out) }
    }

    /// Blocks of positions that the row `row` behind the length sees.
    pub(crate) fn block_count(&self, row: usize) -> usize {
        (self.length + row + 1).div_ceil(BLOCK)
    }

    /// Query heads of one key head that are worked out together, of `heads` in all.
    pub(crate) fn head_groups(&self, heads: usize) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let (kv_heads, shared) = (self.kv_heads, heads / self.kv_heads);
        (0..kv_heads).flat_map(move |kv_head| {
            let all = kv_head * shared..(kv_head + 1) * shared;
            all.clone().step_by(HEADS).map(move |first| (kv_head, first..all.end.min(first + HEADS)))
        })
    }
}

/// One thread's scratch for attention.
pub(crate) struct AttentionScratch {
    pub(crate) scores: Vec<f32>,
    pub(crate) total: Partial,
    pub(crate) block: Partial,
}

impl AttentionScratch {
    /// For heads of this width.
    pub(crate) fn new(dim: usize) -> Self {
        Self { scores: Vec::with_capacity(HEADS * BLOCK), total: Partial::new(dim), block: Partial::new(dim) }
    }

    /// All blocks of some query heads of a row, into `attended`: `[heads, dim]`.
    ///
    /// # Safety
    /// Nobody may write the row's positions meanwhile.
    #[expect(clippy::too_many_arguments, reason = "one place among heads and rows")]
    pub(crate) unsafe fn attend(
        &mut self,
        kernels: &Kernels,
        cache: &KvCache,
        layer: usize,
        kv_head: usize,
        row: usize,
        q: &[f32],
        attended: &mut [f32],
    ) {
        for block in 0..cache.block_count(row) {
            let out = if block == 0 { &mut self.total } else { &mut self.block };
            // SAFETY: by contract.
            unsafe { cache.attend_block(kernels, layer, kv_head, row, block, q, &mut self.scores, out) };
            if block > 0 {
                self.total.merge(&self.block, q.len() / cache.dim, cache.dim);
            }
        }
        self.total.finish(cache.dim, attended);
    }
}

/// Attention of one step over the caches of its spans; rows lie span after span.
pub(crate) struct KvBatch<'a> {
    /// Each span's cache, with room reserved, and its number of rows.
    pub(crate) spans: Vec<(&'a mut KvCache, usize)>,
    /// Query heads of the model.
    pub(crate) heads: usize,
    /// Whether one thread works it out on the CPU; else all do.
    pub(crate) single_threaded: bool,
    /// Whether it went on from one that was broken off, and so took less time.
    pub(crate) resumed: bool,
}

impl<'a> KvBatch<'a> {
    /// A step that all threads work out.
    pub(crate) fn new(spans: Vec<(&'a mut KvCache, usize)>, heads: usize) -> Self {
        Self { spans, heads, single_threaded: false, resumed: false }
    }
}

impl Attend for KvBatch<'_> {
    fn attend(&mut self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let device = q.device().clone();
        let (rows, heads, dim) = q.dims3()?;
        let width = k.dim(1)? * dim;
        let values = |x: &Tensor| x.flatten_all()?.to_vec1::<f32>();
        let (q, k, v) = (values(q)?, values(k)?, values(v)?);
        let caches: Vec<(&KvCache, usize)> =
            self.spans.iter().flat_map(|(cache, rows)| (0..*rows).map(|row| (&**cache, row))).collect();
        for (i, (cache, row)) in caches.iter().enumerate() {
            // SAFETY: this thread alone writes, and reads later.
            unsafe {
                cache.write(kernels(), layer, *row, &k[i * width..(i + 1) * width], &v[i * width..(i + 1) * width])
            };
        }
        let mut out = SharedBuffer::default();
        out.reserve(rows * heads * dim);
        pool().ranges(rows, &|range| {
            let mut scratch = AttentionScratch::new(dim);
            for i in range {
                let (cache, row) = caches[i];
                for (kv_head, group) in cache.head_groups(self.heads) {
                    let at = (i * heads + group.start) * dim..(i * heads + group.end) * dim;
                    // SAFETY: all rows have been written; each thread has its own rows of `out`.
                    unsafe {
                        let attended = out.slice_mut(at.clone());
                        scratch.attend(kernels(), cache, layer, kv_head, row, &q[at], attended);
                    }
                }
            }
        });
        Tensor::from_vec(out.into_vec(), (rows, heads * dim), &Device::Cpu)?.to_device(&device)
    }
}
