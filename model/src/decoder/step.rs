//! One step on the CPU, without tensors: all threads run through the layers together, phase by phase.
//!
//! A phase is either a matter of rows (norms, rotation, quantising) or of panels of outputs (matrices); between two phases all
//! threads wait for each other. Nothing is allocated once the scratch has grown to the size of a step.

mod phases;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::logits::{Logits, PIECES};
use super::{Decoder, ForwardError};
use crate::kernels::inputs::Inputs;
use crate::kernels::pool::{Member, Team, lock, pool};
use crate::kernels::shared::Shared;
use crate::kernels::{Kernels, kernels};
use crate::kv::{AttentionScratch, KvCache, Step};
use crate::linear::Own;

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
    pub(super) tokens: Shared<f32>, // [vocabulary], what was asked for afterwards
}

/// Rows of a step that somebody asks about.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) rows: &'a [usize],
    /// Of the first so many all logits are asked for.
    pub(crate) whole: usize,
    /// Of the next so many the likeliest token and its probability are; of the rest the state, from which logits can be worked out.
    pub(crate) likeliest: usize,
}

impl<'a> Wanted<'a> {
    /// All logits of all rows.
    pub(crate) fn whole(rows: &'a [usize]) -> Self {
        Self { rows, whole: rows.len(), likeliest: 0 }
    }
}

/// What belongs to one thread.
struct Thread {
    own: Own,
    attention: AttentionScratch,
    gates: Vec<f32>,
}

impl Decoder {
    /// One step: `tokens` at their `positions`, row after row of the spans of `step`, and the logits of the rows that are wanted into
    /// `logits`.
    ///
    /// `abort` is read before each layer. After an abort or an error the caches hold nothing that counts.
    pub(crate) fn step(
        &self,
        tokens: &[u32],
        positions: &[u32],
        wanted: Wanted,
        step: &mut Step,
        abort: &(dyn Fn() -> bool + Sync),
        logits: &mut Logits,
    ) -> Result<(), ForwardError> {
        let Wanted { rows: wanted, whole, likeliest } = wanted;
        if !self.device.is_cpu() {
            logits.reserve((wanted.len(), 0), self.config.vocab_size);
            return self.step_on_device(tokens, positions, wanted, step, abort, logits);
        }
        logits.reserve((whole, likeliest), self.config.vocab_size);
        logits.reserve_states(wanted.len(), self.config.hidden_size);
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
            whole,
            likeliest,
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
        match step.alone {
            true => pass.run(&mut Team::new(1).join(0)),
            false => {
                let team = Team::new(pool().threads());
                pool().run(&|thread| pass.run(&mut team.join(thread)));
            }
        }
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
    /// Of so many of these all logits are wanted, and of so many the likeliest token.
    whole: usize,
    likeliest: usize,
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
