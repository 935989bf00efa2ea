//! One run of the model for one place of a document, and what it has written so far.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foretype_model::{Event, FinishReason, Ticket, Usage};
use foretype_plugins::{Answer, Window};
use tokio::sync::watch;

use super::frame::Spot;

/// One run of the model.
#[derive(Debug)]
pub struct Generation {
    spot: Spot,
    candidates: usize,
    /// For a run ahead of need: how much of the path was there when the suggestion was shown that the rest of it is.
    ahead: Option<usize>,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    written: Vec<Written>,
    ticket: Option<Ticket>,
    over: bool,
    cancelled: bool,
    /// Requests that wait for it.
    waiting: usize,
    /// No other request will find it.
    forgotten: bool,
    usage: Option<Usage>,
    window: Option<Arc<Window>>,
    /// The path to the place of which a part was shown, because more was still to come.
    in_part: Option<String>,
}

/// What one candidate has written.
#[derive(Debug, Clone, Default)]
struct Written {
    /// Without carriage returns: editors bring their own line ends.
    text: String,
    /// Where each piece of it ends, and the natural logarithm of its probability.
    pieces: Vec<(usize, f32)>,
    confidence: Option<f32>,
    ended: bool,
    /// What was shown of it, once it was finished. While the user types into it, this is what is shown.
    shown: Option<String>,
}

/// What a generation has for a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Rest {
    /// Nothing: it is about something else, or all of it is there already.
    Nothing,
    /// Perhaps something, when more has been written.
    Wait,
    /// What follows the cursor, one answer for each candidate that fits.
    Answers(Vec<Given>),
}

/// What one candidate has for a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// What follows the cursor.
    pub answer: Answer,
    /// Which candidate it is.
    pub candidate: usize,
    /// Whether the model writes on.
    pub more: bool,
    /// Whether it is the rest of what was shown, so that nothing needs to be trimmed again.
    pub shown: bool,
    /// Natural logarithm of the probability that the model gives to all of it that is written.
    pub likelihood: f32,
}

impl Generation {
    /// A run for a place; a run ahead of need knows how much of the path is there already.
    pub(super) fn new(spot: Spot, candidates: usize, ahead: Option<usize>) -> Arc<Self> {
        let state = State { written: vec![Written::default(); candidates], ..State::default() };
        Arc::new(Self { spot, candidates, ahead, state: Mutex::new(state), changed: watch::Sender::new(()) })
    }

    /// The place that it was begun for.
    pub fn spot(&self) -> &Spot {
        &self.spot
    }

    /// How many candidates it writes.
    pub fn candidates(&self) -> usize {
        self.candidates
    }

    /// Whether it was begun before anybody asked.
    pub fn is_ahead(&self) -> bool {
        self.ahead.is_some()
    }

