//! Inline completion: from a snapshot of a document to ghost text.
//!
//! Each request is answered exactly once and never with a stale suggestion: if the document has been edited or asked
//! about again, the answer is empty. Text that the user types into a suggestion is answered from the [suggestion
//! cache](crate::suggestion_cache), without the model.
//!
//! An [`InlineRequest`] is resolved once. Its document, options, engine and prompt request travel from the prompt to
//! the stop condition and the trimming. The strategy is resolved with the prompt, on a blocking thread that first looks
//! for changed plugins, and stays with the [`Generation`]: whatever is answered from a generation is trimmed by the
//! plugins that its prompt was built with.
//!
//! # Hand-overs
//!
//! Number of times that a request waits for another task or thread to wake up, from the bytes of the request to the
//! bytes of the answer:
//!
//! | request | hand-overs | path |
//! | --- | --- | --- |
//! | cache hit | 1 | reader task → session task |
//! | cache miss | 4 | reader → session → blocking thread (prompt) → engine thread → session |
//! | miss without a syntax tree | +2 | session → blocking thread (parse) → session |
//! | each candidate to trim, with plugins | +2 | session → blocking thread (plugins) → session |
//! | over standard input and output | +2 | Tokio reads and writes them on threads of their own |
//! | through the daemon | +4 | in each direction, a relay task and a thread of the editor's `foretype lsp` |
//!
//! The reader task validates messages; the session task runs the transport, the handlers and the writer.

mod context;
mod generate;
mod guard;
mod pending;
mod prefetch;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foretype_model::Engine;
use foretype_plugins::tasks::fill::Fill;
use foretype_plugins::{Answer, Budget, Document, Request, Trigger, window};
use tokio::sync::watch;

use crate::completion::{self, finish_suggestion};
use crate::config::{Config, ShowDelay, TriggerMode};
use crate::request_builder::{self, request_for_model};
use crate::session::{RequestSnapshot, Session};
use crate::suggestion_cache::{Completion, Generation, Lookup, displayable_prefix};
use guard::GenerationGuard;
pub(crate) use pending::PendingCompletion;

/// Deadlines (`inline.deadline_ms`) after which a request is answered however slow the model is.
const MAX_DEADLINES: u32 = 20;
/// Fraction of next keys that have usually come when an unfinished suggestion is shown, where the client can extend it.
const PARTIAL_GAP_QUANTILE: f32 = 0.2;
/// Delay after which an unfinished suggestion is shown while nothing is known about the typing speed.
const PARTIAL_DELAY: Duration = Duration::from_millis(150);
/// Estimated time to prefill the text around the cursor above which a reduced window is prefilled first.
const SLOW_PREFILL_SECONDS: f32 = 1.0;
/// Prefill time of a reduced window, without the lines at the cursor.
const REDUCED_PREFILL_SECONDS: f32 = 0.5;
/// Tokens of text around the cursor up to which a window is not reduced.
const MIN_REDUCIBLE_TOKENS: f32 = 400.0;
/// Approximate bytes per token of code.
const BYTES_PER_TOKEN: f32 = 3.5;
/// Log-probability of a suggestion above which its acceptance is prefetched. Suggestions below p = 0.3 are rarely
/// accepted.
const MIN_PREFETCH_LOGPROB: f32 = -1.2;
/// Time that the cursor must rest before its prompt is prefilled: the user may be about to type there.
const FOCUS_DWELL: Duration = Duration::from_millis(100);
/// Time to wait for a syntax tree. A text that takes longer to parse is completed without one.
const PARSE_TIMEOUT: Duration = Duration::from_millis(40);

/// Position and cause of a request, in byte offsets of its snapshot.
#[derive(Debug, Clone)]
pub(crate) struct InlineQuery {
    /// Byte offset of the cursor.
    pub(crate) cursor: usize,
    /// Cause of the request.
    pub(crate) trigger: Trigger,
    /// Item that is selected in the editor's completion popup.
    pub(crate) selected: Option<SelectedItem>,
}

/// Item that is selected in the editor's completion popup. Suggestions continue the text in which it has been accepted.
#[derive(Debug, Clone)]
pub(crate) struct SelectedItem {
    /// Bytes that the item replaces.
    pub(crate) range: Range<usize>,
    /// Text of the item.
    pub(crate) text: String,
}

/// Answer to a request.
#[derive(Default)]
pub(crate) struct InlineOutcome {
    /// Texts to insert at the cursor, the best first.
    pub(crate) suggestions: Vec<String>,
    /// True if the suggestions come from a generation that an earlier request started.
    typed_through: bool,
    /// True if unfinished suggestions were shown at this cursor before.
    continues_partial: bool,
    /// Rest of the suggestions, if they are unfinished.
    pub(crate) pending: Option<PendingCompletion>,
}

