//! The KV cache of a sequence, and attention over it.
//!
//! A step writes its rows behind the cache's committed length; they count only once they are
//! [committed](KvCache::commit), so an aborted step leaves nothing to undo. An aborted step keeps the keys and values
//! that it computed as a [`PartialStep`], and the next step over the same tokens resumes at that layer.

use std::ops::Range;

use candle_core::{Device, Result, Tensor};
use half::f16;

use crate::attend::Attend;
use crate::config::Config;
use crate::kernels::attention::{BLOCK_POSITIONS, KvHead, MAX_QUERY_HEADS, PartialAttention};
use crate::kernels::memory::F16Buffer;
use crate::kernels::pool::pool;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;
use crate::kernels::{Kernels, kernels};

/// Granularity of a cache's capacity, in positions; a multiple of [`PANEL`].
const GROWTH_POSITIONS: usize = 256;

/// The KV cache of one sequence, in 16-bit floats: for each layer and KV head, keys as `[capacity / 16][dim][16]` and
/// values as `[capacity][dim]`.
pub(crate) struct KvCache {
    /// All layers, one after the other; in each, the keys before the values.
    memory: F16Buffer,
    layers: usize,
    kv_heads: usize,
    dim: usize,
    /// Positions that the memory has room for.
    capacity: usize,
    /// Committed positions.
    length: usize,
    partial_step: Option<PartialStep>,
}

/// The state of an aborted step over tokens behind the committed length. Their keys and values are in the cache, up to
/// the layer that the step reached.
#[derive(Default)]
pub(crate) struct PartialStep {
    pub(crate) tokens: Vec<u32>,
    /// Number of layers that each token has passed.
    pub(crate) layers: Vec<usize>,
    /// The residual stream after these layers, `[tokens, hidden]`.
    pub(crate) x: Vec<f32>,
}

