//! The steps of the engine's thread: which rows are evaluated together, and what becomes of their logits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::job::{Event, FinishReason, Priority, TokenInfo, Until, Usage, fail_all};
use super::prompt::{Encoder, Tokens};
use super::text::{Answer, Grown};
use super::{Shared, Submitted, lock};
use crate::decoder::Logits;
use crate::healing::Spelling;
use crate::kv::{KvCache, Step};
use crate::sampler::Sampler;
use crate::sequences::{Sequence, Sequences};
use crate::{ForwardError, Model, Sampling};

/// Prompt tokens that one step evaluates at the most: enough to be efficient, few enough to give way soon.
const CHUNK: usize = 128;

/// Everything that the engine's thread owns.
pub(super) struct Runner<'a> {
    model: &'a Model,
    shared: &'a Shared,
    encoder: Encoder,
    spelling: Spelling,
    sequences: Sequences,
    kv_limit: usize,
    jobs: Vec<Running>,
    logits: Logits,
}

/// A job in work.
struct Running {
    tokens: Tokens,
    count: usize,
    max_tokens: usize,
    sampling: Sampling,
    priority: Priority,
    stop_texts: Vec<String>,
    until: Option<Until>,
    events: Box<dyn FnMut(Event) + Send>,
    cancelled: Arc<AtomicBool>,
    started: Instant,
    prefilled: Option<Instant>,
    usage: Usage,
    stage: Stage,
}

enum Stage {
    Reading(Sequence),
    Writing(Vec<Candidate>),
}

/// One answer of a job.
struct Candidate {
    index: usize,
    sequence: Sequence,
    answer: Answer,
    sampler: Sampler,
    written: Vec<u32>,
    tokens: Vec<TokenInfo>,
    /// The last token, not yet evaluated.
    next: u32,
}

/// What a span of a step was for.
enum For {
    /// The prompt of a job; true for its end.
    Prompt { job: usize, ends: bool },
    /// A candidate of a job, by its place in the list.
    Candidate { job: usize, place: usize },
}