/// Answers a request. If the model has not finished, the rest is pending.
pub(crate) async fn complete(session: &Arc<Session>, document: RequestSnapshot, query: InlineQuery) -> InlineOutcome {
    let started = Instant::now();
    let meta = document.snapshot.meta.clone();
    let Some(request) = InlineRequest::new(session, document, query) else {
        tracing::debug!("nothing to suggest in {}: switched off, excluded, or no model yet", meta.uri);
        return InlineOutcome::default();
    };
    let outcome = request.answer().await;
    let count = outcome.suggestions.len();
    tracing::debug!("{count} suggestions after {:?} for {}", started.elapsed(), meta.uri);
    // A request for the rest of a suggestion was counted when the first part was shown.
    if !outcome.continues_partial {
        session.shared.stats.record_request(count > 0, outcome.typed_through, started.elapsed());
    }
    outcome
}

/// Prefills the prompt at a cursor that rests, so that the first key finds it in the KV cache. Any edit or request
/// cancels it, and so does a move of the cursor (`moved`).
pub(crate) async fn prefetch_on_focus(
    session: Arc<Session>,
    document: RequestSnapshot,
    cursor: usize,
    mut moved: watch::Receiver<u64>,
) {
    let mut superseded = document.superseded.clone();
    let prefill = async {
        tokio::time::sleep(FOCUS_DWELL).await;
        let query = InlineQuery { cursor, trigger: Trigger::Automatic, selected: None };
        let Some(request) = InlineRequest::new(&session, document, query) else { return };
        if request.config.inline.work_ahead && session.claim_prefetch() {
            request.prefill_at_cursor().await;
        }
    };
    tokio::select! {
        () = prefill => {}
        _ = superseded.changed() => {}
        _ = moved.changed() => {}
    }
}

/// Reduces the budget of a prompt with `uncached_bytes` bytes to prefill, if that is slow at `tokens_per_second`.
fn reduced_budget(budget: Budget, uncached_bytes: usize, tokens_per_second: f32) -> Budget {
    let tokens = uncached_bytes as f32 / BYTES_PER_TOKEN;
    if tokens > (tokens_per_second * SLOW_PREFILL_SECONDS).max(MIN_REDUCIBLE_TOKENS) {
        budget.reduced((tokens_per_second * REDUCED_PREFILL_SECONDS) as usize)
    } else {
        budget
    }
}

/// One request, resolved: everything from the prompt to the trimmed suggestion uses these values. Cheap to clone for
/// work in the background.
#[derive(Clone)]
struct InlineRequest {
    session: Arc<Session>,
    /// Document as it was when the request was read.
    document: RequestSnapshot,
    config: Arc<Config>,
    engine: Engine,
    /// Prompt request, without the context of other documents: [`prepare_prompt`](Self::prepare_prompt) adds that where
    /// blocking is allowed. Its text contains the popup's selected item as if it had been accepted.
    request: Arc<Request>,
}

impl InlineRequest {
    /// Resolves a request; `None` if there is nothing to suggest: disabled, excluded, out of sync, or no model yet.
    fn new(session: &Arc<Session>, document: RequestSnapshot, query: InlineQuery) -> Option<Self> {
        let config = session.config();
        let is_wanted = query.trigger == Trigger::Invoked || config.inline.trigger == TriggerMode::Automatic;
        if !is_wanted || session.disabled_reason(&document.snapshot).is_some() {
            return None;
        }
        let engine = session.engine()?;
        let meta = &document.snapshot.meta;
        let (prompt_document, cursor) = apply_selected(document.snapshot.document(), &query)?;
        let mut request = request_for_model(prompt_document, cursor, engine.model(), &config);
        request.trigger = query.trigger;
        if let Some(workspace) = &meta.workspace {
            request.repository = workspace.name();
            if config.context.definitions {
                request.symbols = workspace.symbols.clone();
            }
        }
        attach_window(&mut request, &document, &engine, &config);
        Some(Self { session: session.clone(), document, config, engine, request: Arc::new(request) })
    }

    /// True if the text contains the popup's selected item and so differs from the document's.
    fn has_selected_item(&self) -> bool {
        !Arc::ptr_eq(&self.request.document.text, &self.document.snapshot.text)
    }

