//! Buffers of a step on the CPU, kept from step to step, and the order of its rows.

use parking_lot::Mutex;

use crate::config::Config;
use crate::kernels::activations::Activations;
use crate::kernels::pool::pool;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kv::{self, AttentionScratch, KvBatch, PartialStep};
use crate::linear::ThreadScratch;

/// Buffers that a step writes between its phases, kept for the next step.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) x: SharedBuffer<f32>,       // [rows, hidden], the residual stream
    pub(super) final_x: SharedBuffer<f32>, // [logits_rows, hidden], after the last attention
    pub(super) q: SharedBuffer<f32>,       // [rows, heads * dim]
    pub(super) k: SharedBuffer<f32>,       // [rows, kv_heads * dim]
    pub(super) v: SharedBuffer<f32>,       // [rows, kv_heads * dim]
    pub(super) hidden: Activations,        // [rows, hidden], normalised
    pub(super) attended: Activations,      // [rows, heads * dim]
    pub(super) mlp_hidden: Activations,    // [rows, intermediate]
    pub(super) threads: Vec<Mutex<StepThread>>,
    pub(super) order: RowOrder,
    pub(super) late_logits: SharedBuffer<f32>, // [vocabulary], logits computed after the step
}

/// Scratch space of one thread.
pub(super) struct StepThread {
    pub(super) linear_scratch: ThreadScratch,
    pub(super) attention: AttentionScratch,
    pub(super) up: Vec<f32>,
    pub(super) head: Vec<f32>, // [dim]
}

impl Scratch {
    /// Makes room for a step.
    pub(super) fn reserve(&mut self, config: &Config, rows: usize, logits_rows: usize) {
        self.x.reserve(rows * config.hidden_size);
        self.final_x.reserve(logits_rows * config.hidden_size);
        self.q.reserve(rows * config.query_width());
        self.k.reserve(rows * config.kv_width());
        self.v.reserve(rows * config.kv_width());
        self.hidden.reshape(rows, config.hidden_size);
        self.attended.reshape(rows, config.query_width());
        self.mlp_hidden.reshape(rows, config.intermediate_size);
        self.threads.resize_with(pool().threads(), || {
            Mutex::new(StepThread {
                linear_scratch: ThreadScratch::default(),
                attention: AttentionScratch::new(config.head_dim),
                up: Vec::new(),
                head: vec![0.0; config.head_dim],
            })
        });
    }
}

/// Order of the rows of a step while it runs.
#[derive(Default)]
pub(super) struct RowOrder {
    /// Rows sorted by the layer that they start at.
    pub(super) rows: Vec<RowStart>,
    /// Index in `rows` of each row of the batch.
    pub(super) slot_of_row: Vec<usize>,
    /// Indices in `rows` of the rows whose logits are requested.
    pub(super) logits_slots: Vec<usize>,
    /// Partial step of each span, left by an aborted step.
    pub(super) partial_steps: Vec<PartialStep>,
}

impl RowOrder {
    /// Sorts the rows of a step, of which `logits_rows` need logits, and takes the partial steps out of its caches.
    pub(super) fn fill(&mut self, tokens: &[u32], logits_rows: &[usize], step: &mut KvBatch) {
        self.rows.clear();
        self.partial_steps.clear();
        for (span, (cache, count)) in step.spans.iter_mut().enumerate() {
            let first = self.rows.len();
            let partial = cache.take_partial().unwrap_or_default();
            let resumed = kv::common_prefix_len(&partial.tokens, &tokens[first..first + *count]);
            for offset in 0..*count {
                let layer = if offset < resumed { partial.layers[offset] } else { 0 };
                self.rows.push(RowStart { index: first + offset, layer, span, offset });
            }
            self.partial_steps.push(partial);
        }
        step.resumed = self.rows.iter().any(|row| row.layer > 0);
        self.rows.sort_by_key(|row| row.layer);
        self.slot_of_row.resize(self.rows.len(), 0);
        for (slot, row) in self.rows.iter().enumerate() {
            self.slot_of_row[row.index] = slot;
        }
        self.logits_slots.clear();
        self.logits_slots.extend(logits_rows.iter().map(|row| self.slot_of_row[*row]));
    }
}

/// Start of a row in a step.
pub(super) struct RowStart {
    /// Index in the batch.
    pub(super) index: usize,
    /// First layer to evaluate.
    pub(super) layer: usize,
    /// Index of its span.
    pub(super) span: usize,
    /// Offset in its span, from the committed length of the cache.
    pub(super) offset: usize,
}
