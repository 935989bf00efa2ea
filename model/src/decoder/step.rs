//! One step on the CPU, without tensors: all threads run through the layers together, phase by phase.
//!
//! A phase is either a matter of rows (norms, rotation, quantising) or of panels of outputs (matrices); between two phases all
//! threads wait for each other. Nothing is allocated once the scratch has grown to the size of a step.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::layer::Layer;
use super::logits::{Logits, PIECES};
use super::{Decoder, ForwardError};
use crate::kernels::inputs::Inputs;
use crate::kernels::pool::{Member, Team, pool};
use crate::kernels::shared::Shared;
use crate::kernels::{Kernels, RopeTable, kernels};
use crate::kv::{AttentionScratch, KvCache, Step};
use crate::linear::{Linear, Own};

/// Panels that a thread takes at once at the least: two make a block of 32 inputs for the next matrix.
const PANELS: usize = 2;

/// What a step writes between its phases; it is kept for the next step.
#[derive(Default)]
pub(super) struct Scratch {
    x: Shared<f32>,      // [rows, hidden], the residual stream
    wanted: Shared<f32>, // [wanted, hidden], the same after the last attention
    q: Shared<f32>,      // [rows, heads * dim]
    k: Shared<f32>,      // [rows, kv_heads * dim]
    v: Shared<f32>,      // [rows, kv_heads * dim]
    hidden: Inputs,      // [rows, hidden], normalised
    attended: Inputs,    // [rows, heads * dim]
    inner: Inputs,       // [rows, intermediate]
    threads: Vec<Mutex<Thread>>,
}