impl<'a> Runner<'a> {
    pub(super) fn new(model: &'a Model, shared: &'a Shared, kv_limit: usize) -> Self {
        let spelling = Spelling::new(&model.tokenizer);
        let sequences = Sequences::new(kv_limit);
        let (encoder, jobs, logits) = Default::default();
        Self { model, shared, encoder, spelling, sequences, kv_limit, jobs, logits }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Takes a job in; a job that cannot run is answered at once.
    pub(super) fn admit(&mut self, submitted: Submitted) {
        let Submitted { job, mut events, cancelled, at } = submitted;
        let count = job.candidates.max(1);
        let encoded = catch_unwind(AssertUnwindSafe(|| self.encoder.encode(&job.prompt, &self.model.tokenizer)));
        let encoded = encoded.unwrap_or_else(|_| Err("cutting it into tokens panicked; please report this".into()));
        let tokens = match encoded.and_then(|it| self.fits(it)) {
            Ok(tokens) => tokens,
            Err(why) => return fail_all(&mut *events, count, &why),
        };
        let mut sequence = self.sequences.take(&tokens.ids, self.model.decoder.config());
        if !sequence.knows_what_follows(tokens.ids.len()) {
            sequence.truncate(tokens.ids.len() - 1);
        }
        let reused = sequence.tokens.len();
        let usage = Usage { reused, evaluated: tokens.ids.len() - reused, queued: at.elapsed(), ..Usage::default() };
        self.jobs.push(Running {
            tokens,
            count,
            max_tokens: job.max_tokens,
            sampling: job.sampling,
            priority: job.priority,
            stop_texts: job.stop_texts,
            until: job.until,
            events,
            cancelled,
            started: Instant::now(),
            prefilled: None,
            usage,
            stage: Stage::Reading(sequence),
        });
        self.report();
    }

    fn fits(&self, tokens: Tokens) -> Result<Tokens, String> {
        let config = self.model.decoder.config();
        let bytes = tokens.ids.len() * KvCache::bytes_per_position(config);
        if tokens.ids.is_empty() {
            return Err("the prompt is empty and the model has no token to begin a text with".into());
        }
        if tokens.ids.len() >= config.context_length {
            let (length, context) = (tokens.ids.len(), config.context_length);
            return Err(format!("the prompt has {length} tokens; the model's context ends at {context}"));
        }
        if bytes > self.kv_limit {
            let limit = self.kv_limit >> 20;
            return Err(format!("the prompt needs {} MiB of KV cache and {limit} MiB are allowed", bytes >> 20));
        }
        Ok(tokens)
    }

    /// One forward pass for everybody whose turn it is.
    pub(super) fn step(&mut self) {
        self.drop_cancelled();
        let Some(turn) = self.jobs.iter().map(|job| job.priority).min() else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.begin_known(turn);
            self.forward(turn)
        }));
        match outcome {
            Ok(Ok(())) | Ok(Err(ForwardError::Aborted)) => {}
            Ok(Err(error)) => self.fail(turn, &error.to_string()),
            Err(_) => self.fail(turn, "it panicked; please report this"),
        }
        self.finish_jobs();
        self.report();
    }

    /// Prompts that were read whole before need no forward pass.
    fn begin_known(&mut self, turn: Priority) {
        for job in 0..self.jobs.len() {
            let running = &self.jobs[job];
            let Stage::Reading(sequence) = &running.stage else { continue };
            if running.priority == turn && sequence.knows_what_follows(running.tokens.ids.len()) {
                self.begin_writing(job);
            }
        }
    }

    fn forward(&mut self, turn: Priority) -> Result<(), ForwardError> {
        let (mut tokens, mut positions, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        let (mut spans, mut purposes) = (Vec::new(), Vec::new());
        let mut reading = false;
        let mut claims = Vec::new();
        for (job, running) in self.jobs.iter_mut().enumerate().filter(|(_, running)| running.priority == turn) {
            claims.push(running.cancelled.clone());
            match &mut running.stage {
                Stage::Reading(_) if reading => {}
                Stage::Reading(sequence) => {
                    reading = true;
                    let from = sequence.tokens.len();
                    let to = running.tokens.ids.len().min(from + CHUNK);
                    tokens.extend(&running.tokens.ids[from..to]);
                    positions.extend((from..to).map(|position| position as u32));
                    let ends = to == running.tokens.ids.len();
                    if ends {
                        wanted.push(tokens.len() - 1);
                    }
                    sequence.cache.reserve(to - from);
                    spans.push((&mut sequence.cache, to - from));
                    purposes.push(For::Prompt { job, ends });
                }
                Stage::Writing(candidates) => {
                    for (place, candidate) in candidates.iter_mut().enumerate() {
                        wanted.push(tokens.len());
                        tokens.push(candidate.next);
                        positions.push(candidate.sequence.tokens.len() as u32);
                        candidate.sequence.cache.reserve(1);
                        spans.push((&mut candidate.sequence.cache, 1));
                        purposes.push(For::Candidate { job, place });
                    }
                }
            }
        }
        if tokens.is_empty() {
            return Ok(());
        }
        let shared = self.shared;
        let abort = || {
            shared.stopping.load(Ordering::Acquire)
                || turn == Priority::Background && shared.urgent.load(Ordering::Acquire)
                || claims.iter().all(|cancelled| cancelled.load(Ordering::Acquire))
        };
        let heads = self.model.decoder.config().heads;
        let mut step = Step { spans, heads };
        let mut logits = std::mem::take(&mut self.logits);
        let outcome = self.model.decoder.step(&tokens, &positions, &wanted, &mut step, &abort, &mut logits);
        let counts: Vec<usize> = step.spans.iter().map(|(_, rows)| *rows).collect();
        if outcome.is_ok() {
            self.settle(&purposes, &counts, &tokens, &logits);
        }
        self.logits = logits;
        outcome
    }

    /// Counts what a step evaluated and draws the next tokens. Candidates that end are removed after all have been seen.
    fn settle(
        &mut self,
        purposes: &[For],
        counts: &[usize],
        tokens: &[u32],
        logits: &Logits,
    ) {
        let (mut at, mut answer) = (0, 0);
        let mut ready = Vec::new();
        let mut ended = Vec::new();
        for (purpose, rows) in purposes.iter().zip(counts) {
            let seen = &tokens[at..at + rows];
            at += rows;
            match *purpose {
                For::Prompt { job, ends } => {
                    let Stage::Reading(sequence) = &mut self.jobs[job].stage else { continue };
                    sequence.tokens.extend(seen);
                    sequence.cache.commit(*rows);
                    if ends {
                        sequence.ending = Some((sequence.tokens.len(), logits.row(answer).to_vec()));
                        answer += 1;
                        ready.push(job);
                    }
                }
                For::Candidate { job, place } => {
                    let logits = logits.row(answer);
                    answer += 1;
                    let running = &mut self.jobs[job];
                    let Stage::Writing(candidates) = &mut running.stage else { continue };
                    let candidate = &mut candidates[place];
                    candidate.sequence.tokens.extend(seen);
                    candidate.sequence.cache.commit(1);
                    let mut voice = Voice {
                        model: self.model,
                        spelling: &self.spelling,
                        stops: &running.tokens.stops,
                        max_tokens: running.max_tokens,
                        until: &mut running.until,
                        events: &mut *running.events,
                        usage: &mut running.usage,
                    };
                    if let Some(reason) = voice.next(candidate, logits, 0) {
                        voice.finish(candidate, reason);
                        ended.push((job, place));
                    }
                }
            }
        }
        for (job, place) in ended.into_iter().rev() {
            if let Stage::Writing(candidates) = &mut self.jobs[job].stage {
                self.sequences.put(candidates.remove(place).sequence);
            }
        }
        ready.into_iter().for_each(|job| self.begin_writing(job));
    }

    /// The prompt has been read: draws the first token of each candidate.
    fn begin_writing(&mut self, job: usize) {
        let running = &mut self.jobs[job];
        running.prefilled = Some(Instant::now());
        let Usage { evaluated, reused, .. } = running.usage;
        (running.events)(Event::Prefilled { evaluated, reused });
        let Stage::Reading(sequence) = std::mem::replace(&mut running.stage, Stage::Writing(Vec::new())) else {
            return;
        };
        let Some((length, logits)) = sequence.ending.clone() else { return };
        let forks: Vec<Sequence> = (1..running.count).map(|_| sequence.fork(length)).collect();
        let mut candidates = Vec::new();
        for (index, sequence) in std::iter::once(sequence).chain(forks).enumerate() {
            let mut candidate = Candidate {
                index,
                sequence,
                answer: Answer::new(&running.tokens.healed, &running.stop_texts),
                sampler: Sampler::new(running.sampling.clone(), index),
                written: Vec::new(),
                tokens: Vec::new(),
                next: 0,
            };
            let mut voice = Voice {
                model: self.model,
                spelling: &self.spelling,
                stops: &running.tokens.stops,
                max_tokens: running.max_tokens,
                until: &mut running.until,
                events: &mut *running.events,
                usage: &mut running.usage,
            };
            match voice.next(&mut candidate, &logits, index) {
                Some(reason) => {
                    voice.finish(&mut candidate, reason);
                    self.sequences.put(candidate.sequence);
                }
                None => candidates.push(candidate),
            }
        }
        running.stage = Stage::Writing(candidates);
    }

    /// Ends the jobs that nobody waits for any more; their sequences stay.
    fn drop_cancelled(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            if self.jobs[job].cancelled.load(Ordering::Acquire) {
                self.end(job, &FinishReason::Cancelled);
            }
        }
        self.finish_jobs();
    }

    /// Ends the jobs whose turn it was with an error.
    fn fail(&mut self, turn: Priority, why: &str) {
        tracing::error!("a step failed: {why}");
        for job in (0..self.jobs.len()).rev() {
            if self.jobs[job].priority == turn {
                self.end(job, &FinishReason::Failed(why.into()));
            }
        }
    }

    /// Ends all jobs; the engine stops.
    pub(super) fn cancel_all(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            self.end(job, &FinishReason::Cancelled);
        }
        self.report();
    }

    /// Ends a job where it stands.
    fn end(&mut self, job: usize, reason: &FinishReason) {
        let mut running = self.jobs.swap_remove(job);
        let unfinished: Vec<(usize, Vec<TokenInfo>)> = match running.stage {
            Stage::Reading(sequence) => {
                self.sequences.put(sequence);
                (0..running.count).map(|index| (index, Vec::new())).collect()
            }
            Stage::Writing(candidates) => {
                let ended = candidates.into_iter().map(|candidate| {
                    self.sequences.put(candidate.sequence);
                    (candidate.index, candidate.tokens)
                });
                ended.collect()
            }
        };
        let events = &mut running.events;
        let told = catch_unwind(AssertUnwindSafe(|| {
            for (candidate, tokens) in unfinished {
                let confidence = mean(&tokens);
                events(Event::Finished { candidate, reason: reason.clone(), tokens, confidence });
            }
            events(Event::Done { usage: running.usage });
        }));
        if told.is_err() {
            tracing::error!("the receiver of a job's events panicked");
        }
    }

    /// Says goodbye to jobs without a candidate left.
    fn finish_jobs(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            let over = matches!(&self.jobs[job].stage, Stage::Writing(candidates) if candidates.is_empty());
            if !over {
                continue;
            }
            let running = &mut self.jobs[job];
            let prefilled = running.prefilled.unwrap_or(running.started);
            running.usage.prefill = prefilled - running.started;
            running.usage.decode = prefilled.elapsed();
            let Usage { evaluated, reused, generated, .. } = running.usage;
            {
                let mut status = lock(&self.shared.status);
                status.evaluated += evaluated as u64;
                status.reused += reused as u64;
                status.generated += generated as u64;
            }
            self.end(job, &FinishReason::End);
        }
    }

    fn report(&self) {
        let mut status = lock(&self.shared.status);
        status.running = self.jobs.len();
        status.sequences = self.sequences.len();
        status.kv_bytes = self.sequences.bytes();
    }
}

