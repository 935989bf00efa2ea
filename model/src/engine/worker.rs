//! The steps of the engine's thread, and what becomes of their logits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::active_job::{ActiveJob, Phase};
use super::cost_model::StepCostModel;
use super::decode::mean_logprob;
use super::job::{Event, FinishReason, Priority, TokenInfo, Usage, reject_job};
use super::prompt_encoder::{EncodedPrompt, PromptEncoder};
use super::scheduler::{Batch, ScheduledSpan};
use super::{EngineOptions, EngineState, SubmittedJob, TicketState, lock};
use crate::decoder::{Logits, LogitsRequest, LogitsRow};
use crate::healing::VocabularyIndex;
use crate::kv::{KvBatch, KvCache};
use crate::prefix_cache::{NextTokenState, PrefixCache};
use crate::{ForwardError, Model};

/// Background jobs that are kept waiting at the most: what they were for is past when others go on coming, and each has a sequence.
const MAX_BACKGROUND_JOBS: usize = 4;
/// Tokens that are read to find out how fast that is.
const WARM_UP_TOKENS: usize = 16;

/// Everything that the engine's thread owns.
pub(super) struct Worker<'a> {
    model: &'a Model,
    state: &'a EngineState,
    encoder: PromptEncoder,
    vocabulary: VocabularyIndex,
    prefix_cache: PrefixCache,
    options: &'a EngineOptions,
    jobs: Vec<ActiveJob>,
    cost_model: StepCostModel,
    /// Those of the last step; its memory is used again.
    logits: Logits,
}

