//! Phases of a step on the CPU.
//!
//! Each thread writes only the rows or panels of its chunks, and reads only what earlier phases have written. This
//! makes the accesses to shared buffers below sound.

use std::ops::Range;

use super::super::layer::Layer;
use super::super::logits::{ApproximateSlice, VOCABULARY_SLICES};
use super::super::scratch::StepThread;
use super::{ForwardPass, MIN_PANELS_PER_CHUNK};
use crate::kernels::RopeTable;
use crate::kernels::activations::Activations;
use crate::kernels::packed::{PartialProduct, copy_results};
use crate::kernels::pool::GroupMember;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;
use crate::kernels::split_q8::SplitQ8;
use crate::linear::{Linear, ThreadScratch};

impl ForwardPass<'_> {
    /// Normalises rows of `x` into the activations of width `hidden`, and quantises them.
    pub(super) fn normalise(
        &self,
        member: &mut GroupMember,
        x: &SharedBuffer<f32>,
        rows: usize,
        norm: impl Fn(&[f32], &mut [f32]),
    ) {
        member.run_phase(rows, 1, |range| {
            for row in range {
                // SAFETY: this thread owns the row.
                unsafe {
                    norm(x.slice(self.decoder.hidden_row(row)), self.scratch.hidden.row_mut(row));
                    self.scratch.hidden.quantise(self.kernels, row);
                }
            }
        });
    }

    /// Computes queries, keys and values.
    pub(super) fn project(&self, member: &mut GroupMember, thread: &mut StepThread, layer: &Layer, rows: usize) {
        let scratch = self.scratch;
        thread.linear_scratch.invalidate();
        let projections = [(&layer.query, &scratch.q), (&layer.key, &scratch.k), (&layer.value, &scratch.v)];
        let count = projections.iter().map(|(matrix, _)| matrix.panels()).sum();
        member.run_phase(count, MIN_PANELS_PER_CHUNK, |range| {
            // Panels of the three matrices are numbered through; the range may include panels of several.
            let mut first = 0;
            for (matrix, out) in projections {
                let end = first + matrix.panels();
                let panels = range.start.clamp(first, end) - first..range.end.clamp(first, end) - first;
                self.multiply(matrix, rows, panels, &scratch.hidden, &mut thread.linear_scratch, out, copy_results);
                first = end;
            }
        });
    }

    /// Multiplies with some panels of a matrix. `store` gets a slice of `out`, `[rows, outputs]`, and the results for
    /// it.
    #[expect(clippy::too_many_arguments, reason = "a product has two operands and a destination")]
    fn multiply(
        &self,
        matrix: &Linear,
        rows: usize,
        panels: Range<usize>,
        inputs: &Activations,
        linear_scratch: &mut ThreadScratch,
        out: &SharedBuffer<f32>,
        store: impl Fn(&mut [f32], &[f32]),
    ) {
        let width = matrix.out_features();
        matrix.multiply(self.kernels, rows, panels, inputs, linear_scratch, |row, output, values| {
            let at = row * width + output;
            // SAFETY: this thread owns the panel.
            store(unsafe { out.slice_mut(at..at + values.len()) }, values);
        });
    }

    /// Applies norms and rotary positions to queries and keys, and stores keys and values in the cache.
    pub(super) fn rotate(
        &self,
        member: &mut GroupMember,
        thread: &mut StepThread,
        index: usize,
        layer: &Layer,
        rows: usize,
    ) {
        let config = &self.decoder.config;
        let (q_width, kv_width) = (config.query_width(), config.kv_width());
        member.run_phase(rows, 1, |range| {
            for row in range {
                // SAFETY: this thread owns the row.
                let (q, k, v) = unsafe {
                    (
                        self.scratch.q.slice_mut(row * q_width..(row + 1) * q_width),
                        self.scratch.k.slice_mut(row * kv_width..(row + 1) * kv_width),
                        self.scratch.v.slice(row * kv_width..(row + 1) * kv_width),
                    )
                };
                let (cache, offset) = self.cache_and_offset(row);
                if let Some((query_norm, key_norm)) = &layer.head_norms {
                    for (heads, norm) in [(&mut *q, query_norm), (&mut *k, key_norm)] {
                        for head in heads.chunks_exact_mut(config.head_dim) {
                            norm.row(self.kernels, head, &mut thread.head);
                            head.copy_from_slice(&thread.head);
                        }
                    }
                }
                if let Some(table) = &self.decoder.rope {
                    let position = self.positions[self.order.rows[row].index] as usize;
                    rotate_row(table, position, config.head_dim, q);
                    rotate_row(table, position, config.head_dim, k);
                }
                // SAFETY: this thread owns the row, and the cache has room for it.
                unsafe { cache.write(self.kernels, index, offset, k, v) };
            }
        });
    }

    /// Computes the attention of the rows in `selected`, or of the first `rows`, into the activations of the next
    /// matrix. With `selected`, it also gathers the residual streams of these rows.
    pub(super) fn attend(
        &self,
        member: &mut GroupMember,
        thread: &mut StepThread,
        layer: usize,
        rows: usize,
        selected: Option<&[usize]>,
    ) {
        let config = &self.decoder.config;
        let (scratch, dim, width) = (self.scratch, config.head_dim, config.query_width());
        let groups = self.cache_and_offset(0).0.head_groups(config.heads).count();
        let rows = selected.map_or(rows, <[usize]>::len);
        // Later rows attend to more positions. Chunks of single items balance that.
        member.run_phase(rows * groups, 1, |range| {
            for item in range {
                let (to, group) = (item / groups, item % groups);
                let row = selected.map_or(to, |selected| selected[to]);
                let (cache, offset) = self.cache_and_offset(row);
                let Some((kv_head, heads)) = cache.head_groups(config.heads).nth(group) else { continue };
                let (start, end) = (heads.start * dim, heads.end * dim);
                // SAFETY: this thread owns these heads of the row; keys and values have been written.
                unsafe {
                    let q = scratch.q.slice(row * width + start..row * width + end);
                    let attended = scratch.attended.floats.slice_mut(to * width + start..to * width + end);
                    thread.attention.attend(self.kernels, cache, layer, kv_head, offset, q, attended);
                    if selected.is_some() && group == 0 {
                        let x = scratch.final_x.slice_mut(self.decoder.hidden_row(to));
                        x.copy_from_slice(scratch.x.slice(self.decoder.hidden_row(row)));
                    }
                }
            }
        });
        self.quantise(member, &scratch.attended, rows);
    }

    fn quantise(&self, member: &mut GroupMember, inputs: &Activations, rows: usize) {
        member.run_phase(rows, 1, |range| {
            for row in range {
                // SAFETY: this thread owns the row.
                unsafe { inputs.quantise(self.kernels, row) };
            }
        });
    }

    /// Computes the rest of a layer after the attention and adds it to the residual stream `x`.
    pub(super) fn finish_layer(
        &self,
        member: &mut GroupMember,
        thread: &mut StepThread,
        layer: &Layer,
        x: &SharedBuffer<f32>,
        rows: usize,
    ) {
        self.add_product(member, thread, &layer.attention_out, &self.scratch.attended, x, rows);
        self.normalise(member, x, rows, |x, out| layer.mlp_norm.row(self.kernels, x, out));
        self.mlp_gate(member, thread, layer, rows);
        self.quantise(member, &self.scratch.mlp_hidden, rows);
        self.add_product(member, thread, &layer.mlp.down, &self.scratch.mlp_hidden, x, rows);
    }

    /// Computes `x += matrix(inputs)`.
    fn add_product(
        &self,
        member: &mut GroupMember,
        thread: &mut StepThread,
        matrix: &Linear,
        inputs: &Activations,
        x: &SharedBuffer<f32>,
        rows: usize,
    ) {
        self.product(member, thread, matrix, rows, inputs, x, |x, values| {
            for (x, value) in x.iter_mut().zip(values) {
                *x += value;
            }
        });
    }

    /// Runs a phase that multiplies a whole matrix with new activations. `store` is as in [`multiply`](Self::multiply).
    #[expect(clippy::too_many_arguments, reason = "as for `multiply`")]
    fn product(
        &self,
        member: &mut GroupMember,
        thread: &mut StepThread,
        matrix: &Linear,
        rows: usize,
        inputs: &Activations,
        out: &SharedBuffer<f32>,
        store: impl Fn(&mut [f32], &[f32]),
    ) {
        thread.linear_scratch.invalidate();
        let count = matrix.panels();
        member.run_phase(count, MIN_PANELS_PER_CHUNK, |panels| {
            self.multiply(matrix, rows, panels, inputs, &mut thread.linear_scratch, out, &store);
        });
    }

    /// Computes the hidden layer of the MLP: `activation(gate) * up`, or `activation(up)`.
    fn mlp_gate(&self, member: &mut GroupMember, thread: &mut StepThread, layer: &Layer, rows: usize) {
        let (mlp, out, inputs) = (&layer.mlp, &self.scratch.mlp_hidden.floats, &self.scratch.hidden);
        let StepThread { linear_scratch, up, .. } = thread;
        linear_scratch.invalidate();
        let width = mlp.up.out_features();
        member.run_phase(mlp.up.panels(), MIN_PANELS_PER_CHUNK, |panels| {
            let activated = mlp.gate.as_ref().unwrap_or(&mlp.up);
            self.multiply(activated, rows, panels.clone(), inputs, linear_scratch, out, copy_results);
            // Outputs of these panels; `up` is [rows, stride], or empty without a gate.
            let (first, end) = (panels.start * PANEL, (panels.end * PANEL).min(width));
            let stride = if mlp.gate.is_some() { end - first } else { 0 };
            up.resize(rows * stride, 0.0);
            if mlp.gate.is_some() {
                mlp.up.multiply(self.kernels, rows, panels, inputs, linear_scratch, |row, output, values| {
                    let at = row * stride + output - first;
                    copy_results(&mut up[at..at + values.len()], values);
                });
            }
            // The outputs of these panels for a row are contiguous, so that the activation processes many at once.
            for row in 0..rows {
                // SAFETY: this thread owns the panels.
                let values = unsafe { out.slice_mut(row * width + first..row * width + end) };
                mlp.activation.apply_row(self.kernels, values, &up[row * stride..(row + 1) * stride]);
            }
        });
    }

    /// Computes the final hidden states of the requested rows, and the logits of those that need them.
    pub(super) fn output(&self, member: &mut GroupMember, thread: &mut StepThread) {
        let decoder = self.decoder;
        let (state_rows, logits_rows) = (self.order.logits_slots.len(), self.full_rows + self.argmax_rows);
        self.normalise(member, &self.scratch.final_x, state_rows, |x, out| {
            decoder.output_norm.row(self.kernels, x, out);
        });
        if member.thread == 0 {
            let all = 0..state_rows * decoder.config.hidden_size;
            // SAFETY: the activations are complete, and only this thread writes the hidden states.
            unsafe {
                self.logits.hidden_states.slice_mut(all.clone()).copy_from_slice(self.scratch.hidden.floats.slice(all));
            }
        }
        if logits_rows == 0 {
            return;
        }
        let matrix = decoder.output_matrix();
        if self.argmax_rows > 0
            && let Some(split) = matrix.split_q8()
        {
            self.argmax_logits(member, &mut thread.linear_scratch, split);
        } else {
            let out = &self.logits.values;
            self.product(member, thread, matrix, logits_rows, &self.scratch.hidden, out, copy_results);
        }
        member.run_phase(logits_rows * VOCABULARY_SLICES, 1, |range| {
            for item in range {
                self.logits.reduce_slice(self.kernels, item / VOCABULARY_SLICES, item % VOCABULARY_SLICES);
            }
        });
    }

    /// Computes all logits of the rows that need them, and of the others exactly those that may be the argmax.
    fn argmax_logits(&self, member: &mut GroupMember, linear_scratch: &mut ThreadScratch, matrix: &SplitQ8) {
        let (inputs, logits, full_rows) = (&self.scratch.hidden, self.logits, self.full_rows);
        let width = logits.vocabulary_size;
        linear_scratch.invalidate();
        let ThreadScratch { grouped, grouped_approx, .. } = linear_scratch;
        let part = |rows, panels| PartialProduct::new(self.kernels, rows, panels, inputs);
        member.run_phase(matrix.panels(), MIN_PANELS_PER_CHUNK, |panels| {
            let store = |row: usize, output: usize, values: &[f32]| {
                let at = row * width + output;
                // SAFETY: this thread owns the panel.
                copy_results(unsafe { logits.values.slice_mut(at..at + values.len()) }, values);
            };
            if full_rows > 0 {
                matrix.multiply(part(0..full_rows, panels.clone()), grouped, store);
            }
            matrix.multiply_approx(part(full_rows..full_rows + self.argmax_rows, panels), grouped_approx, store);
        });
        let approximate_slice = |item: usize| {
            let (row, index) = (full_rows + item / VOCABULARY_SLICES, item % VOCABULARY_SLICES);
            // SAFETY: the activations are complete.
            let l2_norm = unsafe { inputs.l2_norm(row) };
            ApproximateSlice { kernels: self.kernels, matrix, row, index, l2_norm }
        };
        let items = self.argmax_rows * VOCABULARY_SLICES;
        let mut compute_panel = |row: usize, panel: usize, to: &mut [f32]| {
            let store = |_: usize, _: usize, values: &[f32]| to.copy_from_slice(values);
            matrix.multiply(part(row..row + 1, panel..panel + 1), grouped, store);
        };
        member.run_phase(items, 1, |range| {
            for slice in range.map(approximate_slice) {
                logits.compute_lower_bound(&slice, |panel, to| compute_panel(slice.row, panel, to));
            }
        });
        member.run_phase(items, 1, |range| {
            for slice in range.map(approximate_slice) {
                logits.refine(&slice, |panel, to| compute_panel(slice.row, panel, to));
            }
        });
    }
}

/// Rotates every head of a row, pairing the halves of the head.
fn rotate_row(table: &RopeTable, position: usize, dim: usize, heads: &mut [f32]) {
    let at = position * table.pairs..(position + 1) * table.pairs;
    let (cos, sin) = (&table.cos[at.clone()], &table.sin[at]);
    for head in heads.chunks_exact_mut(dim) {
        let (a, b) = head.split_at_mut(dim / 2);
        for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
        }
    }
}