/// Mean log-probability of what the model chose.
fn mean(tokens: &[TokenInfo]) -> f32 {
    let chosen: Vec<f32> = tokens.iter().filter(|token| !token.given).map(|token| token.logprob).collect();
    chosen.iter().sum::<f32>() / chosen.len().max(1) as f32
}

/// Draws tokens for the candidates of one job and tells of them.
struct Voice<'a> {
    model: &'a Model,
    spelling: &'a Spelling,
    stops: &'a [u32],
    max_tokens: usize,
    until: &'a mut Option<Until>,
    events: &'a mut (dyn FnMut(Event) + Send),
    usage: &'a mut Usage,
}

impl Voice<'_> {
    /// Draws the candidate's next token; a reason if it was the last.
    fn next(&mut self, candidate: &mut Candidate, logits: &[f32], rank: usize) -> Option<FinishReason> {
        if candidate.written.len() >= self.max_tokens {
            return Some(FinishReason::Length);
        }
        let tokenizer = &self.model.tokenizer;
        let to_spell = candidate.answer.to_spell();
        let allowed = (!to_spell.is_empty()).then(|| self.spelling.allowed(tokenizer, to_spell));
        let drawn = candidate.sampler.draw(logits, allowed.as_deref(), rank, &candidate.written);
        let Some((id, logprob)) = drawn else {
            return Some(FinishReason::Failed("no token of the model fits here".into()));
        };
        if self.stops.binary_search(&id).is_ok() || tokenizer.is_special(id) {
            return Some(FinishReason::End);
        }
        let bytes = tokenizer.bytes(id);
        let given = bytes.len() <= to_spell.len();
        self.usage.generated += 1;
        candidate.written.push(id);
        candidate.tokens.push(TokenInfo { text: String::from_utf8_lossy(bytes).into_owned(), logprob, given });
        candidate.next = id;
        let (text, stopped) = match candidate.answer.push(bytes) {
            Grown::Text(text) => (text, false),
            Grown::Stopped(text) => (text, true),
        };
        if !text.is_empty() {
            (self.events)(Event::Text { candidate: candidate.index, text, logprob });
        }
        if stopped {
            return Some(FinishReason::StopText);
        }
        if let Some(until) = self.until
            && candidate.answer.to_spell().is_empty()
        {
            let (index, text) = (candidate.index, candidate.answer.text());
            match catch_unwind(AssertUnwindSafe(|| until(index, text))) {
                Ok(false) => {}
                Ok(true) => return Some(FinishReason::Until),
                Err(_) => return Some(FinishReason::Failed("the rule that ends an answer panicked".into())),
            }
        }
        let context = self.model.decoder.config().context_length;
        let full = candidate.written.len() >= self.max_tokens || candidate.sequence.tokens.len() + 1 >= context;
        full.then_some(FinishReason::Length)
    }

    /// Tells that the candidate has ended.
    fn finish(&mut self, candidate: &mut Candidate, reason: FinishReason) {
        if reason != FinishReason::StopText {
            let text = candidate.answer.rest();
            if !text.is_empty() {
                let logprob = candidate.tokens.last().map_or(0.0, |token| token.logprob);
                (self.events)(Event::Text { candidate: candidate.index, text, logprob });
            }
        }
        let tokens = std::mem::take(&mut candidate.tokens);
        let confidence = mean(&tokens);
        (self.events)(Event::Finished { candidate: candidate.index, reason, tokens, confidence });
    }
}