impl<'a> Worker<'a> {
    pub(super) fn new(model: &'a Model, shared: &'a EngineState, options: &'a EngineOptions) -> Self {
        let spelling = VocabularyIndex::new(&model.tokenizer);
        let sequences = PrefixCache::new(options.kv_bytes);
        let (encoder, jobs, pace, logits) = Default::default();
        Self {
            model,
            state: shared,
            encoder,
            vocabulary: spelling,
            prefix_cache: sequences,
            options,
            jobs,
            cost_model: pace,
            logits,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Takes a job in; a job that cannot run is answered at once.
    pub(super) fn admit(&mut self, mut submitted: SubmittedJob) {
        // What a cancelled job has read is often what this one goes on from.
        self.end_cancelled_jobs();
        if submitted.ticket.priority() == Priority::Background {
            self.evict_background_job();
        }
        let prompt = &submitted.job.prompt;
        let encoded = catch_unwind(AssertUnwindSafe(|| self.encoder.encode(prompt, &self.model.tokenizer)));
        let encoded = encoded.unwrap_or_else(|_| Err("cutting it into tokens panicked; please report this".into()));
        let tokens = match encoded.and_then(|it| self.check_limits(it)) {
            Ok(tokens) => tokens,
            Err(why) => return reject_job(&mut *submitted.events, submitted.job.candidates, &why),
        };
        let mut sequence = self.prefix_cache.acquire(&tokens.ids, self.model.decoder.config());
        if !sequence.has_next_token_state(tokens.ids.len()) {
            sequence.truncate(tokens.ids.len() - 1);
        }
        self.jobs.push(ActiveJob::new(submitted, tokens, sequence));
        self.update_status();
    }

    fn check_limits(&self, tokens: EncodedPrompt) -> Result<EncodedPrompt, String> {
        let config = self.model.decoder.config();
        let bytes = tokens.ids.len() * KvCache::bytes_per_position(config);
        if tokens.ids.is_empty() {
            return Err("the prompt is empty and the model has no token to begin a text with".into());
        }
        if tokens.ids.len() >= config.context_length {
            let (length, context) = (tokens.ids.len(), config.context_length);
            return Err(format!("the prompt has {length} tokens; the model's context ends at {context}"));
        }
        if bytes > self.options.kv_bytes {
            let limit = self.options.kv_bytes >> 20;
            return Err(format!("the prompt needs {} MiB of KV cache and {limit} MiB are allowed", bytes >> 20));
        }
        Ok(tokens)
    }

    /// One forward pass for everybody whose turn it is.
    pub(super) fn step(&mut self) {
        self.end_cancelled_jobs();
        let Some(turn) = self.jobs.iter().map(ActiveJob::priority).min() else { return self.update_status() };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.start_cached_prompts(turn);
            self.forward(turn)
        }));
        match outcome {
            Ok(Ok(())) | Ok(Err(ForwardError::Aborted)) => {}
            Ok(Err(error)) => self.fail_jobs(turn, &error.to_string()),
            Err(_) => self.fail_jobs(turn, "it panicked; please report this"),
        }
        self.end_finished_jobs();
        self.update_status();
    }

    /// Prompts that were read whole before need no forward pass.
    fn start_cached_prompts(&mut self, turn: Priority) {
        for job in 0..self.jobs.len() {
            if self.jobs[job].priority() == turn && self.jobs[job].is_prompt_cached() {
                self.start_decode(job, &[], |_| LogitsRow::default());
            }
        }
    }

    fn forward(&mut self, turn: Priority) -> Result<(), ForwardError> {
        let rows = Batch::schedule(&self.jobs, turn, self.model, self.options.max_draft_tokens, &self.cost_model);
        if rows.tokens.is_empty() {
            return Ok(());
        }
        let theirs = |job: &&ActiveJob| job.priority() == turn;
        let claims: Vec<Arc<TicketState>> = self.jobs.iter().filter(theirs).map(|job| job.ticket.clone()).collect();
        let decoder = &self.model.decoder;
        // On another device all that a step has worked out is lost with it.
        let gives_way = turn != Priority::Interactive || rows.is_preemptible() && decoder.device().is_cpu();
        let shared = self.state;
        let abort = || {
            shared.stopping.load(Ordering::Acquire)
                || gives_way && shared.interactive_waiting.load(Ordering::Acquire)
                || claims.iter().all(|claim| claim.is_cancelled())
        };
        let mut step = KvBatch::new(rows.kv_spans(&mut self.jobs), decoder.config().heads);
        step.single_threaded = turn == Priority::Background && rows.fits_one_thread(&self.cost_model);
        let mut logits = std::mem::take(&mut self.logits);
        let began = Instant::now();
        let outcome =
            decoder.step(&rows.tokens, &rows.positions, rows.logits_request(), &mut step, &abort, &mut logits);
        if outcome.is_ok() {
            if !step.single_threaded && !step.resumed {
                self.record_step_time(rows.tokens.len(), began.elapsed());
            }
            self.process_logits(&rows, &logits, turn);
        }
        self.logits = logits;
        outcome
    }

    /// A step of so many rows took so long on all threads.
    fn record_step_time(&mut self, rows: usize, time: Duration) {
        self.cost_model.record(rows, time);
        lock(&self.state.status).prefill_tokens_per_second = self.cost_model.prefill_tokens_per_second();
    }

    /// Finds out how fast prompts are read, before anybody asks for one; gives way at once.
    pub(super) fn warm_up(&mut self) {
        let config = self.model.decoder.config();
        let rows = WARM_UP_TOKENS.min(config.context_length).min(config.vocab_size);
        let ids: Vec<u32> = (0..rows as u32).collect();
        let (shared, mut logits) = (self.state, Logits::default());
        let abort = || shared.interactive_waiting.load(Ordering::Acquire) || shared.stopping.load(Ordering::Acquire);
        // The first step finds memory that was never touched.
        for counts in [false, true] {
            let mut cache = KvCache::new(config);
            cache.reserve(rows);
            let mut step = KvBatch::new(vec![(&mut cache, rows)], config.heads);
            let began = Instant::now();
            match self.model.decoder.step(&ids, &ids, LogitsRequest::whole(&[]), &mut step, &abort, &mut logits) {
                Ok(()) if counts => self.record_step_time(rows, began.elapsed()),
                Ok(()) => {}
                // Somebody asks already, or will hear of the error when he does.
                Err(_) => return,
            }
        }
    }

    /// Counts what a step evaluated and draws the next tokens. Candidates that end are removed after all have been seen.
    fn process_logits(&mut self, rows: &Batch, logits: &Logits, turn: Priority) {
        self.jobs.iter_mut().filter(|job| job.priority() == turn).for_each(|job| job.steps_waited += 1);
        let (mut ended, mut read) = (Vec::new(), Vec::new());
        for piece in &rows.spans {
            let (own, draft) = rows.tokens[piece.rows.clone()].split_at(piece.rows.len() - piece.draft_len);
            self.jobs[piece.job].steps_waited = 0;
            match piece.candidate {
                Some(place) if self.advance_decode(piece, place, own, draft, logits) => ended.push((piece.job, place)),
                None if self.advance_prefill(piece, own, logits) => read.push((piece, draft)),
                _ => {}
            }
        }
        for (job, place) in ended.into_iter().rev() {
            if let Phase::Decode(candidates) = &mut self.jobs[job].phase {
                self.prefix_cache.release(candidates.remove(place).sequence);
            }
        }
        read.into_iter()
            .for_each(|(piece, draft)| self.start_decode(piece.job, draft, |at| piece.logits_row(logits, at)));
    }

    /// A candidate's rows were evaluated: goes on with it. Says whether it is over.
    fn advance_decode(
        &mut self,
        piece: &ScheduledSpan,
        place: usize,
        own: &[u32],
        draft: &[u32],
        logits: &Logits,
    ) -> bool {
        let (stage, mut voice) = self.jobs[piece.job].decode_context(self.model, &self.vocabulary);
        let Phase::Decode(candidates) = stage else { return false };
        let candidate = &mut candidates[place];
        candidate.sequence.cache.commit(piece.rows.len());
        candidate.sequence.tokens.extend(own);
        voice.accept_tokens(candidate, 0, draft, |at| piece.logits_row(logits, at))
    }

    /// A piece of a prompt was evaluated. Says whether that was its end.
    fn advance_prefill(&mut self, piece: &ScheduledSpan, own: &[u32], logits: &Logits) -> bool {
        let ends = piece.samples;
        let running = &mut self.jobs[piece.job];
        running.usage.evaluated += own.len();
        let Phase::Prefill(sequence) = &mut running.phase else { return false };
        sequence.cache.commit(piece.rows.len());
        sequence.tokens.extend(own);
        if ends {
            sequence.next_token_state =
                Some((sequence.tokens.len(), Arc::new(NextTokenState::new(&piece.logits_row(logits, 0)))));
        }
        ends
    }

    /// The prompt has been read, and a draft behind it: draws the first tokens of each candidate. `logits` gives what was
    /// computed for the draft, from 1 on.
    fn start_decode<'l>(&mut self, job: usize, draft: &[u32], logits: impl Fn(usize) -> LogitsRow<'l>) {
        let running = &mut self.jobs[job];
        let (begun, first) = running.start_decode();
        let mut going = Vec::new();
        let (stage, mut voice) = running.decode_context(self.model, &self.vocabulary);
        for mut candidate in begun {
            let draft = if candidate.index == 0 { draft } else { &[] };
            let rank = candidate.index;
            let rows = |at| if at == 0 { first.logits_row() } else { logits(at) };
            if voice.accept_tokens(&mut candidate, rank, draft, rows) {
                self.prefix_cache.release(candidate.sequence);
            } else {
                going.push(candidate);
            }
        }
        *stage = Phase::Decode(going);
    }

    /// Ends the jobs that nobody waits for any more; their sequences stay.
    fn end_cancelled_jobs(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            if self.jobs[job].ticket.is_cancelled() {
                self.end_job(job, &FinishReason::Cancelled);
            }
        }
    }

    /// Ends the oldest background job if there are as many as may be.
    fn evict_background_job(&mut self) {
        let waiting = (0..self.jobs.len()).filter(|job| self.jobs[*job].priority() == Priority::Background);
        let full = waiting.clone().count() >= MAX_BACKGROUND_JOBS;
        if let Some(oldest) = waiting.min_by_key(|job| self.jobs[*job].started_at).filter(|_| full) {
            self.end_job(oldest, &FinishReason::Cancelled);
        }
    }

    /// Ends the jobs whose turn it was with an error.
    fn fail_jobs(&mut self, turn: Priority, why: &str) {
        tracing::error!("a step failed: {why}");
        for job in (0..self.jobs.len()).rev() {
            if self.jobs[job].priority() == turn {
                self.end_job(job, &FinishReason::Failed(why.into()));
            }
        }
    }

    /// Ends all jobs; the engine stops.
    pub(super) fn cancel_all(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            self.end_job(job, &FinishReason::Cancelled);
        }
        self.update_status();
    }

    /// Ends a job where it stands.
    fn end_job(&mut self, job: usize, reason: &FinishReason) {
        let mut running = self.jobs.swap_remove(job);
        running.record_durations();
        self.add_usage(&running.usage);
        tracing::debug!(
            "{:?} job of {} tokens: {:?}, {reason:?}",
            running.priority(),
            running.prompt.ids.len(),
            running.usage
        );
        let unfinished: Vec<(usize, Vec<TokenInfo>)> = match running.phase {
            Phase::Prefill(sequence) => {
                self.prefix_cache.release(sequence);
                (0..running.candidate_count).map(|index| (index, Vec::new())).collect()
            }
            Phase::Decode(candidates) => {
                let ended = candidates.into_iter().map(|candidate| {
                    self.prefix_cache.release(candidate.sequence);
                    (candidate.index, candidate.token_infos)
                });
                ended.collect()
            }
        };
        let events = &mut running.events;
        let told = catch_unwind(AssertUnwindSafe(|| {
            for (candidate, tokens) in unfinished {
                let confidence = mean_logprob(&tokens);
                events(Event::Finished { candidate, reason: reason.clone(), tokens, confidence });
            }
            events(Event::Done { usage: running.usage });
        }));
        if told.is_err() {
            tracing::error!("the receiver of a job's events panicked");
        }
    }

    /// Says goodbye to jobs without a candidate left.
    fn end_finished_jobs(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            if matches!(&self.jobs[job].phase, Phase::Decode(candidates) if candidates.is_empty()) {
                self.end_job(job, &FinishReason::EndToken);
            }
        }
    }

    fn add_usage(&self, usage: &Usage) {
        let mut status = lock(&self.state.status);
        status.evaluated += usage.evaluated as u64;
        status.reused += usage.reused as u64;
        status.generated += usage.generated as u64;
        status.drafted += usage.drafted as u64;
        status.accepted += usage.accepted as u64;
    }

    fn update_status(&self) {
        let mut status = lock(&self.state.status);
        status.running = self.jobs.len();
        status.sequences = self.prefix_cache.len();
        status.kv_bytes = self.prefix_cache.bytes();
    }
}
