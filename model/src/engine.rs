//! One thread that runs a model for everybody.
//!
//! Jobs are queued and worked on together: a step holds one row of every answer that is being written and a piece of one
//! prompt that is being read. Interactive jobs come before answers that somebody reads, and these before background ones; who waits
//! waits in place and loses nothing. Dropping
//! a job's [`Ticket`] cancels it; the engine looks before each layer. What a job leaves in the KV cache stays for the
//! next keystroke.

mod job;
mod cost_model;
pub(crate) mod prompt_encoder;
mod scheduler;
mod worker;
mod active_job;
mod detokenizer;
mod decode;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use job::{Event, FinishReason, Job, Priority, TokenInfo, StopCondition, Usage};
pub(crate) use prompt_encoder::PromptEncoder;

use crate::Model;

/// How an engine runs.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Bytes that idle sequences may keep.
    pub kv_bytes: usize,
    /// Threads for the kernels, the engine's own among them; `None` for one for each core. The first engine of a process
    /// decides for all.
    pub threads: Option<usize>,
    /// Tokens of an answer that are guessed and evaluated along with the one before them, at the most. The answer is the same
    /// without.
    pub max_draft_tokens: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { kv_bytes: 512 << 20, threads: None, max_draft_tokens: crate::speculative::MAX_DRAFT_TOKENS }
    }
}

/// What an engine is doing and what it did.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct EngineStatus {
    /// Jobs that were taken in and are not done.
    pub running: usize,
    /// Idle sequences.
    pub sequences: usize,
    /// Bytes they take.
    pub kv_bytes: usize,
    /// Bytes they may take.
    pub kv_limit: usize,
    /// Prompt tokens evaluated since the start.
    pub evaluated: u64,
    /// Prompt tokens that were in the cache.
    pub reused: u64,
    /// Tokens written since the start.
    pub generated: u64,
    /// Tokens guessed since the start.
    pub drafted: u64,
    /// Of these, those that the model then wrote.
    pub accepted: u64,
    /// Prompt tokens that it reads in a second, as the latest steps have shown; `None` until one has.
    #[serde(rename = "reading_speed")]
    pub prefill_tokens_per_second: Option<f32>,
}

/// A running engine. Clones share it; it stops when the last one is dropped.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<EngineInner>,
}

struct EngineInner {
    model: Arc<Model>,
    jobs: Mutex<Option<Sender<SubmittedJob>>>,
    state: Arc<EngineState>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// What the engine's thread and its callers both see.
pub(crate) struct EngineState {
    pub(crate) status: Mutex<EngineStatus>,
    /// An interactive job waits.
    pub(crate) interactive_waiting: AtomicBool,
    pub(crate) stopping: AtomicBool,
}

/// A job on its way to the engine.
pub(crate) struct SubmittedJob {
    pub(crate) job: Job,
    pub(crate) events: Box<dyn FnMut(Event) + Send>,
    pub(crate) ticket: Arc<TicketState>,
    pub(crate) submitted_at: Instant,
}

/// What its owner may say of a job while it runs.
#[derive(Debug)]
pub(crate) struct TicketState {
    cancelled: AtomicBool,
    /// A [`Priority`], as a number.
    priority: AtomicU8,
}

impl TicketState {
    fn new(priority: Priority) -> Arc<Self> {
        Arc::new(Self { cancelled: AtomicBool::new(false), priority: AtomicU8::new(priority as u8) })
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(crate) fn priority(&self) -> Priority {
        let all = [Priority::Interactive, Priority::Streaming, Priority::Background];
        all[usize::from(self.priority.load(Ordering::Acquire)).min(2)]
    }
}

/// A claim on the answer to a job. Dropping it cancels the job.
#[derive(Debug)]
#[must_use = "dropping the ticket cancels the job"]
pub struct Ticket {
    state: Arc<TicketState>,
}

impl Ticket {
    /// Lets the job go on without anyone holding the ticket.
    pub fn detach(self) {
        std::mem::forget(self);
    }

    /// Somebody waits now for a job that was background work.
    pub fn promote(&self) {
        self.state.priority.store(Priority::Interactive as u8, Ordering::Release);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.state.cancelled.store(true, Ordering::Release);
    }
}

impl Engine {
    /// Starts an engine for `model` on a thread of its own.
    pub fn start(model: Arc<Model>, options: EngineOptions) -> Self {
        if let Some(threads) = options.threads {
            crate::kernels::set_threads(threads);
        }
        let (jobs, receive) = channel();
        let shared = Arc::new(EngineState {
            status: Mutex::new(EngineStatus { kv_limit: options.kv_bytes, ..EngineStatus::default() }),
            interactive_waiting: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let body = {
            let (model, shared) = (model.clone(), shared.clone());
            move || run_loop(&model, &shared, &receive, &options)
        };
        let thread = std::thread::Builder::new().name("engine".into()).spawn(body).ok();
        Self { inner: Arc::new(EngineInner { model, jobs: Mutex::new(Some(jobs)), state: shared, thread: Mutex::new(thread) }) }
    }

    /// Queues a job. `events` is called on the engine's thread and must not block; [`Event::Done`] comes exactly once and
    /// last, whatever happens.
    pub fn submit(&self, job: Job, events: impl FnMut(Event) + Send + 'static) -> Ticket {
        let claim = TicketState::new(job.priority);
        if job.priority == Priority::Interactive {
            self.inner.state.interactive_waiting.store(true, Ordering::Release);
        }
        let submitted = SubmittedJob { job, events: Box::new(events), ticket: claim.clone(), submitted_at: Instant::now() };
        let rejected = match &*lock(&self.inner.jobs) {
            Some(jobs) => jobs.send(submitted).err().map(|error| error.0),
            None => Some(submitted),
        };
        if let Some(mut rejected) = rejected {
            job::reject_job(&mut *rejected.events, rejected.job.candidates, "the engine has stopped");
        }
        Ticket { state: claim }
    }

    /// What the engine is doing.
    pub fn status(&self) -> EngineStatus {
        lock(&self.inner.state.status).clone()
    }

    /// The model that it runs.
    pub fn model(&self) -> &Arc<Model> {
        &self.inner.model
    }
}

impl Drop for EngineInner {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::Release);
        *lock(&self.jobs) = None;
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // The thread catches panics of jobs; one outside a job has been printed already.
            let _ = thread.join();
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The engine's thread: takes jobs in while there is work, and sleeps when there is none.
fn run_loop(model: &Model, shared: &EngineState, jobs: &Receiver<SubmittedJob>, options: &EngineOptions) {
    let mut runner = worker::Worker::new(model, shared, options);
    if catch_unwind(AssertUnwindSafe(|| runner.warm_up())).is_err() {
        tracing::error!("a first step panicked; please report this");
    }
    while !shared.stopping.load(Ordering::Acquire) {
        if runner.is_idle() {
            match jobs.recv() {
                Ok(job) => runner.admit(job),
                Err(_) => break,
            }
        }
        while let Ok(job) = jobs.try_recv() {
            runner.admit(job);
        }
        shared.interactive_waiting.store(false, Ordering::Release);
        runner.step();
    }
    runner.cancel_all();
    while let Ok(mut job) = jobs.recv_timeout(Duration::ZERO) {
        job::reject_job(&mut *job.events, job.job.candidates, "the engine has stopped");
    }
}

#[cfg(test)]
mod tests;
