//! The steps of the engine's thread, and what becomes of their logits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::job::{Event, FinishReason, Priority, TokenInfo, Usage, fail_all};
use super::pace::Pace;
use super::prompt::{Encoder, Tokens};
use super::rows::{Piece, Rows};
use super::running::{Running, Stage};
use super::voice::mean;
use super::{Claim, EngineOptions, Shared, Submitted, lock};
use crate::decoder::{Logits, LogitsRow, Wanted};
use crate::healing::Spelling;
use crate::kv::{KvCache, Step};
use crate::sequences::{Ending, Sequences};
use crate::{ForwardError, Model};

/// Background jobs that are kept waiting at the most: what they were for is past when others go on coming, and each has a sequence.
const BACKGROUND: usize = 4;
/// Tokens that are read to find out how fast that is.
const TRIED: usize = 16;

/// Everything that the engine's thread owns.
pub(super) struct Runner<'a> {
    model: &'a Model,
    shared: &'a Shared,
    encoder: Encoder,
    spelling: Spelling,
    sequences: Sequences,
    options: &'a EngineOptions,
    jobs: Vec<Running>,
    pace: Pace,
    /// Those of the last step; its memory is used again.
    logits: Logits,
}

impl<'a> Runner<'a> {
    pub(super) fn new(model: &'a Model, shared: &'a Shared, options: &'a EngineOptions) -> Self {
        let spelling = Spelling::new(&model.tokenizer);
        let sequences = Sequences::new(options.kv_bytes);
        let (encoder, jobs, pace, logits) = Default::default();
        Self { model, shared, encoder, spelling, sequences, options, jobs, pace, logits }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Takes a job in; a job that cannot run is answered at once.
    pub(super) fn admit(&mut self, mut submitted: Submitted) {
        // What a cancelled job has read is often what this one goes on from.
        self.drop_cancelled();
        if submitted.claim.priority() == Priority::Background {
            self.make_room_in_background();
        }
        let prompt = &submitted.job.prompt;
        let encoded = catch_unwind(AssertUnwindSafe(|| self.encoder.encode(prompt, &self.model.tokenizer)));
        let encoded = encoded.unwrap_or_else(|_| Err("cutting it into tokens panicked; please report this".into()));
        let tokens = match encoded.and_then(|it| self.fits(it)) {
            Ok(tokens) => tokens,
            Err(why) => return fail_all(&mut *submitted.events, submitted.job.candidates, &why),
        };
        let mut sequence = self.sequences.take(&tokens.ids, self.model.decoder.config());
        if !sequence.knows_what_follows(tokens.ids.len()) {
            sequence.truncate(tokens.ids.len() - 1);
        }
        self.jobs.push(Running::new(submitted, tokens, sequence));
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
        if bytes > self.options.kv_bytes {
            let limit = self.options.kv_bytes >> 20;
            return Err(format!("the prompt needs {} MiB of KV cache and {limit} MiB are allowed", bytes >> 20));
        }
        Ok(tokens)
    }

    /// One forward pass for everybody whose turn it is.
    pub(super) fn step(&mut self) {
        self.drop_cancelled();
        let Some(turn) = self.jobs.iter().map(Running::priority).min() else { return self.report() };
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
            if self.jobs[job].priority() == turn && self.jobs[job].knows_its_prompt() {
                self.begin_writing(job, &[], |_| LogitsRow::default());
            }
        }
    }

    fn forward(&mut self, turn: Priority) -> Result<(), ForwardError> {
        let rows = Rows::plan(&self.jobs, turn, self.model, self.options.draft, &self.pace);
        if rows.tokens.is_empty() {
            return Ok(());
        }
        let theirs = |job: &&Running| job.priority() == turn;
        let claims: Vec<Arc<Claim>> = self.jobs.iter().filter(theirs).map(|job| job.claim.clone()).collect();
        let decoder = &self.model.decoder;
        // On another device all that a step has worked out is lost with it.
        let gives_way = turn != Priority::Interactive || rows.reads() && decoder.device().is_cpu();
        let shared = self.shared;
        let abort = || {
            shared.stopping.load(Ordering::Acquire)
                || gives_way && shared.urgent.load(Ordering::Acquire)
                || claims.iter().all(|claim| claim.is_cancelled())
        };
        let mut step = Step::new(rows.spans(&mut self.jobs), decoder.config().heads);
        step.alone = turn == Priority::Background && rows.leave_threads(&self.pace);
        let mut logits = std::mem::take(&mut self.logits);
        let began = Instant::now();
        let outcome = decoder.step(&rows.tokens, &rows.positions, rows.wanted(), &mut step, &abort, &mut logits);
        if outcome.is_ok() {
            if !step.alone && !step.went_on {
                self.took(rows.tokens.len(), began.elapsed());
            }
            self.settle(&rows, &logits, turn);
        }
        self.logits = logits;
        outcome
    }

    /// A step of so many rows took so long on all threads.
    fn took(&mut self, rows: usize, time: Duration) {
        self.pace.took(rows, time);
        lock(&self.shared.status).reading_speed = self.pace.reading();
    }

    /// Finds out how fast prompts are read, before anybody asks for one; gives way at once.
    pub(super) fn try_out(&mut self) {
        let config = self.model.decoder.config();
        let rows = TRIED.min(config.context_length).min(config.vocab_size);
        let ids: Vec<u32> = (0..rows as u32).collect();
        let (shared, mut logits) = (self.shared, Logits::default());
        let abort = || shared.urgent.load(Ordering::Acquire) || shared.stopping.load(Ordering::Acquire);
        // The first step finds memory that was never touched.
        for counts in [false, true] {
            let mut cache = KvCache::new(config);
            cache.reserve(rows);
            let mut step = Step::new(vec![(&mut cache, rows)], config.heads);
            let began = Instant::now();
            match self.model.decoder.step(&ids, &ids, Wanted::whole(&[]), &mut step, &abort, &mut logits) {
                Ok(()) if counts => self.took(rows, began.elapsed()),
                Ok(()) => {}
                // Somebody asks already, or will hear of the error when he does.
                Err(_) => return,
            }
        }
    }

