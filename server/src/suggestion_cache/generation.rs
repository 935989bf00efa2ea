//! One run of the model for one cursor of a document, and the text it has written so far.

use std::sync::Arc;

use foretype_model::{Event, FinishReason, Ticket, Usage};
use foretype_plugins::{Answer, PromptStrategy, Window};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::region::RegionCursor;

/// Brackets and quotes that editors close on their own.
const AUTO_CLOSED: &[char] = &[')', ']', '}', '>', '"', '\'', '`'];

/// One run of the model.
#[derive(Debug)]
pub(crate) struct Generation {
    origin: RegionCursor,
    candidates: usize,
    /// For a prefetch: length of the part of the origin's path that precedes the suggestion whose acceptance is
    /// prefetched.
    suggestion_start: Option<usize>,
    state: Mutex<GenerationState>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct GenerationState {
    candidates: Vec<CandidateState>,
    ticket: Option<Ticket>,
    done: bool,
    cancelled: bool,
    /// Requests that are waiting for it.
    subscribers: usize,
    /// True once the cache has removed it, so that no other request will find it.
    detached: bool,
    usage: Option<Usage>,
    window: Option<Arc<Window>>,
    strategy: Option<Arc<dyn PromptStrategy>>,
    /// Path of the cursor at which an unfinished suggestion was shown.
    partial_path: Option<String>,
}

/// Text of one candidate.
#[derive(Debug, Clone, Default)]
struct CandidateState {
    /// Without carriage returns: editors insert their own line ends.
    text: String,
    /// End of each piece of the text, and the natural log-probability of the piece.
    pieces: Vec<(usize, f32)>,
    /// Mean log-probability of the tokens, once the candidate is finished.
    confidence: Option<f32>,
    /// True if the model ended the text on its own.
    ended: bool,
    /// Suggestion that was shown once the candidate was finished. It takes precedence while the user types into it.
    shown: Option<String>,
}

/// Result of looking a cursor up in a generation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lookup {
    /// The generation does not lead to the cursor, or the cursor is behind all its text.
    Miss,
    /// The model may still write a text that leads to the cursor and beyond.
    Pending,
    /// Completions at the cursor, one for each candidate that leads to it.
    Hit(Vec<Completion>),
}

/// Completion of one candidate at a cursor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Completion {
    /// Text after the cursor.
    pub(crate) answer: Answer,
    /// Index of the candidate.
    pub(crate) candidate: usize,
    /// True if the model is still writing.
    pub(crate) incomplete: bool,
    /// True if this is the rest of a suggestion that was shown, and so need not be trimmed again.
    pub(crate) shown: bool,
    /// Natural log-probability of the text as far as it is written.
    pub(crate) logprob: f32,
}

impl Generation {
    /// Creates a generation for a cursor. A prefetch has the start of the suggestion that it assumes to be accepted.
    pub(super) fn new(origin: RegionCursor, candidates: usize, suggestion_start: Option<usize>) -> Arc<Self> {
        let texts = vec![CandidateState::default(); candidates];
        let state = Mutex::new(GenerationState { candidates: texts, ..GenerationState::default() });
        Arc::new(Self { origin, candidates, suggestion_start, state, changed: watch::Sender::new(()) })
    }

    /// Cursor that it was started for.
    pub(crate) fn origin(&self) -> &RegionCursor {
        &self.origin
    }

    /// Number of candidates.
    pub(crate) fn candidates(&self) -> usize {
        self.candidates
    }

    /// True if it was started before a request needed it.
    pub(crate) fn is_prefetch(&self) -> bool {
        self.suggestion_start.is_some()
    }

    /// Approximate size in memory.
    pub(super) fn size_bytes(&self) -> usize {
        let texts: usize = self.state.lock().candidates.iter().map(|candidate| candidate.text.len() * 2).sum();
        size_of::<Self>() + self.origin.path.len() + self.origin.tail.len() + texts
    }

    /// Takes the ticket of the engine's job. If the generation has been cancelled meanwhile, the ticket is dropped,
    /// which cancels the job.
    pub(crate) fn attach_ticket(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        if !state.cancelled && !state.done {
            if state.subscribers > 0 {
                ticket.promote();
            }
            state.ticket = Some(ticket);
        }
    }

    /// Records what its prompt was built with: the window, and the strategy, which also trims the text of every request
    /// that is answered from it, so that a prompt and its post-processing come from one set of plugins.
    pub(crate) fn set_prompt(&self, window: Option<Arc<Window>>, strategy: Arc<dyn PromptStrategy>) {
        let mut state = self.state.lock();
        state.window = window;
        state.strategy = Some(strategy);
    }

