//! The engine's worker: admits jobs, runs steps, and retires jobs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::active_job::{ActiveJob, Phase};
use super::cost_model::StepCostModel;
use super::job::{Event, FinishReason, Priority, TokenInfo, Usage, mean_logprob};
use super::options::EngineOptions;
use super::prompt_encoder::{EncodedPrompt, PromptEncoder};
use super::scheduler::{Batch, ScheduledSpan};
use super::status::EngineState;
use super::ticket::{SubmittedJob, TicketState};
use crate::decoder::{Logits, LogitsRequest, LogitsRow};
use crate::healing::VocabularyIndex;
use crate::kv::{KvBatch, KvCache};
use crate::prefix_cache::{NextTokenState, PrefixCache};
use crate::{ForwardError, Model};

/// Background jobs at a time, at most; the oldest is cancelled for a new one. Later prefetches make it obsolete, and
/// each holds a sequence.
const MAX_BACKGROUND_JOBS: usize = 4;
/// Tokens of the steps that measure the prefill speed at the start.
const WARM_UP_TOKENS: usize = 16;

/// The loop of the engine's thread: admits jobs and runs steps until the engine stops, and sleeps while there are no
/// jobs.
pub(super) fn run(model: &Model, state: &EngineState, queue: &Receiver<SubmittedJob>, options: &EngineOptions) {
    let mut worker = Worker::new(model, state, options);
    if catch_unwind(AssertUnwindSafe(|| worker.warm_up())).is_err() {
        tracing::error!("the warm-up step panicked: please report this");
    }
    while !state.stopping.load(Ordering::Acquire) {
        if worker.jobs.is_empty() {
            match queue.recv() {
                Ok(job) => worker.admit(job),
                Err(_) => break,
            }
        }
        while let Ok(job) = queue.try_recv() {
            worker.admit(job);
        }
        state.interactive_waiting.store(false, Ordering::Release);
        worker.step();
    }
    worker.cancel_all();
    while let Ok(mut job) = queue.recv_timeout(Duration::ZERO) {
        job.reject("the engine has stopped");
    }
}

/// Everything that the engine's thread owns.
struct Worker<'a> {
    model: &'a Model,
    state: &'a EngineState,
    options: &'a EngineOptions,
    encoder: PromptEncoder,
    vocabulary: VocabularyIndex,
    prefix_cache: PrefixCache,
    jobs: Vec<ActiveJob>,
    cost_model: StepCostModel,
    /// Logits of the last step, kept to reuse the memory.
    logits: Logits,
}

impl<'a> Worker<'a> {
    fn new(model: &'a Model, state: &'a EngineState, options: &'a EngineOptions) -> Self {
        Self {
            model,
            state,
            options,
            encoder: PromptEncoder::default(),
            vocabulary: VocabularyIndex::new(&model.tokenizer),
            prefix_cache: PrefixCache::new(options.kv_bytes),
            jobs: Vec::new(),
            cost_model: StepCostModel::default(),
            logits: Logits::default(),
        }
    }

    /// Admits a job, or rejects it if it cannot run.
    fn admit(&mut self, mut submitted: SubmittedJob) {
        // A new job often continues the sequence of one that was cancelled for it.
        self.end_cancelled_jobs();
        if submitted.ticket.priority() == Priority::Background {
            self.evict_background_job();
        }
        let prompt = match self.encode(&submitted) {
            Ok(prompt) => prompt,
            Err(why) => return submitted.reject(&why),
        };
        let length = prompt.ids.len();
        let mut sequence = self.prefix_cache.acquire(&prompt.ids, self.model.decoder.config());
        if !sequence.has_next_token_state(length) {
            // The last token is evaluated again for the logits after it.
            sequence.truncate(length - 1);
        }
        self.jobs.push(ActiveJob::new(submitted, prompt, sequence));
        self.update_status();
    }

    /// Tokenizes a job's prompt and checks that it fits the model and the KV limit.
    fn encode(&mut self, submitted: &SubmittedJob) -> Result<EncodedPrompt, String> {
        let (encoder, tokenizer) = (&mut self.encoder, &self.model.tokenizer);
        let encoded = catch_unwind(AssertUnwindSafe(|| encoder.encode(&submitted.job.prompt, tokenizer)));
        let Ok(encoded) = encoded else { return Err("the tokenizer panicked: please report this".into()) };
        let prompt = encoded?;
        let config = self.model.decoder.config();
        let (length, context) = (prompt.ids.len(), config.context_length);
        if length == 0 {
            return Err("the prompt is empty, and the model has no token to start from".into());
        }
        if length >= context {
            return Err(format!(
                "the prompt has {length} tokens, but the model's context length is {context}: shorten the prompt"
            ));
        }
        let bytes = length * KvCache::bytes_per_position(config);
        if bytes > self.options.kv_bytes {
            let (needed, limit) = (bytes >> 20, self.options.kv_bytes >> 20);
            return Err(format!(
                "the prompt needs {needed} MiB of KV cache, but the limit is {limit} MiB: shorten it or raise the limit"
            ));
        }
        Ok(prompt)
    }

