//! The phases of a step on the CPU.
//!
//! Each thread writes only the rows or panels that it took, and reads what the phases before have written: that is what makes the
//! accesses to shared memory below sound.

use std::ops::Range;

use super::super::layer::Layer;
use super::super::logits::{Estimated, PIECES};
use super::{PANELS, Pass, Thread};
use crate::kernels::RopeTable;
use crate::kernels::activations::Activations;
use crate::kernels::packed::{Part, copy_results};
use crate::kernels::split_q8::SplitQ8;
use crate::kernels::pool::Member;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;
use crate::linear::{Linear, ThreadScratch};

impl Pass<'_> {
    /// Rows of `x` normalised into the inputs of width `hidden`, and quantised.
    pub(super) fn normalise(
        &self,
        member: &mut Member,
        x: &SharedBuffer<f32>,
        rows: usize,
        norm: impl Fn(&[f32], &mut [f32]),
    ) {
        member.share(rows, 1, |range| {
            for row in range {
                // SAFETY: this thread has the row.
                unsafe {
                    norm(x.slice(self.decoder.hidden_row(row)), self.scratch.hidden.row_mut(row));
                    self.scratch.hidden.quantise(self.kernels, row);
                }
            }
        });
    }

    /// Queries, keys and values.
    pub(super) fn project(&self, member: &mut Member, thread: &mut Thread, layer: &Layer, rows: usize) {
        let scratch = self.scratch;
        thread.own.forget();
        let parts = [(&layer.query, &scratch.q), (&layer.key, &scratch.k), (&layer.value, &scratch.v)];
        let count = parts.iter().map(|(matrix, _)| matrix.panels()).sum();
        member.share(count, PANELS, |range| {
            let mut first = 0;
            for (matrix, out) in parts {
                let panels = matrix.panels();
                let own =
                    range.start.clamp(first, first + panels) - first..range.end.clamp(first, first + panels) - first;
                self.multiply(matrix, rows, own, &scratch.hidden, &mut thread.own, out, copy_results);
                first += panels;
            }
        });
    }

    /// Multiplies with some panels of a matrix; `take` gets where the results belong in `out`, `[rows, outputs]`, and the results.
    #[expect(clippy::too_many_arguments, reason = "a product has two sides and a place")]
    fn multiply(
        &self,
        matrix: &Linear,
        rows: usize,
        panels: Range<usize>,
        inputs: &Activations,
        own: &mut ThreadScratch,
        out: &SharedBuffer<f32>,
        take: impl Fn(&mut [f32], &[f32]),
    ) {
        let width = matrix.out_features();
        matrix.multiply(self.kernels, rows, panels, inputs, own, |row, output, values| {
            let at = row * width + output;
            // SAFETY: this thread has the panel.
            take(unsafe { out.slice_mut(at..at + values.len()) }, values);
        });
    }

    /// Norms and rotary positions of queries and keys; keys and values go into the cache.
    pub(super) fn rotate(&self, member: &mut Member, thread: &mut Thread, index: usize, layer: &Layer, rows: usize) {
        let config = &self.decoder.config;
        let (q_width, kv_width) = (config.query_width(), config.kv_width());
        member.share(rows, 1, |range| {
            for row in range {
                // SAFETY: this thread has the row.
                let (q, k, v) = unsafe {
                    (
                        self.scratch.q.slice_mut(row * q_width..(row + 1) * q_width),
                        self.scratch.k.slice_mut(row * kv_width..(row + 1) * kv_width),
                        self.scratch.v.slice(row * kv_width..(row + 1) * kv_width),
                    )
                };
                let (cache, behind) = self.place(row);
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
                // SAFETY: this thread has the row, and room was reserved.
                unsafe { cache.write(self.kernels, index, behind, k, v) };
            }
        });
    }

    /// Attention of the rows in `only`, or of the first `rows`, into the inputs of the next matrix; with `only`, the residual stream of
    /// these rows is put together too.
    pub(super) fn attend(
        &self,
        member: &mut Member,
        thread: &mut Thread,
        layer: usize,
        rows: usize,
        only: Option<&[usize]>,
    ) {
        let config = &self.decoder.config;
        let (scratch, dim, width) = (self.scratch, config.head_dim, config.query_width());
        let groups = self.place(0).0.head_groups(config.heads).count();
        let rows = only.map_or(rows, <[usize]>::len);
        // Later rows see more positions: single items, taken in turn, even that out.
        member.share(rows * groups, 1, |range| {
            for item in range {
                let (to, group) = (item / groups, item % groups);
                let row = only.map_or(to, |only| only[to]);
                let (cache, behind) = self.place(row);
                let Some((kv_head, heads)) = cache.head_groups(config.heads).nth(group) else { continue };
                let (from, end) = (heads.start * dim, heads.end * dim);
                // SAFETY: this thread has these heads of the row; keys and values have been written.
                unsafe {
                    let q = scratch.q.slice(row * width + from..row * width + end);
                    let attended = scratch.attended.floats.slice_mut(to * width + from..to * width + end);
                    thread.attention.attend(self.kernels, cache, layer, kv_head, behind, q, attended);
                    if only.is_some() && group == 0 {
                        let x = scratch.wanted.slice_mut(self.decoder.hidden_row(to));
                        x.copy_from_slice(scratch.x.slice(self.decoder.hidden_row(row)));
                    }
                }
            }
        });
        self.quantise(member, &scratch.attended, rows);
    }

    fn quantise(&self, member: &mut Member, inputs: &Activations, rows: usize) {
        member.share(rows, 1, |range| {
            for row in range {
                // SAFETY: this thread has the row.
                unsafe { inputs.quantise(self.kernels, row) };
            }
        });
    }

    /// What comes after the attention, added to the residual stream `x`.
    pub(super) fn rest(&self, member: &mut Member, thread: &mut Thread, layer: &Layer, x: &SharedBuffer<f32>, rows: usize) {
        self.add(member, thread, &layer.attention_out, &self.scratch.attended, x, rows);
        self.normalise(member, x, rows, |x, out| layer.mlp_norm.row(self.kernels, x, out));
        self.gates(member, thread, layer, rows);
        self.quantise(member, &self.scratch.inner, rows);
        self.add(member, thread, &layer.mlp.down, &self.scratch.inner, x, rows);
    }

    /// `x += matrix(inputs)`
    fn add(
        &self,
        member: &mut Member,
        thread: &mut Thread,
        matrix: &Linear,
        inputs: &Activations,
        x: &SharedBuffer<f32>,
        rows: usize,
    ) {
        self.product(member, thread, matrix, rows, inputs, x, |x, values| {
            x.iter_mut().zip(values).for_each(|(x, value)| *x += value);
        });
    }

    /// One phase: a whole matrix with new inputs; `take` as in [`multiply`](Self::multiply).
    #[expect(clippy::too_many_arguments, reason = "as for a part of it")]
    fn product(
        &self,
        member: &mut Member,
        thread: &mut Thread,
        matrix: &Linear,
        rows: usize,
        inputs: &Activations,
        out: &SharedBuffer<f32>,
        take: impl Fn(&mut [f32], &[f32]),
    ) {
        thread.own.forget();
        let count = matrix.panels();
        member.share(count, PANELS, |panels| {
            self.multiply(matrix, rows, panels, inputs, &mut thread.own, out, &take);
        });
    }

    /// The inner values of the feed-forward part: `activation(gate) * up`, or `activation(up)`.
    fn gates(&self, member: &mut Member, thread: &mut Thread, layer: &Layer, rows: usize) {
        let (mlp, inner, inputs) = (&layer.mlp, &self.scratch.inner, &self.scratch.hidden);
        let Thread { own, up, .. } = thread;
        own.forget();
        let (count, width) = (mlp.up.panels(), mlp.up.out_features());
        member.share(count, PANELS, |panels| {
            let activated = mlp.gate.as_ref().unwrap_or(&mlp.up);
            self.multiply(activated, rows, panels.clone(), inputs, own, &inner.floats, copy_results);
            // Outputs of these panels; `up` is [rows, stride], or empty without gates.
            let (first, end) = (panels.start * PANEL, (panels.end * PANEL).min(width));
            let stride = if mlp.gate.is_some() { end - first } else { 0 };
            up.resize(rows * stride, 0.0);
            if mlp.gate.is_some() {
                mlp.up.multiply(self.kernels, rows, panels, inputs, own, |row, output, values| {
                    let at = row * stride + output - first;
                    copy_results(&mut up[at..at + values.len()], values);
                });
            }
            // What these panels give of a row lies together, so that the activation has many values at once.
            for row in 0..rows {
                // SAFETY: this thread has the panels.
                let values = unsafe { inner.floats.slice_mut(row * width + first..row * width + end) };
                mlp.activation.apply_row(self.kernels, values, &up[row * stride..(row + 1) * stride]);
            }
        });
    }

    /// The states of the wanted rows, and of the first of them logits.
    pub(super) fn output(&self, member: &mut Member, thread: &mut Thread) {
        let (decoder, wanted, rows) = (self.decoder, self.order.wanted.len(), self.whole + self.likeliest);
        self.normalise(member, &self.scratch.wanted, wanted, |x, out| decoder.output_norm.row(self.kernels, x, out));
        if member.thread == 0 {
            let all = 0..wanted * decoder.config.hidden_size;
            // SAFETY: nobody writes the inputs any more, and this thread alone the states.
            unsafe {
                self.logits.states.slice_mut(all.clone()).copy_from_slice(self.scratch.hidden.floats.slice(all));
            }
        }
        if rows == 0 {
            return;
        }
        let matrix = decoder.output_matrix();
        match matrix.planes().filter(|_| self.likeliest > 0) {
            Some(planes) => self.likeliest(member, &mut thread.own, planes),
            None => {
                let out = &self.logits.values;
                self.product(member, thread, matrix, rows, &self.scratch.hidden, out, copy_results);
            }
        }
        member.share(rows * PIECES, 1, |range| {
            range.for_each(|item| self.logits.sum_up(self.kernels, item / PIECES, item % PIECES));
        });
    }

    /// The logits of the rows of which all are wanted, and of the others exactly those that may be the largest.
    fn likeliest(&self, member: &mut Member, own: &mut ThreadScratch, matrix: &SplitQ8) {
        let (inputs, logits, whole) = (&self.scratch.hidden, self.logits, self.whole);
        let width = logits.width;
        own.forget();
        let (count, ThreadScratch { prepared, for_estimates, .. }) = (matrix.panels(), own);
        let part = |rows, panels| Part::new(self.kernels, rows, panels, inputs);
        member.share(count, PANELS, |panels| {
            let take = |row: usize, output: usize, values: &[f32]| {
                let at = row * width + output;
                // SAFETY: this thread has the panel.
                copy_results(unsafe { logits.values.slice_mut(at..at + values.len()) }, values);
            };
            if whole > 0 {
                matrix.multiply(part(0..whole, panels.clone()), prepared, take);
            }
            matrix.estimate(part(whole..whole + self.likeliest, panels), for_estimates, take);
        });
        let of = |item: usize| {
            let row = whole + item / PIECES;
            // SAFETY: the inputs are complete.
            let length = unsafe { inputs.length(row) };
            Estimated { kernels: self.kernels, matrix, row, piece: item % PIECES, length }
        };
        let items = self.likeliest * PIECES;
        let mut exact = |row: usize, panel: usize, to: &mut [f32]| {
            let take = |_: usize, _: usize, values: &[f32]| to.copy_from_slice(values);
            matrix.multiply(part(row..row + 1, panel..panel + 1), prepared, take);
        };
        member.share(items, 1, |range| {
            range.map(of).for_each(|of| logits.bound(&of, |panel, to| exact(of.row, panel, to)));
        });
        member.share(items, 1, |range| {
            range.map(of).for_each(|of| logits.refine(&of, |panel, to| exact(of.row, panel, to)));
        });
    }
}

/// Rotates every head of a row, halves paired.
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
