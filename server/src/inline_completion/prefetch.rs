//! Prefetching, while the model is idle: the suggestion after an accepted one, a prompt anchored closer to the cursor,
//! and the prompt where the cursor rests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use foretype_model::{Event, Job, Priority};
use foretype_plugins::{Document, Prompt, Request, Window, syntax, window};
use tokio::sync::oneshot;
use tree_sitter::{InputEdit, Point, Tree};

use super::{InlineRequest, attach_window, full_budget};
use crate::suggestion_cache::Generation;

/// Pause after which the anchor is moved.
const REANCHOR_IDLE: Duration = Duration::from_secs(1);
/// Fraction of next keys that must have been due before the acceptance of a suggestion is prefetched: the user is then
/// reading it rather than typing on.
const ACCEPTANCE_GAP_QUANTILE: f32 = 0.9;
/// Delay before the acceptance of a suggestion is prefetched while nothing is known about the typing speed.
const ACCEPTANCE_DELAY: Duration = Duration::from_millis(200);

impl InlineRequest {
    /// Schedules the prefetches that may follow an answer: the acceptance of `suggestion`, and a new window if the user
    /// pauses.
    pub(super) fn schedule_prefetch(&self, suggestion: Option<&String>) {
        if !self.config.inline.work_ahead || self.has_selected_item() {
            return;
        }
        // The prompt that was just built may have left a new window.
        let mut request = Request::clone(&self.request);
        attach_window(&mut request, &self.document, &self.engine, &self.config);
        let request = Arc::new(request);
        if let Some(suggestion) = suggestion {
            let acceptance = self.clone().prefetch_acceptance(request.clone(), suggestion.clone());
            self.session.scheduled_prefetches.spawn(acceptance);
        }
        self.session.scheduled_prefetches.spawn(self.clone().reanchor_when_idle(request));
    }

    /// Generates the continuation of `suggestion`, as if it were accepted, once the user looks at it.
    async fn prefetch_acceptance(self, request: Arc<Request>, suggestion: String) {
        let due = self.document.state.suggestions().typing_cadence.next_key_due(ACCEPTANCE_GAP_QUANTILE);
        let deadline = due.unwrap_or_else(|| Instant::now() + ACCEPTANCE_DELAY);
        let mut superseded = self.document.superseded.clone();
        if tokio::time::timeout_at(deadline.into(), superseded.changed()).await.is_err() {
            self.start_acceptance_prefetch(&request, &suggestion).await;
        }
    }

    /// Starts the generation behind `suggestion`, and returns when its job has been submitted.
    async fn start_acceptance_prefetch(self, request: &Request, suggestion: &str) {
        let inserted = suggestion.to_owned();
        let accepted: Arc<str> = [request.prefix(), suggestion, request.suffix()].concat().into();
        let cursor = request.cursor + inserted.len();
        let started = {
            let mut suggestions = self.document.state.suggestions();
            suggestions.start_prefetch(&accepted, cursor, suggestion.len())
        };
        let Some(generation) = started else { return };
        let mut request = request.clone();
        let started = tokio::task::spawn_blocking(move || {
            let old = &request.document;
            let edited = old.tree.as_ref().map(|tree| insert_into_tree(tree, &old.text, request.cursor, &inserted));
            let tree = syntax::parse(old.language, &accepted, edited.as_ref());
            let document = Document { path: old.path.clone(), language: old.language, text: accepted, tree };
            (request.document, request.cursor) = (Arc::new(document), cursor);
            self.spawn_generation(Arc::new(request), generation, Priority::Background)
        });
        // A task that panicked has been logged, and starts nothing.
        if let Ok(submitted) = started.await {
            let _ = submitted.await;
        }
    }

    /// Makes the window of a prefetch that was used the latest one, so that the next prompt extends it.
    pub(super) fn adopt_window(&self, generation: &Generation) {
        if !generation.is_prefetch() {
            return;
        }
        let Some(new) = generation.window() else { return };
        let windows = &mut self.document.state.suggestions().recent_windows;
        if windows.latest().is_none_or(|window| window.anchor < new.anchor) {
            windows.push(new);
        }
    }

