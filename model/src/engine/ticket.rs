//! Tickets: a caller's control over a job that it submitted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Instant;

use super::job::{Event, FinishReason, Job, Priority, Usage};
use super::listener::EventHandler;

/// A caller's hold on a job. Dropping it cancels the job.
#[derive(Debug)]
#[must_use = "dropping the ticket cancels the job"]
pub struct Ticket {
    state: Arc<TicketState>,
}

impl Ticket {
    /// Creates the state of a job that is not cancelled.
    pub(super) fn new(state: Arc<TicketState>) -> Self {
        Self { state }
    }

    /// Lets the job run to its end without a ticket.
    pub fn detach(self) {
        std::mem::forget(self);
    }

    /// Makes a background job interactive, because a user now waits for it.
    pub fn promote(&self) {
        self.state.priority.store(Priority::Interactive as u8, Ordering::Release);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.state.cancelled.store(true, Ordering::Release);
    }
}

/// Cancellation and priority of a job, shared by its ticket and the engine.
#[derive(Debug)]
pub(super) struct TicketState {
    cancelled: AtomicBool,
    /// A [`Priority`], as a number.
    priority: AtomicU8,
}

impl TicketState {
    /// The state of a job that runs with `priority`.
    pub(super) fn new(priority: Priority) -> Arc<Self> {
        Arc::new(Self { cancelled: AtomicBool::new(false), priority: AtomicU8::new(priority as u8) })
    }

    /// True once the ticket has been dropped.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// The current priority.
    pub(super) fn priority(&self) -> Priority {
        let priorities = [Priority::Interactive, Priority::Streaming, Priority::Background];
        priorities[usize::from(self.priority.load(Ordering::Acquire)).min(2)]
    }
}

/// A job in the queue to the worker.
pub(super) struct SubmittedJob {
    pub(super) job: Job,
    pub(super) events: EventHandler,
    pub(super) ticket: Arc<TicketState>,
    pub(super) submitted_at: Instant,
}

impl SubmittedJob {
    /// A job submitted now.
    pub(super) fn new(job: Job, events: EventHandler, ticket: Arc<TicketState>) -> Self {
        Self { job, events, ticket, submitted_at: Instant::now() }
    }

    /// Ends a job that never ran. All of its candidates fail for the reason `why`.
    pub(super) fn reject(&mut self, why: &str) {
        for candidate in 0..self.job.candidates.max(1) {
            let reason = FinishReason::Failed(why.into());
            (self.events)(Event::Finished { candidate, reason, tokens: Vec::new(), confidence: 0.0 });
        }
        (self.events)(Event::Done { usage: Usage::default() });
    }
}