/// What belongs to one thread.
struct Thread {
    own: Own,
    attention: AttentionScratch,
    gates: Vec<f32>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Decoder {
    /// One step: `tokens` at their `positions`, row after row of the spans of `step`, and the logits of the rows in `wanted` into
    /// `logits`.
    ///
    /// `abort` is read before each layer. After an abort or an error the caches hold nothing that counts.
    pub(crate) fn step(
        &self,
        tokens: &[u32],
        positions: &[u32],
        wanted: &[usize],
        step: &mut Step,
        abort: &(dyn Fn() -> bool + Sync),
        logits: &mut Logits,
    ) -> Result<(), ForwardError> {
        logits.reserve(wanted.len(), self.config.vocab_size);
        if !self.device.is_cpu() {
            return self.step_on_device(tokens, positions, wanted, step, abort, logits);
        }
        self.check(tokens, positions, wanted)?;
        let mut scratch = lock(&self.scratch);
        scratch.reserve(self, tokens.len(), wanted.len());
        for (row, (token, position)) in tokens.iter().zip(positions).enumerate() {
            // SAFETY: no thread is at work yet.
            self.embed_row(*token, *position, unsafe { scratch.x.slice_mut(self.hidden_row(row)) })?;
        }
        let caches = step.spans.iter().flat_map(|(cache, rows)| (0..*rows).map(|row| (&**cache, row)));
        let pass = Pass {
            decoder: self,
            kernels: kernels(),
            positions,
            wanted,
            caches: caches.collect(),
            scratch: &scratch,
            logits,
            aborted: AtomicBool::new(false),
            abort,
        };
        if pass.caches.len() != tokens.len() {
            let rows = pass.caches.len();
            return Err(
                candle_core::Error::msg(format!("a step of {} tokens for {rows} rows of spans", tokens.len())).into()
            );
        }
        let team = Team::new(pool().threads());
        pool().run(&|thread| pass.run(&mut team.join(thread)));
        match pass.aborted.load(Ordering::Relaxed) {
            true => Err(ForwardError::Aborted),
            false => Ok(()),
        }
    }

    /// The same on another device, over tensors.
    fn step_on_device(
        &self,
        tokens: &[u32],
        positions: &[u32],
        wanted: &[usize],
        step: &mut Step,
        abort: &dyn Fn() -> bool,
        logits: &Logits,
    ) -> Result<(), ForwardError> {
        // Tensors without rows are none: somebody has to be wanted.
        let asked = if wanted.is_empty() { &[0] } else { wanted };
        let values: Vec<f32> = self.forward(tokens, positions, asked, step, abort)?.flatten_all()?.to_vec1()?;
        for (row, values) in values.chunks_exact(logits.width).enumerate().take(wanted.len()) {
            // SAFETY: this thread alone has the logits.
            unsafe { logits.values.slice_mut(row * logits.width..(row + 1) * logits.width) }.copy_from_slice(values);
            (0..PIECES).for_each(|piece| logits.sum_up(kernels(), row, piece));
        }
        Ok(())
    }

    fn hidden_row(&self, row: usize) -> std::ops::Range<usize> {
        row * self.config.hidden_size..(row + 1) * self.config.hidden_size
    }

    /// The embedding of a token at its position.
    fn embed_row(&self, token: u32, position: u32, x: &mut [f32]) -> candle_core::Result<()> {
        self.embedding.row(token as usize, x);
        if let Some(table) = &self.positions {
            let learned: Vec<f32> = table.get(position as usize)?.to_vec1()?;
            x.iter_mut().zip(learned).for_each(|(x, learned)| *x += learned);
        }
        Ok(())
    }
}

impl Scratch {
    /// Makes room for a step.
    fn reserve(&mut self, decoder: &Decoder, rows: usize, wanted: usize) {
        let config = &decoder.config;
        self.x.reserve(rows * config.hidden_size);
        self.wanted.reserve(wanted * config.hidden_size);
        self.q.reserve(rows * config.query_width());
        self.k.reserve(rows * config.kv_width());
        self.v.reserve(rows * config.kv_width());
        self.hidden.reshape(rows, config.hidden_size);
        self.attended.reshape(rows, config.query_width());
        self.inner.reshape(rows, config.intermediate_size);
        self.threads.resize_with(pool().threads(), || {
            let attention = AttentionScratch::new(config.head_dim);
            Mutex::new(Thread { own: Own::default(), attention, gates: Vec::new() })
        });
    }
}

/// A step under way, as all its threads see it.
struct Pass<'a> {
    decoder: &'a Decoder,
    kernels: &'static Kernels,
    positions: &'a [u32],
    wanted: &'a [usize],
    /// Each row's cache, and its place behind the cache's length.
    caches: Vec<(&'a KvCache, usize)>,
    scratch: &'a Scratch,
    logits: &'a Logits,
    aborted: AtomicBool,
    abort: &'a (dyn Fn() -> bool + Sync),
}

impl Pass<'_> {
    /// One thread's part of the step.
    fn run(&self, member: &mut Member) {
        let Some(thread) = self.scratch.threads.get(member.thread) else { return };
        let thread = &mut *lock(thread);
        let layers = &self.decoder.layers;
        for (index, layer) in layers.iter().enumerate() {
            if member.thread == 0 && (self.abort)() {
                self.aborted.store(true, Ordering::Relaxed);
            }
            self.normalise(member, &self.scratch.x, self.positions.len(), |x, out| {
                layer.attention_norm.row(self.kernels, x, out);
            });
            // Everybody has waited since it was written, and nobody writes it before the next wait.
            if self.aborted.load(Ordering::Relaxed) {
                return;
            }
            let last = index + 1 == layers.len();
            self.project(member, thread, layer);
            self.rotate(member, index, layer);
            if !last {
                self.attend(member, thread, index, None);
                self.rest(member, thread, layer, &self.scratch.x, self.positions.len());
            } else if !self.wanted.is_empty() {
                // Nothing after the last attention needs the rows that nobody asked for.
                self.attend(member, thread, index, Some(self.wanted));
                self.rest(member, thread, layer, &self.scratch.wanted, self.wanted.len());
            }
        }
        self.output(member, thread);
    }
}

