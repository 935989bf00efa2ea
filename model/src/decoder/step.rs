//! One step on the CPU, without tensors: all threads go through the layers together, phase by phase.
//!
//! A phase is split by rows (norms, rotary positions, quantisation) or by panels of outputs (matrix products), with a
//! barrier after each. Nothing is allocated once the scratch space has grown to the size of a step.
//!
//! A step can be aborted between two layers. What it computed stays in the KV caches as partial steps, and the next
//! step over the same tokens resumes there: rows that start at a later layer join when the others have reached it.

mod phases;

use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::Storage;

use super::logits::{Logits, VOCABULARY_SLICES};
use super::scratch::{RowOrder, RowStart, Scratch};
use super::{Decoder, ForwardError};
use crate::kernels::pool::{GroupMember, ThreadGroup, pool};
use crate::kernels::{Kernels, kernels};
use crate::kv::{KvBatch, KvCache, PartialStep};

/// Minimum number of panels of a chunk: two make a block of 32 activations of the next matrix.
const MIN_PANELS_PER_CHUNK: usize = 2;

/// Rows of a step whose logits are requested.
#[derive(Clone, Copy)]
pub(crate) struct LogitsRequest<'a> {
    /// Rows of the batch.
    pub(crate) rows: &'a [usize],
    /// Number of rows, the first ones, that need all logits.
    pub(crate) full: usize,
    /// Number of rows after these that need only the argmax and its probability. The rest keep their final hidden
    /// state, from which logits can be computed later.
    pub(crate) argmax: usize,
}

impl<'a> LogitsRequest<'a> {
    /// Requests all logits of all rows.
    pub(crate) fn all_full(rows: &'a [usize]) -> Self {
        Self { rows, full: rows.len(), argmax: 0 }
    }
}

impl Decoder {
    /// Runs one step: evaluates `tokens` at their `positions`, row after row of the spans of `step`, and writes the
    /// requested logits to `logits`.
    ///
    /// `abort` is called before each layer. After an abort or an error the committed lengths of the caches are
    /// unchanged. After an abort they hold partial steps, from which the next step over the same tokens resumes.
    ///
    /// # Errors
    /// If the input does not fit the model, `abort` returns true, or a tensor operation fails.
    pub(crate) fn step(
        &self,
        tokens: &[u32],
        positions: &[u32],
        request: LogitsRequest,
        step: &mut KvBatch,
        abort: &(dyn Fn() -> bool + Sync),
        logits: &mut Logits,
    ) -> Result<(), ForwardError> {
        if !self.device.is_cpu() {
            logits.reserve(request.rows.len(), 0, self.config.vocab_size);
            return self.step_on_device(tokens, positions, request.rows, step, abort, logits);
        }
        logits.reserve(request.full, request.argmax, self.config.vocab_size);
        logits.reserve_hidden_states(request.rows.len(), self.config.hidden_size);
        self.check(tokens, positions, request.rows)?;
        let rows: usize = step.spans.iter().map(|(_, rows)| rows).sum();
        if rows != tokens.len() {
            let message = format!("a step of {} tokens for {rows} rows of spans", tokens.len());
            return Err(candle_core::Error::msg(message).into());
        }
        let mut scratch = self.scratch.lock();
        scratch.reserve(&self.config, tokens.len(), request.rows.len());
        let mut order = std::mem::take(&mut scratch.order);
        order.fill(tokens, request.rows, step);
        self.load_residuals(tokens, positions, &order, &scratch)?;
        let pass = ForwardPass {
            decoder: self,
            kernels: kernels(),
            positions,
            spans: &step.spans,
            order: &order,
            full_rows: request.full,
            argmax_rows: request.argmax,
            scratch: &scratch,
            logits,
            aborted_layer: AtomicUsize::new(usize::MAX),
            abort,
        };
        if step.single_threaded {
            pass.run(&mut ThreadGroup::new(1).join(0));
        } else {
            let group = ThreadGroup::new(pool().threads());
            pool().run(&|thread| pass.run(&mut group.join(thread)));
        }
        let aborted_layer = pass.aborted_layer.into_inner();
        let was_aborted = aborted_layer < usize::MAX;
        if was_aborted {
            self.save_partial_steps(tokens, aborted_layer, &order, step, &scratch);
        }
        // The next step reuses its memory.
        scratch.order = order;
        if was_aborted { Err(ForwardError::Aborted) } else { Ok(()) }
    }

    /// Loads the residual streams that the rows start with: embeddings, or those that an aborted step left for the same
    /// tokens.
    fn load_residuals(
        &self,
        tokens: &[u32],
        positions: &[u32],
        order: &RowOrder,
        scratch: &Scratch,
    ) -> Result<(), ForwardError> {
        for (slot, row) in order.rows.iter().enumerate() {
            // SAFETY: the threads have not started.
            let x = unsafe { scratch.x.slice_mut(self.hidden_row(slot)) };
            if row.layer == 0 {
                self.embed_row(tokens[row.index], positions[row.index], x)?;
            } else {
                x.copy_from_slice(&order.partial_steps[row.span].x[self.hidden_row(row.offset)]);
            }
        }
        Ok(())
    }