/// Returns the length of the longest common prefix of two token sequences.
pub(crate) fn common_prefix_len(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl KvCache {
    /// An empty cache for a model of this shape.
    pub(crate) fn new(config: &Config) -> Self {
        let Config { layers, kv_heads, head_dim: dim, .. } = *config;
        Self { memory: F16Buffer::zeroed(0), layers, kv_heads, dim, capacity: 0, length: 0, partial_step: None }
    }

    /// Size of one position in a model of this shape, in bytes.
    pub(crate) fn bytes_per_position(config: &Config) -> usize {
        config.layers * 2 * config.kv_heads * config.head_dim * size_of::<f16>()
    }

    /// Size in memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let partial_step = self.partial_step.as_ref().map_or(0, |partial| size_of_val(&partial.x[..]));
        self.layers * 2 * self.layer_elements() * size_of::<f16>() + partial_step
    }

    /// Number of elements of the keys, or of the values, of one layer.
    fn layer_elements(&self) -> usize {
        self.kv_heads * self.capacity * self.dim
    }

    /// Offsets of the keys and of the values of one KV head in the memory.
    fn head_offsets(&self, layer: usize, head: usize) -> (usize, usize) {
        let keys = layer * 2 * self.layer_elements() + head * self.capacity * self.dim;
        (keys, keys + self.layer_elements())
    }

    /// Number of committed positions.
    #[cfg(test)]
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Discards all positions from `length` on, and a partial step if that shortens the cache.
    pub(crate) fn truncate(&mut self, length: usize) {
        if length < self.length {
            (self.length, self.partial_step) = (length, None);
        }
    }

    /// The state of an aborted step behind the committed length, if there is one.
    pub(crate) fn partial_step(&self) -> Option<&PartialStep> {
        self.partial_step.as_ref()
    }

    /// Removes and returns the partial step. A new step calls this before it writes to the same rows.
    pub(crate) fn take_partial(&mut self) -> Option<PartialStep> {
        self.partial_step.take()
    }

    /// Saves the state of an aborted step, for a later step to resume.
    pub(crate) fn save_partial(&mut self, partial: PartialStep) {
        self.partial_step = Some(partial);
    }

    /// Copies the first `length` positions, or all if there are fewer, into a new cache.
    pub(crate) fn fork(&self, length: usize) -> Self {
        let length = length.min(self.length);
        self.copy(length.next_multiple_of(GROWTH_POSITIONS), length, length)
    }

    /// Reserves room for `rows` positions behind the committed length.
    pub(crate) fn reserve(&mut self, rows: usize) {
        let needed = self.length + rows;
        if needed > self.capacity {
            let partial_step = self.partial_step.take();
            let written = self.length + partial_step.as_ref().map_or(0, |partial| partial.tokens.len());
            let capacity = needed.max(written).next_multiple_of(GROWTH_POSITIONS);
            *self = Self { partial_step, ..self.copy(capacity, self.length, written) };
        }
    }

    /// Commits the first `rows` positions that the last step wrote.
    pub(crate) fn commit(&mut self, rows: usize) {
        self.length += rows;
        self.partial_step = None;
        assert!(self.length <= self.capacity, "committed rows were not reserved");
    }

    /// Copies the first `written` positions, of which `length` are committed, into a cache of this capacity.
    fn copy(&self, capacity: usize, length: usize, written: usize) -> Self {
        let Self { layers, kv_heads, dim, .. } = *self;
        let memory = F16Buffer::zeroed(layers * 2 * kv_heads * capacity * dim);
        let copy = Self { memory, layers, kv_heads, dim, capacity, length, partial_step: None };
        let size = written.next_multiple_of(PANEL).min(self.capacity) * self.dim;
        for (layer, head) in (0..self.layers).flat_map(|layer| (0..self.kv_heads).map(move |head| (layer, head))) {
            let ((from_keys, from_values), (keys, values)) =
                (self.head_offsets(layer, head), copy.head_offsets(layer, head));
            for (from, to) in [(from_keys, keys), (from_values, values)] {
                // SAFETY: the copy is not shared yet, and only a step that borrows this cache mutably writes to it.
                unsafe {
                    copy.memory.slice_mut(to..to + size).copy_from_slice(self.memory.slice(from..from + size));
                }
            }
        }
        copy
    }

    /// Writes the key and the value, `[kv_heads, dim]` each, of row `row` behind the committed length.
    ///
    /// # Safety
    /// No other thread may access the row during the call, and room for it must have been [reserved](Self::reserve).
    pub(crate) unsafe fn write(&self, kernels: &Kernels, layer: usize, row: usize, k: &[f32], v: &[f32]) {
        let (dim, position) = (self.dim, self.length + row);
        for (head, (k, v)) in k.chunks_exact(dim).zip(v.chunks_exact(dim)).enumerate() {
            let (keys, values) = self.head_offsets(layer, head);
            let panel = keys + position / PANEL * PANEL * dim + position % PANEL;
            for (i, k) in k.chunks(PANEL).enumerate() {
                let mut halves = [f16::ZERO; PANEL];
                // SAFETY: the CPU supports the kernels in use; the row is this thread's by contract.
                unsafe {
                    (kernels.to_f16)(k, &mut halves[..k.len()]);
                    for (d, half) in halves[..k.len()].iter().enumerate() {
                        let at = panel + (i * PANEL + d) * PANEL;
                        self.memory.slice_mut(at..at + 1)[0] = *half;
                    }
                }
            }
            let at = values + position * dim;
            // SAFETY: as above.
            unsafe { (kernels.to_f16)(v, self.memory.slice_mut(at..at + dim)) };
        }
    }

    /// The keys and values of one KV head.
    ///
    /// # Safety
    /// No thread may write the positions that are read through the view.
    unsafe fn head_view(&self, layer: usize, head: usize) -> KvHead {
        let size = self.capacity * self.dim;
        let (keys, values) = self.head_offsets(layer, head);
        // SAFETY: guaranteed by the caller.
        let [keys, values] = [keys, values].map(|at| unsafe { self.memory.slice(at..at + size) }.as_ptr());
        KvHead { keys, values, dim: self.dim, scale: 1.0 / (self.dim as f32).sqrt() }
    }

    /// Computes the attention of some query heads of row `row` behind the committed length, over one block of the
    /// positions that the row sees. `q` is `[heads, dim]`, with at most `MAX_QUERY_HEADS` heads, all of one KV head.
    ///
    /// # Safety
    /// No thread may write these positions during the call.
    #[expect(clippy::too_many_arguments, reason = "heads, row and block select one piece of the attention")]
    pub(crate) unsafe fn attend_block(
        &self,
        kernels: &Kernels,
        layer: usize,
        kv_head: usize,
        row: usize,
        block: usize,
        q: &[f32],
        scores: &mut Vec<f32>,
        out: &mut PartialAttention,
    ) {
        let visible = self.length + row + 1;
        let positions = block * BLOCK_POSITIONS..visible.min((block + 1) * BLOCK_POSITIONS);
        // SAFETY: guaranteed by the caller; panels of positions below the capacity are complete.
        unsafe { (kernels.attend_block)(q, self.head_view(layer, kv_head), positions, scores, out) }
    }

    /// Number of blocks of positions that row `row` behind the committed length sees.
    pub(crate) fn block_count(&self, row: usize) -> usize {
        (self.length + row + 1).div_ceil(BLOCK_POSITIONS)
    }

    /// The groups of query heads, of `heads` in all, that are computed together: the KV head and the range of each.
    pub(crate) fn head_groups(&self, heads: usize) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let (kv_heads, shared) = (self.kv_heads, heads / self.kv_heads);
        (0..kv_heads).flat_map(move |kv_head| {
            let all = kv_head * shared..(kv_head + 1) * shared;
            all.clone()
                .step_by(MAX_QUERY_HEADS)
                .map(move |first| (kv_head, first..all.end.min(first + MAX_QUERY_HEADS)))
        })
    }
}