/// The phases. Each thread writes only the rows or panels that it took, and reads what the phases before have written: that is what
/// makes the accesses to shared memory below sound.
impl Pass<'_> {
    /// Rows of `x` normalised into the inputs of width `hidden`, and quantised.
    fn normalise(&self, member: &mut Member, x: &Shared<f32>, rows: usize, norm: impl Fn(&[f32], &mut [f32])) {
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
    fn project(&self, member: &mut Member, thread: &mut Thread, layer: &Layer) {
        let scratch = self.scratch;
        thread.own.prepared.forget();
        let parts = [(&layer.query, &scratch.q), (&layer.key, &scratch.k), (&layer.value, &scratch.v)];
        let count = parts.iter().map(|(matrix, _)| matrix.panels()).sum();
        let rows = self.positions.len();
        member.share(count, member.piece(count, PANELS), |range| {
            let mut first = 0;
            for (matrix, out) in parts {
                let panels = matrix.panels();
                let own =
                    range.start.clamp(first, first + panels) - first..range.end.clamp(first, first + panels) - first;
                self.multiply(matrix, rows, own, &scratch.hidden, &mut thread.own, out, |out, values| {
                    out.copy_from_slice(values);
                });
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
        panels: std::ops::Range<usize>,
        inputs: &Inputs,
        own: &mut Own,
        out: &Shared<f32>,
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
    fn rotate(&self, member: &mut Member, index: usize, layer: &Layer) {
        let config = &self.decoder.config;
        let (q_width, kv_width) = (config.query_width(), config.kv_width());
        member.share(self.positions.len(), 1, |range| {
            for row in range {
                // SAFETY: this thread has the row.
                let (q, k, v) = unsafe {
                    (
                        self.scratch.q.slice_mut(row * q_width..(row + 1) * q_width),
                        self.scratch.k.slice_mut(row * kv_width..(row + 1) * kv_width),
                        self.scratch.v.slice(row * kv_width..(row + 1) * kv_width),
                    )
                };
                if let Some((query_norm, key_norm)) = &layer.head_norms {
                    let mut normed = vec![0.0; config.head_dim];
                    for (heads, norm) in [(&mut *q, query_norm), (&mut *k, key_norm)] {
                        for head in heads.chunks_exact_mut(config.head_dim) {
                            norm.row(self.kernels, head, &mut normed);
                            head.copy_from_slice(&normed);
                        }
                    }
                }
                if let Some(table) = &self.decoder.rope {
                    rotate_row(table, self.positions[row] as usize, config.head_dim, q);
                    rotate_row(table, self.positions[row] as usize, config.head_dim, k);
                }
                let (cache, place) = self.caches[row];
                // SAFETY: this thread has the row, and room was reserved.
                unsafe { cache.write(self.kernels, index, place, k, v) };
            }
        });
    }

    /// Attention of the rows in `only`, or of all, into the inputs of the next matrix; with `only`, the residual stream of these rows
    /// is put together too.
    fn attend(&self, member: &mut Member, thread: &mut Thread, layer: usize, only: Option<&[usize]>) {
        let config = &self.decoder.config;
        let (scratch, dim, width) = (self.scratch, config.head_dim, config.query_width());
        let groups = self.caches[0].0.groups(config.heads).count();
        let rows = only.map_or(self.positions.len(), <[usize]>::len);
        // Later rows see more positions: single items, taken in turn, even that out.
        member.share(rows * groups, 1, |range| {
            for item in range {
                let (to, group) = (item / groups, item % groups);
                let row = only.map_or(to, |only| only[to]);
                let (cache, place) = self.caches[row];
                let Some((kv_head, heads)) = cache.groups(config.heads).nth(group) else { continue };
                let (from, end) = (heads.start * dim, heads.end * dim);
                // SAFETY: this thread has these heads of the row; keys and values have been written.
                unsafe {
                    let q = scratch.q.slice(row * width + from..row * width + end);
                    let attended = scratch.attended.floats.slice_mut(to * width + from..to * width + end);
                    thread.attention.attend(self.kernels, cache, layer, kv_head, place, q, attended);
                    if only.is_some() && group == 0 {
                        let x = scratch.wanted.slice_mut(self.decoder.hidden_row(to));
                        x.copy_from_slice(scratch.x.slice(self.decoder.hidden_row(row)));
                    }
                }
            }
        });
        self.quantise(member, &scratch.attended, rows);
    }

    fn quantise(&self, member: &mut Member, inputs: &Inputs, rows: usize) {
        member.share(rows, 1, |range| {
            for row in range {
                // SAFETY: this thread has the row.
                unsafe { inputs.quantise(self.kernels, row) };
            }
        });
    }

    /// What comes after the attention, added to the residual stream `x`.
    fn rest(&self, member: &mut Member, thread: &mut Thread, layer: &Layer, x: &Shared<f32>, rows: usize) {
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
        inputs: &Inputs,
        x: &Shared<f32>,
        rows: usize,
    ) {
        thread.own.prepared.forget();
        let count = matrix.panels();
        member.share(count, member.piece(count, PANELS), |panels| {
            self.multiply(matrix, rows, panels, inputs, &mut thread.own, x, |x, values| {
                x.iter_mut().zip(values).for_each(|(x, value)| *x += value);
            });
        });
    }

    /// The inner values of the feed-forward part: `activation(gate) * up`, or `activation(up)`.
    fn gates(&self, member: &mut Member, thread: &mut Thread, layer: &Layer, rows: usize) {
        let (mlp, inner, inputs) = (&layer.mlp, &self.scratch.inner, &self.scratch.hidden);
        let Thread { own, gates, .. } = thread;
        own.prepared.forget();
        let (count, width) = (mlp.up.panels(), mlp.up.out_features());
        member.share(count, member.piece(count, PANELS), |panels| {
            // `gates` is [rows, outputs of these panels].
            let first = panels.start * crate::kernels::simd::PANEL;
            let stride = panels.len() * crate::kernels::simd::PANEL;
            gates.resize(rows * stride, 0.0);
            let outer = mlp.gate.as_ref().unwrap_or(&mlp.up);
            outer.multiply(self.kernels, rows, panels.clone(), inputs, own, |row, output, values| {
                let at = row * stride + output - first;
                gates[at..at + values.len()].copy_from_slice(values);
            });
            if mlp.gate.is_none() {
                let end = width.min(first + stride) - first;
                for (row, gates) in gates.chunks_exact_mut(stride).enumerate().take(rows) {
                    mlp.activation.apply_row(self.kernels, &mut gates[..end], &[]);
                    // SAFETY: this thread has the panels.
                    unsafe { &mut inner.row_mut(row)[first..first + end] }.copy_from_slice(&gates[..end]);
                }
                return;
            }
            mlp.up.multiply(self.kernels, rows, panels, inputs, own, |row, output, up| {
                let at = row * stride + output - first;
                let gates = &mut gates[at..at + up.len()];
                mlp.activation.apply_row(self.kernels, gates, up);
                // SAFETY: this thread has the panel.
                unsafe { inner.floats.slice_mut(row * width + output..row * width + output + up.len()) }
                    .copy_from_slice(gates);
            });
        });
    }

    /// The logits of the wanted rows.
    fn output(&self, member: &mut Member, thread: &mut Thread) {
        let (decoder, rows) = (self.decoder, self.wanted.len());
        if rows == 0 {
            return;
        }
        self.normalise(member, &self.scratch.wanted, rows, |x, out| decoder.output_norm.row(self.kernels, x, out));
        thread.own.prepared.forget();
        let matrix = decoder.output.as_ref().unwrap_or(&decoder.embedding);
        let count = matrix.panels();
        member.share(count, member.piece(count, PANELS), |panels| {
            let logits = &self.logits.values;
            self.multiply(matrix, rows, panels, &self.scratch.hidden, &mut thread.own, logits, |logits, values| {
                logits.copy_from_slice(values);
            });
        });
        member.share(rows * PIECES, 1, |range| {
            range.for_each(|item| self.logits.sum_up(self.kernels, item / PIECES, item % PIECES));
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