    /// Saves what a step that was aborted before `layer` has computed as partial steps in the caches.
    fn save_partial_steps(
        &self,
        tokens: &[u32],
        layer: usize,
        order: &RowOrder,
        step: &mut KvBatch,
        scratch: &Scratch,
    ) {
        let mut first_row = 0;
        for (cache, count) in &mut step.spans {
            let rows = first_row..first_row + *count;
            first_row = rows.end;
            let mut partial = PartialStep { tokens: tokens[rows.clone()].to_vec(), ..PartialStep::default() };
            for row in rows {
                let slot = order.slot_of_row[row];
                partial.layers.push(layer.max(order.rows[slot].layer));
                // SAFETY: the threads have finished.
                partial.x.extend_from_slice(unsafe { scratch.x.slice(self.hidden_row(slot)) });
            }
            if partial.layers.iter().any(|layers| *layers > 0) {
                cache.save_partial(partial);
            }
        }
    }

    /// Runs a step on another device than the CPU, over tensors.
    fn step_on_device(
        &self,
        tokens: &[u32],
        positions: &[u32],
        logits_rows: &[usize],
        step: &mut KvBatch,
        abort: &dyn Fn() -> bool,
        logits: &Logits,
    ) -> Result<(), ForwardError> {
        // A tensor needs at least one row.
        let output_rows = if logits_rows.is_empty() { &[0] } else { logits_rows };
        let values: Vec<f32> = self.forward(tokens, positions, output_rows, step, abort)?.flatten_all()?.to_vec1()?;
        let width = logits.vocabulary_size;
        for (row, values) in values.chunks_exact(width).enumerate().take(logits_rows.len()) {
            // SAFETY: only this thread uses the logits.
            unsafe { logits.values.slice_mut(row * width..(row + 1) * width) }.copy_from_slice(values);
            for slice in 0..VOCABULARY_SLICES {
                logits.reduce_slice(kernels(), row, slice);
            }
        }
        Ok(())
    }

    /// Range of row `row` in a buffer of width `hidden`.
    fn hidden_row(&self, row: usize) -> std::ops::Range<usize> {
        row * self.config.hidden_size..(row + 1) * self.config.hidden_size
    }

    /// Writes the embedding of a token at its position to `x`.
    fn embed_row(&self, token: u32, position: u32, x: &mut [f32]) -> candle_core::Result<()> {
        self.embedding.row(token as usize, x);
        if let Some(table) = &self.positions {
            let (storage, layout) = table.storage_and_layout();
            let Storage::Cpu(storage) = &*storage else {
                candle_core::bail!("position embeddings are on another device")
            };
            let from = layout.start_offset() + position as usize * x.len();
            let learned = storage.as_slice::<f32>()?[from..].iter();
            for (x, learned) in x.iter_mut().zip(learned) {
                *x += learned;
            }
        }
        Ok(())
    }
}

/// Running step, as seen by all its threads.
struct ForwardPass<'a> {
    decoder: &'a Decoder,
    kernels: &'static Kernels,
    positions: &'a [u32],
    spans: &'a [(&'a mut KvCache, usize)],
    order: &'a RowOrder,
    /// Number of requested rows that need all logits, and of those that need the argmax.
    full_rows: usize,
    argmax_rows: usize,
    scratch: &'a Scratch,
    logits: &'a Logits,
    /// Layer before which the step was aborted; `usize::MAX` if it was not.
    aborted_layer: AtomicUsize,
    abort: &'a (dyn Fn() -> bool + Sync),
}

impl ForwardPass<'_> {
    /// Returns the cache of a row, and its offset from the cache's committed length.
    fn cache_and_offset(&self, row: usize) -> (&KvCache, usize) {
        let RowStart { span, offset, .. } = self.order.rows[row];
        (&*self.spans[span].0, offset)
    }

    /// Runs one thread's part of the step.
    fn run(&self, member: &mut GroupMember) {
        let Some(thread) = self.scratch.threads.get(member.thread) else { return };
        let thread = &mut *thread.lock();
        let layers = &self.decoder.layers;
        let (all_rows, logits_slots) = (&self.order.rows[..], &self.order.logits_slots[..]);
        let first_layer = all_rows.first().map_or(0, |row| row.layer);
        for (index, layer) in layers.iter().enumerate().skip(first_layer) {
            if member.thread == 0 && (self.abort)() {
                self.aborted_layer.store(index, Ordering::Relaxed);
            }
            let rows = all_rows.partition_point(|row| row.layer <= index);
            self.normalise(member, &self.scratch.x, rows, |x, out| {
                layer.attention_norm.row(self.kernels, x, out);
            });
            // There was a barrier after the write, and the next write is after the next barrier.
            if self.aborted_layer.load(Ordering::Relaxed) < usize::MAX {
                return;
            }
            let last = index + 1 == layers.len();
            self.project(member, thread, layer, rows);
            self.rotate(member, thread, index, layer, rows);
            if !last {
                self.attend(member, thread, index, rows, None);
                self.finish_layer(member, thread, layer, &self.scratch.x, rows);
            } else if !logits_slots.is_empty() {
                // After the last attention, only the rows whose logits are requested are needed.
                self.attend(member, thread, index, rows, Some(logits_slots));
                self.finish_layer(member, thread, layer, &self.scratch.final_x, logits_slots.len());
            }
        }
        self.output(member, thread);
    }
}
