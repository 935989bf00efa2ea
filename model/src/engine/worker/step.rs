//! A step of the engine's worker: builds a batch, evaluates it, and lets the jobs accept tokens from its logits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::active_job::{ActiveJob, Phase};
use super::super::job::Priority;
use super::super::scheduler::{Batch, ScheduledSpan};
use super::super::ticket::TicketState;
use super::Worker;
use crate::ForwardError;
use crate::decoder::{Logits, LogitsRequest, LogitsRow};
use crate::kv::{KvBatch, KvCache};
use crate::prefix_cache::NextTokenState;

/// Tokens of the steps that measure the prefill speed at the start.
const WARM_UP_TOKENS: usize = 16;

impl Worker<'_> {
    /// Runs one step for the jobs of the most urgent priority.
    pub(super) fn step(&mut self) {
        self.end_cancelled_jobs();
        let Some(priority) = self.jobs.iter().map(ActiveJob::priority).min() else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.start_cached_prompts(priority);
            self.forward(priority)
        }));
        match outcome {
            Ok(Ok(())) | Ok(Err(ForwardError::Aborted)) => {}
            Ok(Err(error)) => self.fail_jobs(priority, &error.to_string()),
            Err(_) => self.fail_jobs(priority, "the step panicked: please report this"),
        }
        self.end_finished_jobs();
        self.update_status();
    }

    /// Starts decoding the jobs whose prompt is in the prefix cache with the logits after it: they need no forward
    /// pass.
    fn start_cached_prompts(&mut self, priority: Priority) {
        for job in 0..self.jobs.len() {
            if self.jobs[job].priority() == priority && self.jobs[job].is_prompt_cached() {
                self.start_decode(job, &[], |_| LogitsRow::default());
            }
        }
    }

    /// Schedules a batch, evaluates it and processes its logits.
    ///
    /// The step is aborted before its next layer if the engine stops, if an interactive job should preempt it, or if
    /// all of its jobs are cancelled.
    fn forward(&mut self, priority: Priority) -> Result<(), ForwardError> {
        let max_draft_tokens = self.options.max_draft_tokens;
        let batch = Batch::schedule(&self.jobs, priority, self.model, max_draft_tokens, &self.cost_model);
        if batch.tokens.is_empty() {
            return Ok(());
        }
        let mut tickets: Vec<Arc<TicketState>> = Vec::new();
        for job in &self.jobs {
            if job.priority() == priority {
                tickets.push(job.ticket.clone());
            }
        }
        let decoder = &self.model.decoder;
        // On another device an aborted step loses all that it computed, so interactive prefill runs to its end there.
        let preemptible = priority != Priority::Interactive || batch.is_preemptible() && decoder.device().is_cpu();
        let state = self.state;
        let abort = || {
            state.stopping.load(Ordering::Acquire)
                || preemptible && state.interactive_waiting.load(Ordering::Acquire)
                || tickets.iter().all(|ticket| ticket.is_cancelled())
        };
        let mut kv_batch = KvBatch::new(batch.kv_spans(&mut self.jobs), decoder.config().heads);
        kv_batch.single_threaded = priority == Priority::Background && batch.fits_one_thread(&self.cost_model);
        let mut logits = std::mem::take(&mut self.logits);
        let (tokens, request) = (&batch.tokens, batch.logits_request());
        let started_at = Instant::now();
        let outcome = decoder.step(tokens, &batch.positions, request, &mut kv_batch, &abort, &mut logits);
        if outcome.is_ok() {
            if !kv_batch.single_threaded && !kv_batch.resumed {
                self.record_step_time(batch.tokens.len(), started_at.elapsed());
            }
            self.process_logits(&batch, &logits, priority);
        }
        self.logits = logits;
        outcome
    }

    /// Records the time of a step that ran whole and on all threads.
    fn record_step_time(&mut self, rows: usize, time: Duration) {
        self.cost_model.record(rows, time);
        self.state.status.lock().prefill_tokens_per_second = self.cost_model.prefill_tokens_per_second();
    }

    /// Measures the prefill speed before the first job; aborted when one arrives.
    pub(super) fn warm_up(&mut self) {
        let config = self.model.decoder.config();
        let rows = WARM_UP_TOKENS.min(config.context_length).min(config.vocab_size);
        let ids: Vec<u32> = (0..rows as u32).collect();
        let (state, mut logits) = (self.state, Logits::default());
        let abort = || state.interactive_waiting.load(Ordering::Acquire) || state.stopping.load(Ordering::Acquire);
        // The first step also pays for memory that was never touched, so only the second is recorded.
        for is_recorded in [false, true] {
            let mut cache = KvCache::new(config);
            cache.reserve(rows);
            let mut kv_batch = KvBatch::new(vec![(&mut cache, rows)], config.heads);
            let started_at = Instant::now();
            let request = LogitsRequest::all_full(&[]);
            match self.model.decoder.step(&ids, &ids, request, &mut kv_batch, &abort, &mut logits) {
                Ok(()) if is_recorded => self.record_step_time(rows, started_at.elapsed()),
                Ok(()) => {}
                // A job is waiting; or the model does not run, as the first job will report.
                Err(_) => return,
            }
        }
    }

    /// Commits the rows of a step and samples the next tokens.
    fn process_logits(&mut self, batch: &Batch, logits: &Logits, priority: Priority) {
        for job in &mut self.jobs {
            if job.priority() == priority {
                job.steps_waited += 1;
            }
        }
        let (mut ended, mut prefilled) = (Vec::new(), Vec::new());
        for span in &batch.spans {
            let (tokens, draft) = batch.tokens[span.rows.clone()].split_at(span.rows.len() - span.draft_len);
            self.jobs[span.job].steps_waited = 0;
            match span.candidate {
                Some(candidate) => {
                    if self.advance_decode(span, candidate, tokens, draft, logits) {
                        ended.push((span.job, candidate));
                    }
                }
                None => {
                    if self.advance_prefill(span, tokens, logits) {
                        prefilled.push((span, draft));
                    }
                }
            }
        }
        // Candidates are removed only now, from the last on, because the spans refer to them by index.
        for (job, candidate) in ended.into_iter().rev() {
            if let Phase::Decode(candidates) = &mut self.jobs[job].phase {
                self.prefix_cache.release(candidates.remove(candidate).sequence);
            }
        }
        for (span, draft) in prefilled {
            self.start_decode(span.job, draft, |draft_tokens| span.logits_row(logits, draft_tokens));
        }
    }

    /// Commits the rows of a candidate and samples its next tokens. Returns true if the candidate has ended.
    fn advance_decode(
        &mut self,
        span: &ScheduledSpan,
        candidate: usize,
        tokens: &[u32],
        draft: &[u32],
        logits: &Logits,
    ) -> bool {
        let (phase, mut context) = self.jobs[span.job].decode_context(self.model, &self.vocabulary);
        let Phase::Decode(candidates) = phase else { return false };
        let candidate = &mut candidates[candidate];
        candidate.sequence.cache.commit(span.rows.len());
        candidate.sequence.tokens.extend(tokens);
        context.accept_tokens(candidate, 0, draft, |draft_tokens| span.logits_row(logits, draft_tokens))
    }

    /// Commits a prefill chunk. Returns true at the end of the prompt, after keeping the state that the first tokens
    /// are sampled from.
    fn advance_prefill(&mut self, span: &ScheduledSpan, tokens: &[u32], logits: &Logits) -> bool {
        let job = &mut self.jobs[span.job];
        job.usage.evaluated += tokens.len();
        let Phase::Prefill(sequence) = &mut job.phase else { return false };
        sequence.cache.commit(span.rows.len());
        sequence.tokens.extend(tokens);
        if span.samples {
            let next_token = Arc::new(NextTokenState::new(&span.logits_row(logits, 0)));
            sequence.next_token_state = Some((sequence.tokens.len(), next_token));
        }
        span.samples
    }

    /// Starts the decode phase of a job: samples the first tokens of each candidate.
    ///
    /// The first candidate also verifies `draft`, which was evaluated behind the prompt; `logits(n)` are the logits
    /// after `n` tokens of it, from 1 on.
    fn start_decode<'l>(&mut self, job: usize, draft: &[u32], logits: impl Fn(usize) -> LogitsRow<'l>) {
        let job = &mut self.jobs[job];
        let (candidates, next_token) = job.start_decode();
        let mut active = Vec::new();
        let (phase, mut context) = job.decode_context(self.model, &self.vocabulary);
        for mut candidate in candidates {
            let draft = if candidate.index == 0 { draft } else { &[] };
            let rank = candidate.index;
            let rows = |draft_tokens| if draft_tokens == 0 { next_token.logits_row() } else { logits(draft_tokens) };
            if context.accept_tokens(&mut candidate, rank, draft, rows) {
                self.prefix_cache.release(candidate.sequence);
            } else {
                active.push(candidate);
            }
        }
        *phase = Phase::Decode(active);
    }
}