    /// Counts what a step evaluated and draws the next tokens. Candidates that end are removed after all have been seen.
    fn settle(&mut self, rows: &Rows, logits: &Logits, turn: Priority) {
        self.jobs.iter_mut().filter(|job| job.priority() == turn).for_each(|job| job.waited += 1);
        let (mut ended, mut read) = (Vec::new(), Vec::new());
        for piece in &rows.pieces {
            let (own, draft) = rows.tokens[piece.rows.clone()].split_at(piece.rows.len() - piece.draft);
            self.jobs[piece.job].waited = 0;
            match piece.place {
                Some(place) if self.write(piece, place, own, draft, logits) => ended.push((piece.job, place)),
                None if self.read(piece, own, logits) => read.push((piece, draft)),
                _ => {}
            }
        }
        for (job, place) in ended.into_iter().rev() {
            if let Stage::Writing(candidates) = &mut self.jobs[job].stage {
                self.sequences.put(candidates.remove(place).sequence);
            }
        }
        read.into_iter().for_each(|(piece, draft)| self.begin_writing(piece.job, draft, |at| piece.row(logits, at)));
    }

    /// A candidate's rows were evaluated: goes on with it. Says whether it is over.
    fn write(&mut self, piece: &Piece, place: usize, own: &[u32], draft: &[u32], logits: &Logits) -> bool {
        let (stage, mut voice) = self.jobs[piece.job].voice(self.model, &self.spelling);
        let Stage::Writing(candidates) = stage else { return false };
        let candidate = &mut candidates[place];
        candidate.sequence.cache.commit(piece.rows.len());
        candidate.sequence.tokens.extend(own);
        voice.write(candidate, 0, draft, |at| piece.row(logits, at))
    }

    /// A piece of a prompt was evaluated. Says whether that was its end.
    fn read(&mut self, piece: &Piece, own: &[u32], logits: &Logits) -> bool {
        let ends = piece.answers;
        let running = &mut self.jobs[piece.job];
        running.usage.evaluated += own.len();
        let Stage::Reading(sequence) = &mut running.stage else { return false };
        sequence.cache.commit(piece.rows.len());
        sequence.tokens.extend(own);
        if ends {
            sequence.ending = Some((sequence.tokens.len(), Arc::new(Ending::new(&piece.row(logits, 0)))));
        }
        ends
    }

    /// The prompt has been read, and a draft behind it: draws the first tokens of each candidate. `logits` gives what was
    /// computed for the draft, from 1 on.
    fn begin_writing<'l>(&mut self, job: usize, draft: &[u32], logits: impl Fn(usize) -> LogitsRow<'l>) {
        let running = &mut self.jobs[job];
        let (begun, first) = running.begin_writing();
        let mut going = Vec::new();
        let (stage, mut voice) = running.voice(self.model, &self.spelling);
        for mut candidate in begun {
            let draft = if candidate.index == 0 { draft } else { &[] };
            let rank = candidate.index;
            let rows = |at| if at == 0 { first.row() } else { logits(at) };
            if voice.write(&mut candidate, rank, draft, rows) {
                self.sequences.put(candidate.sequence);
            } else {
                going.push(candidate);
            }
        }
        *stage = Stage::Writing(going);
    }

    /// Ends the jobs that nobody waits for any more; their sequences stay.
    fn drop_cancelled(&mut self) {
        for job in (0..self.jobs.len()).rev() {
            if self.jobs[job].claim.is_cancelled() {
                self.end(job, &FinishReason::Cancelled);
            }
        }
    }

    /// Ends the oldest background job if there are as many as may be.
    fn make_room_in_background(&mut self) {
        let waiting = (0..self.jobs.len()).filter(|job| self.jobs[*job].priority() == Priority::Background);
        let full = waiting.clone().count() >= BACKGROUND;
        if let Some(oldest) = waiting.min_by_key(|job| self.jobs[*job].started).filter(|_| full) {
            self.end(oldest, &FinishReason::Cancelled);
        }
    }

    /// Ends the jobs whose turn it was with an error.
    fn fail(&mut self, turn: Priority, why: &str) {
        tracing::error!("a step failed: {why}");
        for job in (0..self.jobs.len()).rev() {
            if self.jobs[job].priority() == turn {
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
        running.note_times();
        self.count(&running.usage);
        tracing::debug!(
            "{:?} job of {} tokens: {:?}, {reason:?}",
            running.priority(),
            running.tokens.ids.len(),
            running.usage
        );
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
            if matches!(&self.jobs[job].stage, Stage::Writing(candidates) if candidates.is_empty()) {
                self.end(job, &FinishReason::End);
            }
        }
    }

    fn count(&self, usage: &Usage) {
        let mut status = lock(&self.shared.status);
        status.evaluated += usage.evaluated as u64;
        status.reused += usage.reused as u64;
        status.generated += usage.generated as u64;
        status.drafted += usage.drafted as u64;
        status.accepted += usage.accepted as u64;
    }

    fn report(&self) {
        let mut status = lock(&self.shared.status);
        status.running = self.jobs.len();
        status.sequences = self.sequences.len();
        status.kv_bytes = self.sequences.bytes();
    }
}