    /// Window of its prompt, once that is built.
    pub(crate) fn window(&self) -> Option<Arc<Window>> {
        self.state.lock().window.clone()
    }

    /// Strategy that its prompt was built with, once that is built.
    pub(crate) fn strategy(&self) -> Option<Arc<dyn PromptStrategy>> {
        self.state.lock().strategy.clone()
    }

    /// Cancels it, if it is running.
    pub(crate) fn cancel(&self) {
        self.cancel_locked(self.state.lock());
    }

    fn cancel_locked(&self, mut state: MutexGuard<'_, GenerationState>) {
        state.cancelled |= !state.done;
        state.done = true;
        let ticket = state.ticket.take();
        drop(state);
        drop(ticket);
        self.changed.send_replace(());
    }

    /// True if it was cancelled before its end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.state.lock().cancelled
    }

    /// True while the model may still write.
    pub(crate) fn is_running(&self) -> bool {
        !self.state.lock().done
    }

    /// Usage of the engine, once it is done.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.state.lock().usage
    }

    /// Registers a request that waits for it, and returns a receiver of changes; `None` if it was cancelled. Each
    /// subscriber calls [`unsubscribe`](Self::unsubscribe) once.
    pub(crate) fn subscribe(&self) -> Option<watch::Receiver<()>> {
        let mut state = self.state.lock();
        if state.cancelled {
            return None;
        }
        state.subscribers += 1;
        if let Some(ticket) = &state.ticket {
            ticket.promote();
        }
        Some(self.changed.subscribe())
    }

    /// Unregisters a request. Returns true if it was the last.
    pub(crate) fn unsubscribe(&self) -> bool {
        let mut state = self.state.lock();
        state.subscribers = state.subscribers.saturating_sub(1);
        let is_last = state.subscribers == 0;
        if is_last && state.detached {
            self.cancel_locked(state);
        }
        is_last
    }

    /// Marks it as removed from the cache. It is cancelled as soon as it has no subscribers, which may be now.
    pub(crate) fn detach(&self) {
        self.state.lock().detached = true;
        self.cancel_if_unsubscribed();
    }

    /// Cancels it unless a request is waiting for it.
    pub(crate) fn cancel_if_unsubscribed(&self) {
        let state = self.state.lock();
        if state.subscribers == 0 {
            self.cancel_locked(state);
        }
    }

    /// Takes an event of the engine. Called on the engine's thread.
    pub(crate) fn handle_event(&self, event: Event) {
        let mut state = self.state.lock();
        match event {
            Event::Prefilled { .. } => {}
            Event::Text { candidate, text, logprob } => {
                if let Some(candidate) = state.candidates.get_mut(candidate) {
                    candidate.text.extend(text.chars().filter(|letter| *letter != '\r'));
                    candidate.pieces.push((candidate.text.len(), logprob));
                }
            }
            Event::Finished { candidate, reason, confidence, .. } => {
                if let FinishReason::Failed(why) = &reason {
                    tracing::error!("the model failed: {why}");
                }
                state.cancelled |= matches!(reason, FinishReason::Cancelled | FinishReason::Failed(_));
                if let Some(candidate) = state.candidates.get_mut(candidate) {
                    candidate.confidence = Some(confidence);
                    candidate.ended = reason == FinishReason::EndToken;
                }
            }
            Event::Done { usage } => {
                state.done = true;
                state.usage = Some(usage);
                state.ticket = None;
            }
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Records that the suggestion `text` of a candidate was shown at a cursor.
    pub(crate) fn record_shown(&self, cursor: &RegionCursor, candidate: usize, text: &str) {
        let Some(typed) = self.typed_since_start(cursor) else { return };
        if let Some(candidate) = self.state.lock().candidates.get_mut(candidate) {
            candidate.shown = Some([typed, text].concat());
        }
    }

    /// Records that an unfinished suggestion was shown at a cursor.
    pub(crate) fn record_partial(&self, cursor: &RegionCursor) {
        self.state.lock().partial_path = Some(cursor.path.clone());
    }

    /// Clears the record of an unfinished suggestion. Returns true if one was shown at this cursor.
    pub(crate) fn take_partial(&self, cursor: &RegionCursor) -> bool {
        self.state.lock().partial_path.take_if(|path| *path == cursor.path).is_some()
    }

    /// Looks up a cursor of its region.
    pub(crate) fn lookup(&self, cursor: &RegionCursor) -> Lookup {
        let state = self.state.lock();
        if state.cancelled {
            return Lookup::Miss;
        }
        let Some(typed) = self.typed_since_start(cursor) else { return Lookup::Miss };
        let candidates = state.candidates.iter().enumerate();
        let completions: Vec<_> =
            candidates.filter_map(|(index, candidate)| candidate.complete(index, typed, state.done)).collect();
        if !completions.is_empty() {
            return Lookup::Hit(completions);
        }
        let may_reach =
            |candidate: &CandidateState| candidate.confidence.is_none() && typed.starts_with(&candidate.text);
        if !state.done && state.candidates.iter().any(may_reach) { Lookup::Pending } else { Lookup::Miss }
    }

    /// Text of the first candidate after a cursor, finished or not.
    pub(super) fn draft_after(&self, cursor: &RegionCursor) -> Option<String> {
        let typed = cursor.path.strip_prefix(&self.origin.path)?;
        let state = self.state.lock();
        let rest = state.candidates.first()?.text.strip_prefix(typed)?;
        if rest.is_empty() { None } else { Some(rest.to_owned()) }
    }

    /// Text of the first candidate, after the text of the region that precedes it.
    pub(super) fn text(&self) -> String {
        let state = self.state.lock();
        [self.origin.path.as_str(), state.candidates.first().map_or("", |candidate| &candidate.text)].concat()
    }

    /// True if it is still useful after an edit that left `text`: the edit lies where the model writes and agrees with
    /// it. A prefetch also stays useful while the user types the suggestion whose acceptance it assumes.
    pub(crate) fn survives_edit(&self, text: &str) -> bool {
        let Some(interior) = self.origin.region.interior(text) else { return false };
        let Some(path) = interior.strip_suffix(&self.origin.tail) else { return false };
        if let Some(start) = self.suggestion_start
            && path.len() >= start
            && self.origin.path.starts_with(path.trim_end_matches(AUTO_CLOSED))
        {
            return true;
        }
        let Some(typed) = path.strip_prefix(&self.origin.path) else { return false };
        let typed = typed.trim_end_matches(AUTO_CLOSED);
        let agrees = |text: &str| text.starts_with(typed) || typed.starts_with(text);
        let state = self.state.lock();
        let any_agrees = state
            .candidates
            .iter()
            .any(|candidate| agrees(&candidate.text) || candidate.shown.as_deref().is_some_and(agrees));
        !state.cancelled && any_agrees
    }

    /// Text typed since the start, if nothing else was changed. Closing brackets and quotes that an editor inserted
    /// behind the cursor are ignored.
    fn typed_since_start<'a>(&self, cursor: &'a RegionCursor) -> Option<&'a str> {
        let typed = cursor.path.strip_prefix(&self.origin.path)?;
        let inserted = cursor.tail.strip_suffix(&self.origin.tail)?;
        let same_region = Arc::ptr_eq(&cursor.region, &self.origin.region);
        if same_region && inserted.trim_matches(AUTO_CLOSED).is_empty() { Some(typed) } else { None }
    }

    /// True if the text behind the cursor is the same as at the start.
    pub(crate) fn has_same_tail(&self, cursor: &RegionCursor) -> bool {
        cursor.tail == self.origin.tail
    }
}