    /// Bytes in memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        let written: usize = self.lock().written.iter().map(|one| one.text.len() * 2).sum();
        size_of::<Self>() + self.spot.path.len() + self.spot.tail.len() + written
    }

    /// Takes the claim on the run. If it was cancelled meanwhile, the claim is dropped, which stops the run.
    pub fn hold(&self, ticket: Ticket) {
        let mut state = self.lock();
        if !state.cancelled && !state.over {
            if state.waiting > 0 {
                ticket.hurry();
            }
            state.ticket = Some(ticket);
        }
    }

    /// The window of its prompt.
    pub fn built_on(&self, window: Arc<Window>) {
        self.lock().window = Some(window);
    }

    /// The window of its prompt, once that is built.
    pub fn window(&self) -> Option<Arc<Window>> {
        self.lock().window.clone()
    }

    /// Stops the run, if it still runs.
    pub fn cancel(&self) {
        self.cancel_in(self.lock());
    }

    fn cancel_in(&self, mut state: MutexGuard<'_, State>) {
        state.cancelled |= !state.over;
        state.over = true;
        let ticket = state.ticket.take();
        drop(state);
        drop(ticket);
        self.changed.send_replace(());
    }

    /// Whether it was stopped before its end.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Whether it still writes.
    pub fn runs(&self) -> bool {
        !self.lock().over
    }

    /// What it cost, once it is over.
    pub fn usage(&self) -> Option<Usage> {
        self.lock().usage
    }

    /// Somebody waits for it, and learns of changes; `None` if it was stopped. Whoever stops waiting calls
    /// [`abandon`](Self::abandon).
    pub fn wait(&self) -> Option<watch::Receiver<()>> {
        let mut state = self.lock();
        if state.cancelled {
            return None;
        }
        state.waiting += 1;
        state.ticket.iter().for_each(Ticket::hurry);
        Some(self.changed.subscribe())
    }

    /// Somebody no longer waits; says whether nobody does.
    pub fn abandon(&self) -> bool {
        let mut state = self.lock();
        state.waiting = state.waiting.saturating_sub(1);
        let nobody = state.waiting == 0;
        if nobody && state.forgotten {
            self.cancel_in(state);
        }
        nobody
    }

    /// No other request will find it: it is stopped as soon as nobody waits for it, which may be now.
    pub fn forget(&self) {
        self.lock().forgotten = true;
        self.cancel_if_abandoned();
    }

    /// Stops the run unless somebody waits for it.
    pub fn cancel_if_abandoned(&self) {
        let state = self.lock();
        if state.waiting == 0 {
            self.cancel_in(state);
        }
    }

    /// Takes in what the engine says. Called on the engine's thread.
    pub fn on(&self, event: Event) {
        let mut state = self.lock();
        match event {
            Event::Prefilled { .. } => {}
            Event::Text { candidate, text, logprob } => {
                if let Some(written) = state.written.get_mut(candidate) {
                    written.text.extend(text.chars().filter(|letter| *letter != '\r'));
                    written.pieces.push((written.text.len(), logprob));
                }
            }
            Event::Finished { candidate, reason, confidence, .. } => {
                if let FinishReason::Failed(why) = &reason {
                    tracing::error!("the model failed: {why}");
                }
                state.cancelled |= matches!(reason, FinishReason::Cancelled | FinishReason::Failed(_));
                if let Some(written) = state.written.get_mut(candidate) {
                    written.confidence = Some(confidence);
                    written.ended = reason == FinishReason::End;
                }
            }
            Event::Done { usage } => {
                state.over = true;
                state.usage = Some(usage);
                state.ticket = None;
            }
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Of a candidate, `text` was shown at `spot`.
    pub fn showed(&self, spot: &Spot, candidate: usize, text: &str) {
        let Some(typed) = self.typed(spot) else { return };
        if let Some(written) = self.lock().written.get_mut(candidate) {
            written.shown = Some([typed, text].concat());
        }
    }

    /// A part was shown at `spot`, and the rest is still to come.
    pub fn showed_part(&self, spot: &Spot) {
        self.lock().in_part = Some(spot.path.clone());
    }

    /// Whether a part was shown at `spot`; from now on it was not.
    pub fn take_part(&self, spot: &Spot) -> bool {
        self.lock().in_part.take_if(|path| *path == spot.path).is_some()
    }

    /// What there is for a place in its frame.
    pub fn rest(&self, spot: &Spot) -> Rest {
        let state = self.lock();
        let Some(typed) = self.typed(spot).filter(|_| !state.cancelled) else { return Rest::Nothing };
        let given = |(candidate, written): (usize, &Written)| written.rest(candidate, typed, state.over);
        let answers: Vec<Given> = state.written.iter().enumerate().filter_map(given).collect();
        if !answers.is_empty() {
            return Rest::Answers(answers);
        }
        let may_come = |written: &Written| written.confidence.is_none() && typed.starts_with(&written.text);
        if !state.over && state.written.iter().any(may_come) { Rest::Wait } else { Rest::Nothing }
    }

    /// What its likeliest candidate has written that follows a place, finished or not.
    pub(super) fn draft(&self, spot: &Spot) -> Option<String> {
        let typed = spot.path.strip_prefix(&self.spot.path)?;
        let state = self.lock();
        let rest = state.written.first()?.text.strip_prefix(typed)?;
        (!rest.is_empty()).then(|| rest.to_owned())
    }

    /// All that its likeliest candidate has written, after what stood before it.
    pub(super) fn text(&self) -> String {
        let state = self.lock();
        [self.spot.path.as_str(), state.written.first().map_or("", |written| &written.text)].concat()
    }

    /// Whether an edit that left `text` keeps the run useful: the new text lies where the run writes, and agrees. A run
    /// ahead of need stays useful while the user types the suggestion that it goes on from.
    pub fn follows(&self, text: &str) -> bool {
        let Some(stretch) = self.spot.frame.stretch(text) else { return false };
        let stretch = stretch.replace('\r', "");
        let Some(inner) = stretch.strip_suffix(&self.spot.tail) else { return false };
        let bare = inner.trim_end_matches(CLOSERS);
        if self.ahead.is_some_and(|there| inner.len() >= there && self.spot.path.starts_with(bare)) {
            return true;
        }
        let Some(typed) = inner.strip_prefix(&self.spot.path) else { return false };
        let typed = typed.trim_end_matches(CLOSERS);
        let agrees = |text: &str| text.starts_with(typed) || typed.starts_with(text);
        let state = self.lock();
        let shown = |written: &Written| written.shown.as_deref().is_some_and(agrees);
        !state.cancelled && state.written.iter().any(|written| agrees(&written.text) || shown(written))
    }

    /// What was typed since the run began, if nothing else was changed. Closing brackets and quotes that an editor put
    /// behind the cursor count as nothing.
    fn typed<'a>(&self, spot: &'a Spot) -> Option<&'a str> {
        let typed = spot.path.strip_prefix(&self.spot.path)?;
        let closers = spot.tail.strip_suffix(&self.spot.tail)?;
        (Arc::ptr_eq(&spot.frame, &self.spot.frame) && closers.trim_matches(CLOSERS).is_empty()).then_some(typed)
    }

    /// Whether the text behind the cursor is what it was when the run began.
    pub fn has_same_tail(&self, spot: &Spot) -> bool {
        spot.tail == self.spot.tail
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What editors close by themselves.
const CLOSERS: &[char] = &[')', ']', '}', '>', '"', '\'', '`'];

impl Written {
    /// What it has after `typed`: the rest of what was shown, or else of what is written.
    fn rest(&self, candidate: usize, typed: &str, over: bool) -> Option<Given> {
        let sum =
            |from: usize| self.pieces.iter().filter(|(end, _)| *end > from).map(|(_, logprob)| logprob).sum::<f32>();
        let confidence = self.confidence.unwrap_or_else(|| sum(0) / self.pieces.len().max(1) as f32);
        let given = |rest: &str, more, shown| {
            let answer = Answer { text: rest.to_owned(), ended: self.ended || shown, confidence };
            let likelihood = sum(typed.len());
            (!rest.is_empty()).then_some(Given { answer, candidate, more, shown, likelihood })
        };
        match &self.shown {
            Some(shown) if shown.starts_with(typed) => given(&shown[typed.len()..], false, true),
            // What stands behind it was not worth showing.
            Some(shown) if typed.starts_with(shown.as_str()) => None,
            _ => given(self.text.strip_prefix(typed)?, self.confidence.is_none() && !over, false),
        }
    }
}