    async fn answer(mut self) -> InlineOutcome {
        let is_automatic = self.request.trigger == Trigger::Automatic;
        let candidates = if is_automatic { 1 } else { self.config.inline.candidates };
        let cached = {
            let suggestions = self.document.state.suggestions();
            suggestions.find(&self.request.document.text, self.request.cursor, candidates)
        };
        // Claimed before anything is awaited: the request that started the generation may just have been cancelled.
        let mut found = match cached.and_then(|(generation, cursor)| GenerationGuard::new(generation, cursor)) {
            Some(guard) => self.await_generation(guard).await,
            None => None,
        };
        let typed_through = found.is_some();
        // A cached generation may have turned out to write something else than was typed.
        if found.is_none() && self.document.is_current() {
            found = self.generate(candidates).await;
        }
        if !self.document.is_current() {
            return InlineOutcome::default();
        }
        let Some((guard, completions)) = found else {
            self.schedule_prefetch(None);
            return InlineOutcome::default();
        };
        let is_complete = completions.iter().all(|completion| !completion.incomplete);
        let is_likely = completions.first().is_some_and(|completion| completion.logprob >= MIN_PREFETCH_LOGPROB);
        let suggestions = self.finished_texts(&guard, completions).await;
        self.adopt_window(&guard.generation);
        if self.config.inline.show_delay == ShowDelay::Adaptive && !typed_through && is_automatic {
            self.wait_out_burst().await;
        }
        if !self.document.is_current() {
            return InlineOutcome::default();
        }
        self.schedule_prefetch(if is_complete && is_likely { suggestions.first() } else { None });
        let continues_partial = guard.generation.take_partial(&guard.cursor);
        let mut pending = None;
        if !is_complete && !suggestions.is_empty() && self.allows_partial() {
            guard.generation.record_partial(&guard.cursor);
            pending = Some(PendingCompletion::new(guard, &self.document));
        }
        InlineOutcome { suggestions, typed_through, continues_partial, pending }
    }

    /// True if an unfinished suggestion may be shown.
    fn allows_partial(&self) -> bool {
        let is_supported =
            self.session.client_capabilities().is_some_and(|capabilities| capabilities.partial_suggestions);
        let inline = &self.config.inline;
        is_supported
            && inline.show_parts
            && inline.show_delay == ShowDelay::None
            && self.request.trigger == Trigger::Automatic
    }

    /// Waits for completions of a generation; `None` if it has none, or if the request is superseded.
    async fn await_generation(&self, mut guard: GenerationGuard) -> Option<(GenerationGuard, Vec<Completion>)> {
        let mut superseded = self.document.superseded.clone();
        let lookup = tokio::select! {
            lookup = self.await_completions(&mut guard) => lookup,
            _ = superseded.changed() => Lookup::Miss,
        };
        guard.is_answered = true;
        match lookup {
            Lookup::Hit(completions) => Some((guard, completions)),
            Lookup::Miss | Lookup::Pending => None,
        }
    }

    /// Waits until all completions are finished; at the deadline, or where unfinished suggestions are allowed when the
    /// next key is nearly due, until any can be displayed.
    async fn await_completions(&self, guard: &mut GenerationGuard) -> Lookup {
        let deadline = Duration::from_millis(self.config.inline.deadline_ms);
        let mut patience = deadline;
        if self.allows_partial() {
            let gap = self.document.state.suggestions().typing_cadence.gap_quantile(PARTIAL_GAP_QUANTILE);
            patience = gap.unwrap_or(PARTIAL_DELAY).min(deadline);
        }
        let (generation, cursor) = (guard.generation.clone(), guard.cursor.clone());
        let is_unfinished = || match generation.lookup(&cursor) {
            Lookup::Miss => false,
            Lookup::Pending => true,
            Lookup::Hit(completions) => completions.iter().any(|completion| completion.incomplete),
        };
        let all_finished = async { while is_unfinished() && guard.changed.changed().await.is_ok() {} };
        // After the timeout, the lookup below finds whatever has been generated.
        let _ = tokio::time::timeout(patience, all_finished).await;
        let is_displayable = || match generation.lookup(&cursor) {
            Lookup::Miss => true,
            Lookup::Pending => false,
            Lookup::Hit(completions) => completions.iter().any(|completion| {
                !completion.incomplete || !displayable_prefix(&completion.answer.text).trim().is_empty()
            }),
        };
        let any_displayable = async { while !is_displayable() && guard.changed.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(deadline * MAX_DEADLINES - patience, any_displayable).await;
        generation.lookup(&cursor)
    }

    /// Trims completions to the suggestions that are shown, without duplicates.
    async fn finished_texts(&mut self, guard: &GenerationGuard, completions: Vec<Completion>) -> Vec<String> {
        let has_same_tail = guard.generation.has_same_tail(&guard.cursor);
        if completions.iter().any(|completion| !completion.shown) {
            self.parse_document().await;
        }
        let mut texts: Vec<String> = Vec::new();
        for mut completion in completions {
            let text = if completion.shown && has_same_tail {
                Some(completion.answer.text)
            } else {
                if completion.incomplete {
                    completion.answer.text = displayable_prefix(&completion.answer.text).to_owned();
                    // The prefix ends with a complete line or word, so no rule may cut an unfinished one off.
                    completion.answer.reached_end_token = true;
                }
                self.finish(&guard.generation, completion.answer).await
            };
            let Some(text) = text else { continue };
            if completion::is_duplicate(&text, texts.iter()) {
                continue;
            }
            if !completion.incomplete && has_same_tail {
                guard.generation.record_shown(&guard.cursor, completion.candidate, &text);
            }
            texts.push(text);
        }
        texts
    }

    /// Trims an answer with the strategy of its prompt. Plugins may take long, so they run where blocking is allowed.
    async fn finish(&self, generation: &Generation, answer: Answer) -> Option<String> {
        let strategy = generation.strategy()?;
        let has_plugins = !Arc::ptr_eq(&strategy, &Fill::shared());
        let (request, config) = (self.request.clone(), self.config.clone());
        let finish = move || finish_suggestion(&*strategy, &request, &answer, &config.inline);
        // A rule or plugin that panics costs its suggestion, not the request.
        if has_plugins {
            let finished = tokio::task::spawn_blocking(finish).await;
            self.session.notify_plugins_ran();
            finished.ok().flatten()
        } else {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(finish)).ok().flatten()
        }
    }