impl std::fmt::Debug for GenerationState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut fields = formatter.debug_struct("GenerationState");
        fields.field("candidates", &self.candidates).field("done", &self.done).field("cancelled", &self.cancelled);
        fields.finish_non_exhaustive()
    }
}

impl CandidateState {
    /// Completion after `typed`: the rest of the suggestion that was shown, or else of the text.
    fn complete(&self, candidate: usize, typed: &str, done: bool) -> Option<Completion> {
        if let Some(shown) = &self.shown {
            if let Some(rest) = shown.strip_prefix(typed) {
                return self.completion(candidate, typed, rest, false, true);
            }
            // The rest of the text was trimmed when the suggestion was shown.
            if typed.starts_with(shown.as_str()) {
                return None;
            }
        }
        let incomplete = self.confidence.is_none() && !done;
        self.completion(candidate, typed, self.text.strip_prefix(typed)?, incomplete, false)
    }

    fn completion(
        &self,
        candidate: usize,
        typed: &str,
        rest: &str,
        incomplete: bool,
        shown: bool,
    ) -> Option<Completion> {
        if rest.is_empty() {
            return None;
        }
        let confidence = self.confidence.unwrap_or_else(|| self.logprob_after(0) / self.pieces.len().max(1) as f32);
        let answer = Answer { text: rest.to_owned(), reached_end_token: self.ended || shown, confidence };
        Some(Completion { answer, candidate, incomplete, shown, logprob: self.logprob_after(typed.len()) })
    }

    /// Log-probability of the pieces that end after a byte of the text.
    fn logprob_after(&self, from: usize) -> f32 {
        self.pieces.iter().filter(|(end, _)| *end > from).map(|(_, logprob)| logprob).sum()
    }
}
