//! The inference engine: continuous batching on one thread.
//!
//! An [`Engine`] runs one [`Model`] for all callers. [`Engine::submit`] queues a [`Job`]; a worker thread admits it and
//! repeats one step for as long as there are jobs: the scheduler builds a batch, the decoder evaluates it in one
//! forward pass, and the jobs accept tokens from its logits.
//!
//! * **Continuous batching.** Jobs join and leave the batch between steps. A batch gives each decoding candidate a row
//!   for its pending token, then adds rows for draft tokens to verify (speculative decoding), then chunks of prompts
//!   (chunked prefill). See [`scheduler`].
//! * **Token budget.** A batch that only prefills takes up to 64 prompt tokens. One that also decodes takes fewer, and
//!   fewer still on a slow machine, so that its step stays near 60 ms. The [`cost_model`] learns the machine's speed
//!   from the steps themselves.
//! * **Aging.** Prompts with the fewest tokens left go first. A prompt that waits moves up, so none starves.
//! * **Preemption between layers.** Each step serves the jobs of the most urgent [`Priority`] only. When an interactive
//!   job arrives, a step of a lower priority is aborted before its next layer, and so is a step with a large chunk of
//!   prefill. Preempted jobs keep their KV cache. On the CPU they also keep the layers that the step had computed, and
//!   the next step over the same tokens resumes there.
//! * **Prefix cache.** The KV sequence of a finished or cancelled job stays in a pool; a later prompt continues the one
//!   that shares the longest common prefix with it. See [`crate::prefix_cache`].
//! * **Cancellation.** Dropping a job's [`Ticket`] cancels the job before the next layer.

mod active_job;
mod candidate;
mod cost_model;
mod decode;
mod detokenizer;
mod job;
mod listener;
mod options;
pub(crate) mod prompt_encoder;
mod scheduler;
mod status;
mod ticket;
mod worker;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;

pub use job::{Event, FinishReason, Job, Priority, StopCondition, TokenInfo, Usage};
pub use options::EngineOptions;
pub(crate) use prompt_encoder::PromptEncoder;
pub use status::EngineStatus;
pub use ticket::Ticket;

use crate::Model;
use status::EngineState;
use ticket::{SubmittedJob, TicketState};

/// A handle to a running engine. Clones share the engine, which stops when the last one is dropped.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<EngineInner>,
}

struct EngineInner {
    model: Arc<Model>,
    /// The queue to the worker; `None` once the engine stops.
    queue: Mutex<Option<Sender<SubmittedJob>>>,
    state: Arc<EngineState>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// Starts an engine for `model` on a thread of its own.
    pub fn start(model: Arc<Model>, options: EngineOptions) -> Self {
        if let Some(threads) = options.threads {
            crate::kernels::set_threads(threads);
        }
        let (sender, receiver) = channel();
        let state = Arc::new(EngineState::new(options.kv_bytes));
        let run = {
            let (model, state) = (model.clone(), state.clone());
            move || worker::run(&model, &state, &receiver, &options)
        };
        // Without a thread the receiver is dropped, and every job is rejected.
        let worker = std::thread::Builder::new().name("engine".into()).spawn(run).ok();
        let (queue, worker) = (Mutex::new(Some(sender)), Mutex::new(worker));
        Self { inner: Arc::new(EngineInner { model, queue, state, worker }) }
    }

    /// Queues a job.
    ///
    /// `events` is called on the engine's thread and must not block. [`Event::Done`] is sent exactly once, as the last
    /// event, even when the job fails or the engine has stopped.
    pub fn submit(&self, job: Job, events: impl FnMut(Event) + Send + 'static) -> Ticket {
        let ticket = TicketState::new(job.priority);
        if job.priority == Priority::Interactive {
            self.inner.state.interactive_waiting.store(true, Ordering::Release);
        }
        let submitted = SubmittedJob::new(job, Box::new(events), ticket.clone());
        let rejected = match &*self.inner.queue.lock() {
            Some(queue) => queue.send(submitted).err().map(|error| error.0),
            None => Some(submitted),
        };
        if let Some(mut rejected) = rejected {
            rejected.reject("the engine has stopped");
        }
        Ticket::new(ticket)
    }

    /// Returns a snapshot of the engine's load and counters.
    pub fn status(&self) -> EngineStatus {
        self.inner.state.status.lock().clone()
    }

    /// The model that the engine runs.
    pub fn model(&self) -> &Arc<Model> {
        &self.inner.model
    }
}

impl Drop for EngineInner {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::Release);
        *self.queue.lock() = None;
        let worker = self.worker.lock().take();
        // The last handle may be dropped by an event handler, on the worker thread itself.
        if let Some(worker) = worker
            && worker.thread().id() != std::thread::current().id()
        {
            // The worker catches panics of jobs; a panic outside a job has been printed already.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests;