    /// Waits until the next key is due, so that a burst of keys is not interrupted by suggestions that it would
    /// replace.
    async fn wait_out_burst(&self) {
        let due = self.document.state.suggestions().typing_cadence.next_key_due(0.5);
        let mut superseded = self.document.superseded.clone();
        if let Some(due) = due {
            // Either the time or the next key ends the wait.
            let _ = tokio::time::timeout_at(due.into(), superseded.changed()).await;
        }
    }

    /// Adds the syntax tree to the prompt request if it arrives in time.
    async fn parse_document(&mut self) {
        if self.request.document.tree.is_some() || self.has_selected_item() {
            return;
        }
        let (session, meta) = (self.session.clone(), self.document.snapshot.meta.clone());
        let parse = tokio::task::spawn_blocking(move || session.documents.parsed(&meta.uri));
        let Ok(Ok(Some(parsed))) = tokio::time::timeout(PARSE_TIMEOUT, parse).await else { return };
        if Arc::ptr_eq(&parsed.text, &self.request.document.text) {
            let document = Document { tree: parsed.tree.clone(), ..Document::clone(&self.request.document) };
            self.request = Arc::new(Request { document: Arc::new(document), ..Request::clone(&self.request) });
        }
    }
}

/// Attaches the window of an earlier prompt to a prompt request. If none is reusable and prefilling a new one would be
/// slow, the budget is reduced.
fn attach_window(request: &mut Request, document: &RequestSnapshot, engine: &Engine, config: &Config) {
    request.budget = full_budget(engine, config);
    let is_reusable = document.state.suggestions().recent_windows.attach_to(request);
    // Without prefetching, the full window would never be prefilled.
    let is_progressive = config.inline.progressive_context && config.inline.work_ahead;
    if is_progressive
        && !is_reusable
        && let Some(speed) = engine.status().prefill_tokens_per_second
    {
        request.budget = reduced_budget(request.budget, window::uncached_bytes(request), speed);
    }
}

/// Budget of a window that is not reduced.
fn full_budget(engine: &Engine, config: &Config) -> Budget {
    request_builder::budget(engine.model().decoder.config().context_length, config)
}

/// The document and its cursor after the popup's selected item has been accepted; `None` if the item does not fit the
/// text.
fn apply_selected(document: Document, query: &InlineQuery) -> Option<(Document, usize)> {
    let Some(selected) = &query.selected else { return Some((document, query.cursor)) };
    let Range { start, end } = selected.range;
    let (before, after) = (document.text.get(..start)?, document.text.get(end.max(start)..)?);
    let text = [before, &selected.text, after].concat().into();
    Some((Document { text, tree: None, ..document }, start + selected.text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_reduced_where_prefill_would_be_slow() {
        let full = Budget::for_context(2048, 96);
        assert_eq!(reduced_budget(full, 3000, 1000.0), full);
        assert_eq!(reduced_budget(full, 1200, 50.0), full, "a short text");
        let reduced = reduced_budget(full, 3000, 200.0);
        assert!(
            reduced.reduced && reduced.prefix < 300 && reduced.suffix < 300 && reduced.middle == full.middle,
            "{reduced:?}"
        );
        assert!(reduced_budget(full, 6000, 1000.0).prefix > reduced.prefix, "as much as is prefilled in time");
    }
}
