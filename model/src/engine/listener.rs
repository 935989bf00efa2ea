//! The listener of a job, which receives its events.

use std::sync::Arc;

use super::job::{Event, Usage};
use super::status::EngineState;

/// The function that receives the events of a job.
pub(super) type EventHandler = Box<dyn FnMut(Event) + Send>;

/// Sends the events of a job and counts what the job has used.
///
/// The counters of the engine's status include the job's usage before its listener hears of it. So a caller that reads
/// the status after an event never sees counters from before the event.
pub(super) struct Listener {
    handler: EventHandler,
    state: Arc<EngineState>,
    /// The part of the job's usage that the engine's status includes.
    counted: Usage,
}

impl Listener {
    /// Creates the listener of a job that has used nothing.
    pub(super) fn new(handler: EventHandler, state: Arc<EngineState>) -> Self {
        Self { handler, state, counted: Usage::default() }
    }

    /// Adds the job's usage to the engine's status and sends an event.
    pub(super) fn send(&mut self, usage: &Usage, event: Event) {
        self.state.count_usage(&self.counted, usage);
        self.counted = *usage;
        (self.handler)(event);
    }
}
