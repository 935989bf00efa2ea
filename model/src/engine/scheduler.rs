//! The scheduler: chooses the rows of the next batch.
//!
//! A batch serves the jobs of one priority and has three kinds of rows:
//!
//! 1. **Decode.** Each decoding candidate has a row for its pending token.
//! 2. **Drafts.** Decode is memory-bound: a batch of up to [`MAX_MEMORY_BOUND_ROWS`] rows costs about as much as one
//!    row. The candidates share that many rows to verify draft tokens in, as far as the [`StepCostModel`] finds them
//!    profitable.
//! 3. **Prefill chunks.** Prompts share a token budget, those with the fewest remaining tokens first, so that a short
//!    prompt never waits for a whole file. The budget is [`MAX_PREFILL_TOKENS_PER_STEP`], or at most
//!    [`MAX_PREFILL_TOKENS_WITH_DECODE`] if the batch also decodes. Aging ([`AGING_TOKENS_PER_STEP`]) keeps long
//!    prompts from starving. A chunk that completes its prompt is followed by the first candidate's draft.
//!
//! The rows of one sequence form a [`ScheduledSpan`]; spans lie in the order of the jobs and their candidates.

use std::ops::Range;

use super::active_job::{ActiveJob, Phase};
use super::candidate::ActiveCandidate;
use super::cost_model::{MAX_PREFILL_TOKENS_PER_STEP, MIN_PREFILL_TOKENS_PER_STEP, StepCostModel};
use super::job::Priority;
use crate::Model;
use crate::decoder::{Logits, LogitsRequest, LogitsRow};
use crate::kv::KvCache;
use crate::speculative::DraftBudget;

/// Prefill budget of a batch that also decodes, at most.
const MAX_PREFILL_TOKENS_WITH_DECODE: usize = 32;
/// Decode is memory-bound: a batch of up to this many rows costs about as much as one row, so drafts fill it.
const MAX_MEMORY_BOUND_ROWS: usize = 16;
/// Aging: for each step that a prompt waits, it is ranked as if it were this many tokens shorter.
const AGING_TOKENS_PER_STEP: usize = 16;

/// The rows of one step.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) tokens: Vec<u32>,
    /// Position of each token in its sequence.
    pub(super) positions: Vec<u32>,
    /// Rows that need all logits.
    full_logit_rows: Vec<usize>,
    /// Rows that need only the argmax.
    argmax_rows: Vec<usize>,
    /// Rows whose next token has to spell a healing prefix. Few tokens can, so their logits are computed after the
    /// step.
    healing_rows: Vec<usize>,
    /// The rows of these three lists, in this order.
    logit_rows: Vec<usize>,
    pub(super) spans: Vec<ScheduledSpan>,
}

/// Consecutive rows of one sequence in a batch: a chunk of a prompt or a pending token, and perhaps a draft behind it.
pub(super) struct ScheduledSpan {
    /// Index of the job.
    pub(super) job: usize,
    /// Index of the candidate in the job's list; `None` for a prefill chunk.
    pub(super) candidate: Option<usize>,
    /// The span's rows in the batch.
    pub(super) rows: Range<usize>,
    /// Number of draft tokens, which are the last rows.
    pub(super) draft_len: usize,
    /// True if tokens are sampled after the last row before the draft and after the draft's rows.
    pub(super) samples: bool,
    /// Number of sampled rows, the first ones, that have to spell a healing prefix.
    healing_row_count: usize,
    /// Index of the first of these rows in the step's logits.
    first_healing_logit: usize,
    /// Index of the first of the other sampled rows in the step's logits.
    first_other_logit: usize,
    /// True if the other sampled rows need all logits.
    full_logits: bool,
}

/// The logits that the sampled rows of a span need.
#[derive(Default)]
struct SpanLogitsRequest {
    /// Number of rows, the first ones, that have to spell a healing prefix.
    healing_rows: usize,
    /// True if the other rows need all logits, false if the argmax will do.
    full: bool,
}

impl ScheduledSpan {
    /// The logits after `draft_tokens` tokens of the draft; 0 for those after the last token before it.
    pub(super) fn logits_row<'l>(&self, logits: &'l Logits, draft_tokens: usize) -> LogitsRow<'l> {
        if draft_tokens < self.healing_row_count {
            logits.row(self.first_healing_logit + draft_tokens)
        } else {
            logits.row(self.first_other_logit + draft_tokens - self.healing_row_count)
        }
    }
}

