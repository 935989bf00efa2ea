//! Starts generations: builds the prompt where blocking is allowed, and submits the job to the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use foretype_model::{Event, Priority};
use foretype_plugins::Request;
use foretype_plugins::tasks::fill::Fill;
use tokio::task::JoinHandle;

use super::InlineRequest;
use super::context;
use super::guard::GenerationGuard;
use crate::completion::{JobOptions, PreparedPrompt};
use crate::suggestion_cache::{Completion, Generation};

impl InlineRequest {
    /// Starts a generation for this request and waits for its completions.
    pub(super) async fn generate(&mut self, candidates: usize) -> Option<(GenerationGuard, Vec<Completion>)> {
        self.parse_document().await;
        if !self.document.is_current() {
            return None;
        }
        let request = self.request.clone();
        let generation = {
            let mut suggestions = self.document.state.suggestions();
            suggestions.start(&request.document.text, request.cursor, candidates)
        };
        self.clone().spawn_generation(request, generation.clone(), Priority::Interactive);
        let cursor = generation.origin().clone();
        self.await_generation(GenerationGuard::new(generation, cursor)?).await
    }

    /// Builds the prompt of a generation on a blocking thread and submits its job.
    pub(super) fn spawn_generation(
        self,
        request: Arc<Request>,
        generation: Arc<Generation>,
        priority: Priority,
    ) -> JoinHandle<()> {
        tokio::task::spawn_blocking(move || {
            let Some(prepared) = self.prepare_prompt(&request) else { return generation.cancel() };
            let window = prepared.prompt.window.clone().map(Arc::new);
            generation.set_prompt(window.clone(), prepared.strategy.clone());
            if priority == Priority::Interactive
                && let Some(window) = window
            {
                self.document.state.suggestions().recent_windows.push(window);
            }
            if !generation.is_cancelled() {
                self.submit(prepared, generation, priority);
            }
        })
    }

    fn submit(&self, prepared: PreparedPrompt, generation: Arc<Generation>, priority: Priority) {
        let options = {
            let suggestions = self.document.state.suggestions();
            JobOptions {
                candidates: generation.candidates(),
                priority,
                likely_completions: suggestions.likely_completions(generation.origin()),
                recent_generations: suggestions.recent_generations(),
            }
        };
        let job = prepared.job(self.engine.model(), &self.config.inline, options);
        let (session, receiver) = (self.session.clone(), generation.clone());
        let ticket = self.engine.submit(job, move |event| {
            if let Event::Done { usage } = &event {
                session.shared.stats.record_usage(usage);
            }
            receiver.handle_event(event);
        });
        generation.attach_ticket(ticket);
    }

    /// Resolves the strategy with the plugins that are on disk now, adds the context of other documents and builds the
    /// prompt. Call it where blocking is allowed.
    pub(super) fn prepare_prompt(&self, request: &Request) -> Option<PreparedPrompt> {
        let snapshot = &self.document.snapshot;
        let plugins_changed = self.session.refresh_plugins(&snapshot.meta);
        let strategy = self.session.with_plugins(Fill::shared(), &snapshot.meta, request.document.language);
        let build = || {
            let (documents, config) = (&self.session.documents, &self.config.context);
            let mut request = request.clone();
            if plugins_changed {
                request.window = None;
            }
            request.recent_edits = context::recent_edits(documents, config);
            request.open_files = context::open_files(documents, config, snapshot);
            PreparedPrompt::build(Arc::new(request), strategy)
        };
        let prepared = catch_unwind(AssertUnwindSafe(build));
        self.session.notify_plugins_ran();
        match prepared {
            Ok(Ok(prepared)) => return Some(prepared),
            Ok(Err(error)) => tracing::error!("no prompt for {}: {error}", request.document.path),
            Err(_) => tracing::error!("building a prompt for {} panicked", request.document.path),
        }
        None
    }
}
