//! The engine's worker: admits jobs and ends them. Its steps are in [`step`].

mod step;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::active_job::{ActiveJob, Phase};
use super::cost_model::StepCostModel;
use super::job::{Event, FinishReason, Priority, TokenInfo, mean_logprob};
use super::options::EngineOptions;
use super::prompt_encoder::{EncodedPrompt, PromptEncoder};
use super::status::EngineState;
use super::ticket::SubmittedJob;
use crate::Model;
use crate::decoder::Logits;
use crate::healing::VocabularyIndex;
use crate::kv::KvCache;
use crate::prefix_cache::PrefixCache;

/// Maximum number of background jobs; the oldest is cancelled for a new one. Later prefetches make it obsolete, and
/// each holds a sequence.
const MAX_BACKGROUND_JOBS: usize = 4;

/// The loop of the engine's thread: admits jobs and runs steps until the engine stops, and sleeps while there are no
/// jobs.
pub(super) fn run(model: &Model, state: &Arc<EngineState>, queue: &Receiver<SubmittedJob>, options: &EngineOptions) {
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
    state: &'a Arc<EngineState>,
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
    fn new(model: &'a Model, state: &'a Arc<EngineState>, options: &'a EngineOptions) -> Self {
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
        self.jobs.push(ActiveJob::new(submitted, prompt, sequence, self.state));
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
        // A caller that reads the status after `Done` finds the job gone and its sequences in the prefix cache.
        self.update_status();
        let (listener, usage) = (&mut job.listener, job.usage);
        let sent = catch_unwind(AssertUnwindSafe(|| {
            for (candidate, tokens) in unfinished {
                let confidence = mean_logprob(&tokens);
                listener.send(&usage, Event::Finished { candidate, reason: reason.clone(), tokens, confidence });
            }
            listener.send(&usage, Event::Done { usage });
        }));
        if sent.is_err() {
            tracing::error!("the event handler of a job panicked");
        }
    }

    /// Updates the engine's load in its status.
    fn update_status(&self) {
        let mut status = self.state.status.lock();
        status.running = self.jobs.len();
        status.sequences = self.prefix_cache.len();
        status.kv_bytes = self.prefix_cache.bytes();
    }
}