impl Batch {
    /// Schedules the next step of the jobs of this priority, with at most `max_draft_tokens` for each candidate.
    pub(super) fn schedule(
        jobs: &[ActiveJob],
        priority: Priority,
        model: &Model,
        max_draft_tokens: usize,
        cost_model: &StepCostModel,
    ) -> Self {
        let chunks = allocate_prefill(jobs, priority, cost_model);
        let mut candidate_count = 0;
        for (job, chunk) in jobs.iter().zip(&chunks) {
            candidate_count += sampling_candidates(job, priority, *chunk);
        }
        let free_rows = MAX_MEMORY_BOUND_ROWS.saturating_sub(candidate_count);
        let max_tokens = (free_rows / candidate_count.max(1)).min(max_draft_tokens);
        let budget = DraftBudget { max_tokens, row_cost: cost_model.marginal_row_cost() };
        let mut batch = Self::default();
        for (index, job) in jobs.iter().enumerate() {
            if job.priority() != priority {
                continue;
            }
            match &job.phase {
                Phase::Prefill(_) => batch.add_prefill(index, job, chunks[index], budget, model),
                Phase::Decode(candidates) => {
                    for (candidate_index, candidate) in candidates.iter().enumerate() {
                        batch.add_decode(index, job, candidate_index, candidate, budget, model);
                    }
                }
            }
        }
        batch.place_logits();
        batch
    }

    /// Puts the three lists of rows behind each other, and moves the spans' indices along.
    fn place_logits(&mut self) {
        let first_argmax = self.full_logit_rows.len();
        let first_healing = first_argmax + self.argmax_rows.len();
        for span in &mut self.spans {
            span.first_healing_logit += first_healing;
            if !span.full_logits {
                span.first_other_logit += first_argmax;
            }
        }
        self.logit_rows = [&self.full_logit_rows[..], &self.argmax_rows, &self.healing_rows].concat();
    }

    /// The logits that the step has to compute.
    pub(super) fn logits_request(&self) -> LogitsRequest<'_> {
        LogitsRequest { rows: &self.logit_rows, full: self.full_logit_rows.len(), argmax: self.argmax_rows.len() }
    }

    /// True if the batch has a prefill chunk so long that a new interactive job should not wait for the end of the
    /// step.
    pub(super) fn is_preemptible(&self) -> bool {
        self.spans.iter().any(|span| span.candidate.is_none() && span.rows.len() >= MIN_PREFILL_TOKENS_PER_STEP)
    }

    /// True if one thread should run the batch when no user waits for it.
    ///
    /// Such a batch is memory-bound: a second thread would cost more processor time than it saves. On a slow machine,
    /// however, a prefetch would be ready too late.
    pub(super) fn fits_one_thread(&self, cost_model: &StepCostModel) -> bool {
        self.tokens.len() <= MAX_MEMORY_BOUND_ROWS && cost_model.is_fast_machine()
    }

    /// Adds the next `chunk` tokens of a prompt and, at the prompt's end, a draft of the first candidate.
    fn add_prefill(&mut self, index: usize, job: &ActiveJob, chunk: usize, budget: DraftBudget, model: &Model) {
        let prompt = &job.prompt.ids;
        let start = prompt.len() - job.remaining_prompt_tokens();
        let end = start + chunk;
        if chunk == 0 || end < prompt.len() {
            return self.add_span(index, None, &prompt[start..end], &[], start, None);
        }
        let draft = job.propose_draft(model, &[], 0, end, budget);
        let request = SpanLogitsRequest {
            healing_rows: job.healing_row_count(model, job.prompt.healing_prefix.len(), &draft),
            full: job.needs_full_logits() || job.candidate_count > 1,
        };
        self.add_span(index, None, &prompt[start..end], &draft, start, Some(request));
    }

    /// Adds a candidate's pending token and a draft behind it.
    fn add_decode(
        &mut self,
        index: usize,
        job: &ActiveJob,
        candidate_index: usize,
        candidate: &ActiveCandidate,
        budget: DraftBudget,
        model: &Model,
    ) {
        let start = candidate.sequence.tokens.len();
        let (generated, count) = (candidate.output.bytes(), candidate.generated_ids.len());
        let draft = job.propose_draft(model, generated, count, start + 1, budget);
        let healing_rows = job.healing_row_count(model, candidate.output.remaining_prefix().len(), &draft);
        let request = SpanLogitsRequest { healing_rows, full: job.needs_full_logits() };
        self.add_span(index, Some(candidate_index), &[candidate.pending_token], &draft, start, Some(request));
    }

    /// Adds rows for `tokens` and the draft behind them, from position `start` on. Without a request nothing is
    /// sampled.
    fn add_span(
        &mut self,
        job: usize,
        candidate: Option<usize>,
        tokens: &[u32],
        draft: &[u32],
        start: usize,
        request: Option<SpanLogitsRequest>,
    ) {
        if tokens.is_empty() {
            return;
        }
        let first_row = self.tokens.len();
        self.tokens.extend(tokens.iter().chain(draft));
        let rows = first_row..self.tokens.len();
        self.positions.extend((start..start + rows.len()).map(|position| position as u32));
        let samples = request.is_some();
        let SpanLogitsRequest { healing_rows, full } = request.unwrap_or_default();
        let other_rows = if full { &mut self.full_logit_rows } else { &mut self.argmax_rows };
        self.spans.push(ScheduledSpan {
            job,
            candidate,
            rows: rows.clone(),
            draft_len: draft.len(),
            samples,
            healing_row_count: healing_rows,
            first_healing_logit: self.healing_rows.len(),
            first_other_logit: other_rows.len(),
            full_logits: full,
        });
        if samples {
            let first_sampled = rows.end - draft.len() - 1;
            self.healing_rows.extend(first_sampled..first_sampled + healing_rows);
            other_rows.extend(first_sampled + healing_rows..rows.end);
        }
    }

    /// The KV cache and the number of rows of each span, with room reserved for the rows.
    pub(super) fn kv_spans<'a>(&self, jobs: &'a mut [ActiveJob]) -> Vec<(&'a mut KvCache, usize)> {
        let mut scheduled = self.spans.iter().peekable();
        let mut kv_spans = Vec::new();
        for (index, job) in jobs.iter_mut().enumerate() {
            let caches: Vec<&mut KvCache> = match &mut job.phase {
                Phase::Prefill(sequence) => vec![&mut sequence.cache],
                Phase::Decode(candidates) => candidates.iter_mut().map(|one| &mut one.sequence.cache).collect(),
            };
            for cache in caches {
                if let Some(span) = scheduled.next_if(|span| span.job == index) {
                    cache.reserve(span.rows.len());
                    kv_spans.push((cache, span.rows.len()));
                }
            }
        }
        kv_spans
    }
}

