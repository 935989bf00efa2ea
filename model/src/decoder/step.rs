//! One step on the CPU, without tensors: all threads run through the layers together, phase by phase.
//!
//! A phase is either a matter of rows (norms, rotation, quantising) or of panels of outputs (matrices); between two phases all
//! threads wait for each other. Nothing is allocated once the scratch has grown to the size of a step.

mod phases;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::Storage;

use super::logits::{Logits, PIECES};
use super::{Decoder, ForwardError};
use crate::kernels::activations::Activations;
use crate::kernels::pool::{Member, ThreadGroup, lock, pool};
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::{Kernels, kernels};
use crate::kv::{self, AttentionScratch, PartialStep, KvCache, KvBatch};
use crate::linear::ThreadScratch;

/// Panels that a thread takes at once at the least: two make a block of 32 inputs for the next matrix.
const PANELS: usize = 2;

/// What a step writes between its phases; it is kept for the next step.
#[derive(Default)]
pub(super) struct Scratch {
    x: SharedBuffer<f32>,      // [rows, hidden], the residual stream
    wanted: SharedBuffer<f32>, // [wanted, hidden], the same after the last attention
    q: SharedBuffer<f32>,      // [rows, heads * dim]
    k: SharedBuffer<f32>,      // [rows, kv_heads * dim]
    v: SharedBuffer<f32>,      // [rows, kv_heads * dim]
    hidden: Activations,      // [rows, hidden], normalised
    attended: Activations,    // [rows, heads * dim]
    inner: Activations,       // [rows, intermediate]
    threads: Vec<Mutex<Thread>>,
    order: Order,
    pub(super) tokens: SharedBuffer<f32>, // [vocabulary], what was asked for afterwards
}

/// Rows of a step that somebody asks about.
#[derive(Clone, Copy)]
pub(crate) struct LogitsRequest<'a> {
    pub(crate) rows: &'a [usize],
    /// Of the first so many all logits are asked for.
    pub(crate) whole: usize,
    /// Of the next so many the likeliest token and its probability are; of the rest the state, from which logits can be worked out.
    pub(crate) likeliest: usize,
}

impl<'a> LogitsRequest<'a> {
    /// All logits of all rows.
    pub(crate) fn whole(rows: &'a [usize]) -> Self {
        Self { rows, whole: rows.len(), likeliest: 0 }
    }
}

/// What belongs to one thread.
struct Thread {
    own: ThreadScratch,
    attention: AttentionScratch,
    up: Vec<f32>,
    head: Vec<f32>, // [dim]
}

impl Decoder {
    /// One step: `tokens` at their `positions`, row after row of the spans of `step`, and the logits of the rows that are wanted into
    /// `logits`.
    ///
    /// `abort` is read before each layer. After an abort or an error the caches hold nothing that counts; after an abort they hold what
    /// was worked out so far, and the next step over the same tokens goes on there.
    pub(crate) fn step(
        &self,
        tokens: &[u32],
        positions: &[u32],
        wanted: LogitsRequest,
        step: &mut KvBatch,
        abort: &(dyn Fn() -> bool + Sync),
        logits: &mut Logits,
    ) -> Result<(), ForwardError> {
        let LogitsRequest { rows: wanted, whole, likeliest } = wanted;
        if !self.device.is_cpu() {
            logits.reserve((wanted.len(), 0), self.config.vocab_size);
            return self.step_on_device(tokens, positions, wanted, step, abort, logits);
        }
        logits.reserve((whole, likeliest), self.config.vocab_size);
        logits.reserve_states(wanted.len(), self.config.hidden_size);
        self.check(tokens, positions, wanted)?;
        let rows: usize = step.spans.iter().map(|(_, rows)| rows).sum();
        if rows != tokens.len() {
            return Err(
                candle_core::Error::msg(format!("a step of {} tokens for {rows} rows of spans", tokens.len())).into()
            );
        }
        let mut scratch = lock(&self.scratch);
        scratch.reserve(self, tokens.len(), wanted.len());
        let mut order = std::mem::take(&mut scratch.order);
        order.fill(tokens, wanted, step);
        self.begin(tokens, positions, &order, &scratch)?;
        let pass = Pass {
            decoder: self,
            kernels: kernels(),
            positions,
            spans: &step.spans,
            order: &order,
            whole,
            likeliest,
            scratch: &scratch,
            logits,
            aborted: AtomicUsize::new(usize::MAX),
            abort,
        };
        match step.single_threaded {
            true => pass.run(&mut ThreadGroup::new(1).join(0)),
            false => {
                let team = ThreadGroup::new(pool().threads());
                pool().run(&|thread| pass.run(&mut team.join(thread)));
            }
        }
        let aborted = pass.aborted.into_inner();
        if aborted < usize::MAX {
            self.leave(tokens, aborted, &order, step, &scratch);
        }
        // Its memory is for the next step.
        scratch.order = order;
        if aborted < usize::MAX { Err(ForwardError::Aborted) } else { Ok(()) }
    }

    /// The residual streams that the rows begin with: the embeddings, or what a step that was broken off has left of the same token.
    fn begin(&self, tokens: &[u32], positions: &[u32], order: &Order, scratch: &Scratch) -> Result<(), ForwardError> {
        for (at, row) in order.rows.iter().enumerate() {
            // SAFETY: no thread is at work yet.
            let x = unsafe { scratch.x.slice_mut(self.hidden_row(at)) };
            match row.layer {
                0 => self.embed_row(tokens[row.index], positions[row.index], x)?,
                _ => x.copy_from_slice(&order.begun[row.span].x[self.hidden_row(row.behind)]),
            }
        }
        Ok(())
    }