    /// Prefills a prompt with a new anchor when the user pauses after much has been typed since the old one, so that
    /// the key after the pause finds it in the KV cache.
    async fn reanchor_when_idle(self, request: Arc<Request>) {
        let mut superseded = self.document.superseded.clone();
        if !window::should_reanchor(&request) || tokio::time::timeout(REANCHOR_IDLE, superseded.changed()).await.is_ok()
        {
            return;
        }
        tokio::select! {
            () = self.prefill_reanchored(Request::clone(&request)) => {}
            _ = superseded.changed() => {}
        }
    }

    /// Prefills a prompt with a new window, which replaces the request's once it has been evaluated.
    async fn prefill_reanchored(&self, mut request: Request) {
        let Some(old) = request.window.take() else { return };
        request.window = Some(Arc::new(Window { expired: true, ..Window::clone(&old) }));
        request.budget = full_budget(&self.engine, &self.config);
        let Some(prompt) = self.build_prompt(request).await else { return };
        let new = prompt.window.clone().map(Arc::new);
        if self.prefill(prompt).await
            && let Some(new) = new
        {
            self.document.state.suggestions().recent_windows.replace(&old, new);
        }
    }

    /// Prefills the request's prompt: a reduced window before the full one if that is slow. The next prompt extends the
    /// window even if its evaluation has not finished.
    pub(super) async fn prefill_at_cursor(mut self) {
        self.parse_document().await;
        let mut request = Request::clone(&self.request);
        let Some(prompt) = self.build_prompt(request.clone()).await else { return };
        request.window = prompt.window.clone().map(Arc::new);
        if let Some(window) = &request.window {
            self.document.state.suggestions().recent_windows.push(window.clone());
        }
        if self.prefill(prompt).await && request.window.as_ref().is_some_and(|window| window.reduced) {
            self.prefill_reanchored(request).await;
        }
    }

    async fn build_prompt(&self, request: Request) -> Option<Prompt> {
        let this = self.clone();
        let prepared = tokio::task::spawn_blocking(move || this.prepare_prompt(&request)).await;
        Some(prepared.ok()??.prompt)
    }

    /// Prefills a prompt and generates nothing. Returns true if it was evaluated to its end. Dropping the future
    /// cancels it.
    async fn prefill(&self, prompt: Prompt) -> bool {
        let (send, done) = oneshot::channel();
        let (mut send, mut is_prefilled) = (Some(send), false);
        let session = self.session.clone();
        let job = Job { prompt, priority: Priority::Background, ..Job::default() };
        let _ticket = self.engine.submit(job, move |event| match event {
            Event::Prefilled { .. } => is_prefilled = true,
            Event::Done { usage } => {
                session.shared.stats.record_usage(&usage);
                if let Some(send) = send.take() {
                    // The receiver is dropped when the prefill is cancelled.
                    let _ = send.send(is_prefilled);
                }
            }
            Event::Text { .. } | Event::Finished { .. } => {}
        });
        done.await == Ok(true)
    }
}

/// Edits the tree of `text` for the insertion of `inserted` at byte `at`, as the start of a parse.
fn insert_into_tree(tree: &Tree, text: &str, at: usize, inserted: &str) -> Tree {
    let advance = |from: Point, text: &str| match text.rfind('\n') {
        Some(end) => Point { row: from.row + text.matches('\n').count(), column: text.len() - end - 1 },
        None => Point { row: from.row, column: from.column + text.len() },
    };
    let start = advance(Point { row: 0, column: 0 }, &text[..at]);
    let mut tree = tree.clone();
    tree.edit(&InputEdit {
        start_byte: at,
        old_end_byte: at,
        new_end_byte: at + inserted.len(),
        start_position: start,
        old_end_position: start,
        new_end_position: advance(start, inserted),
    });
    tree
}