/// Returns the number of prompt tokens that each job may prefill in the next step.
fn allocate_prefill(jobs: &[ActiveJob], priority: Priority, cost_model: &StepCostModel) -> Vec<usize> {
    let decodes = |job: &ActiveJob| job.priority() == priority && matches!(job.phase, Phase::Decode(_));
    let mut budget = if jobs.iter().any(decodes) {
        MAX_PREFILL_TOKENS_WITH_DECODE.min(cost_model.prefill_budget())
    } else {
        MAX_PREFILL_TOKENS_PER_STEP
    };
    let prefills = |job: &ActiveJob| job.priority() == priority && job.remaining_prompt_tokens() > 0;
    let mut waiting: Vec<usize> = (0..jobs.len()).filter(|job| prefills(&jobs[*job])).collect();
    waiting.sort_by_key(|job| {
        let job = &jobs[*job];
        job.remaining_prompt_tokens().saturating_sub(job.steps_waited * AGING_TOKENS_PER_STEP)
    });
    let mut chunks = vec![0; jobs.len()];
    for job in waiting {
        chunks[job] = budget.min(jobs[job].remaining_prompt_tokens());
        budget -= chunks[job];
    }
    chunks
}

/// Returns the number of a job's candidates that tokens are sampled for, if the job prefills `chunk` tokens.
fn sampling_candidates(job: &ActiveJob, priority: Priority, chunk: usize) -> usize {
    if job.priority() != priority {
        return 0;
    }
    match &job.phase {
        // One row is sampled at the end of the prompt, for all candidates.
        Phase::Prefill(_) => usize::from(chunk > 0 && chunk == job.remaining_prompt_tokens()),
        Phase::Decode(candidates) => candidates.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_small_batch_runs_on_one_thread_on_a_fast_machine() {
        let fits = |rows: usize, milliseconds: Option<u64>| {
            let mut cost_model = StepCostModel::default();
            if let Some(milliseconds) = milliseconds {
                cost_model.record(64, Duration::from_millis(milliseconds));
            }
            Batch { tokens: vec![0; rows], ..Batch::default() }.fits_one_thread(&cost_model)
        };
        assert!(fits(1, Some(60)) && fits(MAX_MEMORY_BOUND_ROWS, Some(110)));
        assert!(!fits(MAX_MEMORY_BOUND_ROWS + 1, Some(60)) && !fits(1, Some(130)) && !fits(1, None));
    }
}