    /// Leaves what a step that was broken off before `layer` has worked out in the caches.
    fn leave(&self, tokens: &[u32], layer: usize, order: &Order, step: &mut KvBatch, scratch: &Scratch) {
        let mut from = 0;
        for (cache, count) in &mut step.spans {
            let rows = from..from + *count;
            let mut begun = PartialStep { tokens: tokens[rows.clone()].to_vec(), ..PartialStep::default() };
            for row in rows.clone() {
                let at = order.place[row];
                begun.layers.push(layer.max(order.rows[at].layer));
                // SAFETY: no thread is at work any more.
                begun.x.extend_from_slice(unsafe { scratch.x.slice(self.hidden_row(at)) });
            }
            if begun.layers.iter().any(|layers| *layers > 0) {
                cache.save_partial(begun);
            }
            from = rows.end;
        }
    }

    /// The same on another device, over tensors.
    fn step_on_device(
        &self,
        tokens: &[u32],
        positions: &[u32],
        wanted: &[usize],
        step: &mut KvBatch,
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
            let (storage, layout) = table.storage_and_layout();
            let Storage::Cpu(storage) = &*storage else {
                candle_core::bail!("learned positions lie on another device")
            };
            let from = layout.start_offset() + position as usize * x.len();
            let learned = storage.as_slice::<f32>()?[from..].iter();
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
            Mutex::new(Thread { own: ThreadScratch::default(), attention, up: Vec::new(), head: vec![0.0; config.head_dim] })
        });
    }
}

/// Where the rows of a step lie while it is worked out.
#[derive(Default)]
struct Order {
    /// Those that begin at an earlier layer come first.
    rows: Vec<Begins>,
    /// Where each row of the step is among them.
    place: Vec<usize>,
    /// Where the wanted ones are.
    wanted: Vec<usize>,
    /// What a step that was broken off has left of each span.
    begun: Vec<PartialStep>,
}

impl Order {
    /// The rows of this step.
    fn fill(&mut self, tokens: &[u32], wanted: &[usize], step: &mut KvBatch) {
        let Self { rows, place, begun, .. } = self;
        rows.clear();
        begun.clear();
        for (span, (cache, count)) in step.spans.iter_mut().enumerate() {
            let from = rows.len();
            let left = cache.take_partial().unwrap_or_default();
            let known = kv::common_prefix_len(&left.tokens, &tokens[from..from + *count]);
            rows.extend((0..*count).map(|row| {
                let layer = if row < known { left.layers[row] } else { 0 };
                Begins { index: from + row, layer, span, behind: row }
            }));
            begun.push(left);
        }
        step.resumed = rows.iter().any(|row| row.layer > 0);
        rows.sort_by_key(|row| row.layer);
        place.resize(rows.len(), 0);
        for (at, row) in rows.iter().enumerate() {
            place[row.index] = at;
        }
        self.wanted.clear();
        self.wanted.extend(wanted.iter().map(|row| self.place[*row]));
    }
}

/// A row of a step.
struct Begins {
    /// Its place in the step.
    index: usize,
    /// The first layer that it goes through.
    layer: usize,
    span: usize,
    /// Its place in the span, behind the length of the cache.
    behind: usize,
}

/// A step under way, as all its threads see it.
struct Pass<'a> {
    decoder: &'a Decoder,
    kernels: &'static Kernels,
    positions: &'a [u32],
    spans: &'a [(&'a mut KvCache, usize)],
    order: &'a Order,
    /// Of so many of the wanted rows all logits are wanted, and of so many the likeliest token.
    whole: usize,
    likeliest: usize,
    scratch: &'a Scratch,
    logits: &'a Logits,
    /// The layer before which it was broken off.
    aborted: AtomicUsize,
    abort: &'a (dyn Fn() -> bool + Sync),
}

impl Pass<'_> {
    /// A row's cache, and its place behind the cache's length.
    fn place(&self, row: usize) -> (&KvCache, usize) {
        let Begins { span, behind, .. } = self.order.rows[row];
        (&*self.spans[span].0, behind)
    }

    /// One thread's part of the step.
    fn run(&self, member: &mut Member) {
        let Some(thread) = self.scratch.threads.get(member.thread) else { return };
        let thread = &mut *lock(thread);
        let layers = &self.decoder.layers;
        let (all, wanted) = (&self.order.rows[..], &self.order.wanted[..]);
        let first = all.first().map_or(0, |row| row.layer);
        for (index, layer) in layers.iter().enumerate().skip(first) {
            if member.thread == 0 && (self.abort)() {
                self.aborted.store(index, Ordering::Relaxed);
            }
            let rows = all.partition_point(|row| row.layer <= index);
            self.normalise(member, &self.scratch.x, rows, |x, out| {
                layer.attention_norm.row(self.kernels, x, out);
            });
            // Everybody has waited since it was written, and nobody writes it before the next wait.
            if self.aborted.load(Ordering::Relaxed) < usize::MAX {
                return;
            }
            let last = index + 1 == layers.len();
            self.project(member, thread, layer, rows);
            self.rotate(member, thread, index, layer, rows);
            if !last {
                self.attend(member, thread, index, rows, None);
                self.rest(member, thread, layer, &self.scratch.x, rows);
            } else if !wanted.is_empty() {
                // Nothing after the last attention needs the rows that nobody asked for.
                self.attend(member, thread, index, rows, Some(wanted));
                self.rest(member, thread, layer, &self.scratch.wanted, wanted.len());
            }
        }
        self.output(member, thread);
    }
}