    /// Runs one step for the jobs of the most urgent priority.
    fn step(&mut self) {
        self.end_cancelled_jobs();
        let Some(priority) = self.jobs.iter().map(ActiveJob::priority).min() else { return self.update_status() };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.start_cached_prompts(priority);
            self.forward(priority)
        }));
        match outcome {
            Ok(Ok(())) | Ok(Err(ForwardError::Aborted)) => {}
            Ok(Err(error)) => self.fail_jobs(priority, &error.to_string()),
            Err(_) => self.fail_jobs(priority, "it panicked: please report this"),
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
    fn warm_up(&mut self) {
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

    /// Ends the jobs whose ticket was dropped; their sequences stay in the prefix cache.
    fn end_cancelled_jobs(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            if self.jobs[job].ticket.is_cancelled() {
                self.end_job(job, &FinishReason::Cancelled);
            }
        }
    }

    /// Cancels the oldest background job if there are [`MAX_BACKGROUND_JOBS`] of them.
    fn evict_background_job(&mut self) {
        let is_background = |job: &usize| self.jobs[*job].priority() == Priority::Background;
        let background: Vec<usize> = (0..self.jobs.len()).filter(is_background).collect();
        if background.len() < MAX_BACKGROUND_JOBS {
            return;
        }
        if let Some(oldest) = background.into_iter().min_by_key(|job| self.jobs[*job].started_at) {
            self.end_job(oldest, &FinishReason::Cancelled);
        }
    }

    /// Ends the jobs of a failed step.
    fn fail_jobs(&mut self, priority: Priority, why: &str) {
        tracing::error!("a step failed: {why}");
        for job in (0..self.jobs.len()).rev() {
            if self.jobs[job].priority() == priority {
                self.end_job(job, &FinishReason::Failed(why.into()));
            }
        }
    }

    /// Cancels all jobs, because the engine stops.
    fn cancel_all(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            self.end_job(job, &FinishReason::Cancelled);
        }
        self.update_status();
    }

    /// Ends the jobs that have no candidate left.
    fn end_finished_jobs(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            if matches!(&self.jobs[job].phase, Phase::Decode(candidates) if candidates.is_empty()) {
                self.end_job(job, &FinishReason::EndToken);
            }
        }
    }

    /// Removes a job, releases its sequences and sends its last events. `reason` applies to the candidates that have
    /// not ended.
    fn end_job(&mut self, job: usize, reason: &FinishReason) {
        let mut job = self.jobs.swap_remove(job);
        job.record_durations();
        self.add_usage(&job.usage);
        let (priority, length) = (job.priority(), job.prompt.ids.len());
        tracing::debug!("{priority:?} job of {length} tokens: {:?}, {reason:?}", job.usage);
        let mut unfinished: Vec<(usize, Vec<TokenInfo>)> = Vec::new();
        match job.phase {
            Phase::Prefill(sequence) => {
                self.prefix_cache.release(sequence);
                unfinished.extend((0..job.candidate_count).map(|index| (index, Vec::new())));
            }
            Phase::Decode(candidates) => {
                for candidate in candidates {
                    self.prefix_cache.release(candidate.sequence);
                    unfinished.push((candidate.index, candidate.token_infos));
                }
            }
        }
        let events = &mut job.events;
        let sent = catch_unwind(AssertUnwindSafe(|| {
            for (candidate, tokens) in unfinished {
                let confidence = mean_logprob(&tokens);
                events(Event::Finished { candidate, reason: reason.clone(), tokens, confidence });
            }
            events(Event::Done { usage: job.usage });
        }));
        if sent.is_err() {
            tracing::error!("the event handler of a job panicked");
        }
    }

    /// Adds the token counts of an ended job to the engine's.
    fn add_usage(&self, usage: &Usage) {
        let mut status = self.state.status.lock();
        status.evaluated += usage.evaluated as u64;
        status.reused += usage.reused as u64;
        status.generated += usage.generated as u64;
        status.drafted += usage.drafted as u64;
        status.accepted += usage.accepted as u64;
    }

    /// Updates the engine's load in its status.
    fn update_status(&self) {
        let mut status = self.state.status.lock();
        status.running = self.jobs.len();
        status.sequences = self.prefix_cache.len();
        status.kv_bytes = self.prefix_cache.bytes();
    }
}