/// Scratch memory of one thread for attention.
pub(crate) struct AttentionScratch {
    pub(crate) scores: Vec<f32>,
    /// Result over the blocks so far.
    pub(crate) total: PartialAttention,
    /// Result over one block.
    pub(crate) block: PartialAttention,
}

impl AttentionScratch {
    /// Scratch for heads of this width.
    pub(crate) fn new(dim: usize) -> Self {
        Self {
            scores: Vec::with_capacity(MAX_QUERY_HEADS * BLOCK_POSITIONS),
            total: PartialAttention::new(dim),
            block: PartialAttention::new(dim),
        }
    }

    /// Computes the attention of some query heads of a row over all blocks, into `attended`, `[heads, dim]`.
    ///
    /// # Safety
    /// No thread may write the positions that the row sees during the call.
    #[expect(clippy::too_many_arguments, reason = "heads and row select one piece of the attention")]
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
            // SAFETY: guaranteed by the caller.
            unsafe { cache.attend_block(kernels, layer, kv_head, row, block, q, &mut self.scores, out) };
            if block > 0 {
                self.total.merge(&self.block, q.len() / cache.dim, cache.dim);
            }
        }
        self.total.finish(cache.dim, attended);
    }
}

/// The KV side of a batch: the caches of its spans, in the order of the batch's rows.
pub(crate) struct KvBatch<'a> {
    /// The cache of each span, with room reserved, and its number of rows.
    pub(crate) spans: Vec<(&'a mut KvCache, usize)>,
    /// Number of query heads of the model.
    pub(crate) heads: usize,
    /// Runs the step on one CPU thread instead of all of them.
    pub(crate) single_threaded: bool,
    /// Set by the step if it resumed a partial one, and so took less time than its rows suggest.
    pub(crate) resumed: bool,
}

impl<'a> KvBatch<'a> {
    /// A batch that runs on all threads.
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
        let spans = self.spans.iter();
        let caches: Vec<(&KvCache, usize)> =
            spans.flat_map(|(cache, rows)| (0..*rows).map(|row| (&**cache, row))).collect();
        for (i, (cache, row)) in caches.iter().enumerate() {
            // SAFETY: no other thread is running yet, and reads follow later.
            unsafe {
                cache.write(kernels(), layer, *row, &k[i * width..(i + 1) * width], &v[i * width..(i + 1) * width])
            };
        }
        let mut out = SharedBuffer::default();
        out.reserve(rows * heads * dim);
        pool().run_ranges(rows, &|range| {
            let mut scratch = AttentionScratch::new(dim);
            for i in range {
                let (cache, row) = caches[i];
                for (kv_head, group) in cache.head_groups(self.heads) {
                    let at = (i * heads + group.start) * dim..(i * heads + group.end) * dim;
                    // SAFETY: all rows have been written, and each thread writes only its own rows of `out`.
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
