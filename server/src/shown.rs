//! What was suggested, so that typing into it needs no model.
//!
//! A [`Generation`] is one run of the model for one place of a document. While the user types what it has written, or is
//! about to write, the answer comes from it and the run goes on; a run that no longer fits is cancelled. Earlier runs are
//! kept, so that deleting and typing again is free.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foretype_model::{Event, FinishReason, Ticket, Usage};
use foretype_plugins::{Answer, Window};
use tokio::sync::watch;

/// One run of the model.
#[derive(Debug)]
pub struct Generation {
    text: Arc<str>,
    cursor: usize,
    candidates: usize,
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
    usage: Option<Usage>,
}

/// What one candidate has written.
#[derive(Debug, Clone, Default)]
struct Written {
    /// Without carriage returns: editors bring their own line ends.
    text: String,
    logprobs: f32,
    tokens: usize,
    confidence: Option<f32>,
    ended: bool,
}

/// What a generation has for a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Rest {
    /// Nothing: it is about something else, or all of it is there already.
    Nothing,
    /// Perhaps something, when more has been written.
    Wait,
    /// What follows the cursor, one answer for each candidate that fits. The flag says whether more will be written.
    Answers(Vec<Answer>, bool),
}

impl Generation {
    /// A run for `cursor` in `text`.
    pub fn new(text: Arc<str>, cursor: usize, candidates: usize) -> Arc<Self> {
        let state = State { written: vec![Written::default(); candidates], ..State::default() };
        Arc::new(Self { text, cursor, candidates, state: Mutex::new(state), changed: watch::Sender::new(()) })
    }

    /// How many candidates it writes.
    pub fn candidates(&self) -> usize {
        self.candidates
    }

    /// Takes the claim on the run. If it was cancelled meanwhile, the claim is dropped, which stops the run.
    pub fn hold(&self, ticket: Ticket) {
        let mut state = self.lock();
        if !state.cancelled && !state.over {
            state.ticket = Some(ticket);
        }
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
        Some(self.changed.subscribe())
    }

    /// Somebody no longer waits; says whether nobody does.
    pub fn abandon(&self) -> bool {
        let mut state = self.lock();
        state.waiting = state.waiting.saturating_sub(1);
        state.waiting == 0
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
                    written.logprobs += logprob;
                    written.tokens += 1;
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

    /// What there is for `cursor` in `text`.
    pub fn rest(&self, text: &str, cursor: usize) -> Rest {
        let state = self.lock();
        let Some(typed) = self.typed(text, cursor).filter(|_| !state.cancelled) else { return Rest::Nothing };
        let more = !state.over;
        let fits = |written: &&Written| written.text.len() > typed.len() && written.text.starts_with(&typed);
        let answers: Vec<_> = state.written.iter().filter(fits).map(|written| written.rest(typed.len())).collect();
        if !answers.is_empty() {
            return Rest::Answers(answers, more);
        }
        let may_come = more && state.written.iter().any(|written| typed.starts_with(&written.text));
        if may_come { Rest::Wait } else { Rest::Nothing }
    }

    /// Whether an edit that left `text` keeps the run useful: the new text lies where the run writes, and agrees.
    pub fn follows(&self, text: &str) -> bool {
        let (before, after) = (&self.text[..self.cursor], &self.text[self.cursor..]);
        let Some(middle) = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else { return false };
        let middle = middle.replace('\r', "");
        let typed = middle.trim_end_matches(CLOSERS);
        let agrees = |text: &str| text.starts_with(typed) || typed.starts_with(text);
        let state = self.lock();
        !state.cancelled && state.written.iter().any(|written| agrees(&written.text))
    }

    /// What was typed since the run began, if nothing else was changed. Closing brackets and quotes that an editor put
    /// behind the cursor count as nothing.
    fn typed(&self, text: &str, cursor: usize) -> Option<String> {
        let (before, after) = (&self.text[..self.cursor], &self.text[self.cursor..]);
        let typed = text.get(..cursor)?.strip_prefix(before)?;
        let closers = text.get(cursor..)?.strip_suffix(after)?;
        closers.trim_matches(CLOSERS).is_empty().then(|| typed.replace('\r', ""))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What editors close by themselves.
const CLOSERS: &[char] = &[')', ']', '}', '>', '"', '\'', '`'];

impl Written {
    fn rest(&self, typed: usize) -> Answer {
        let confidence = self.confidence.unwrap_or(self.logprobs / self.tokens.max(1) as f32);
        Answer { text: self.text[typed..].to_owned(), ended: self.ended, confidence }
    }
}

/// The largest part of an unfinished answer that reads as a whole: complete lines, or at least complete words.
pub fn complete_part(text: &str) -> &str {
    match text.rfind('\n') {
        Some(end) if !text[..end].trim().is_empty() => &text[..end],
        _ => text[..text.len()].trim_end_matches(|letter: char| letter.is_alphanumeric() || letter == '_'),
    }
}

/// What was suggested in one document.
#[derive(Debug, Default)]
pub struct Shown {
    kept: VecDeque<Arc<Generation>>,
    /// The window of the last prompt, for the next one.
    pub window: Option<Arc<Window>>,
}

const KEPT: usize = 16;

impl Shown {
    /// A generation of at least this many candidates that has, or may come to have, something for this place.
    pub fn find(&self, text: &str, cursor: usize, candidates: usize) -> Option<Arc<Generation>> {
        let fits = |generation: &&Arc<Generation>| {
            generation.candidates() >= candidates && generation.rest(text, cursor) != Rest::Nothing
        };
        self.kept.iter().rev().find(fits).cloned()
    }

    /// A new run begins; what else runs is stopped.
    pub fn begin(&mut self, generation: Arc<Generation>) {
        self.stop_unless(|_| false);
        self.kept.push_back(generation);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// The document was edited: a run that cannot be of use any more is stopped.
    pub fn edited(&mut self, text: &str) {
        self.stop_unless(|generation| generation.follows(text));
    }

    /// Another document was edited, or the model or an option changed: what was written may be different now.
    pub fn forget(&mut self) {
        self.kept.iter().for_each(|generation| generation.cancel());
        self.kept.clear();
    }

    fn stop_unless(&mut self, keep: impl Fn(&Generation) -> bool) {
        self.kept.retain(|generation| {
            let runs = generation.usage().is_none();
            if runs && !keep(generation) {
                generation.cancel();
            }
            !generation.is_cancelled()
        });
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run at `▁` in `base` that has written `written`; what it has for `▁` in `now`.
    fn check(base: &str, written: &str, over: bool, now: &str) -> (Rest, bool) {
        let place = |marked: &str| (marked.replace('▁', ""), marked.find('▁').expect("a cursor"));
        let (base, cursor) = place(base);
        let generation = Generation::new(base.into(), cursor, 1);
        generation.on(Event::Text { candidate: 0, text: written.into(), logprob: -0.5 });
        if over {
            let (reason, tokens) = (FinishReason::Until, Vec::new());
            generation.on(Event::Finished { candidate: 0, reason, tokens, confidence: -0.5 });
            generation.on(Event::Done { usage: Usage::default() });
        }
        let (now, cursor) = place(now);
        (generation.rest(&now, cursor), generation.follows(&now))
    }

    fn answer(text: &str, more: bool) -> Rest {
        Rest::Answers(vec![Answer { text: text.into(), ended: false, confidence: -0.5 }], more)
    }

    #[test]
    fn typing_into_the_suggestion_leaves_its_rest() {
        assert_eq!(check("x = ▁\n", "foo(1)", true, "x = ▁\n"), (answer("foo(1)", false), true));
        assert_eq!(check("x = ▁\n", "foo(1)", true, "x = fo▁\n"), (answer("o(1)", false), true));
        assert_eq!(check("x = ▁\n", "foo(1)", true, "x = foo(▁)\n"), (answer("1)", false), true));
        assert_eq!(check("a▁\r\nb", " {\r\n}", true, "a {\r\n▁\r\nb"), (answer("}", false), true));
    }

    #[test]
    fn typing_ahead_of_a_run_waits_for_it() {
        assert_eq!(check("x = ▁", "fo", false, "x = foo▁"), (Rest::Wait, true));
        assert_eq!(check("x = ▁", "fo", false, "x = f▁"), (answer("o", true), true));
        assert_eq!(check("x = ▁", "fo", true, "x = foo▁").0, Rest::Nothing);
    }

    #[test]
    fn typing_something_else_ends_it() {
        assert_eq!(check("x = ▁\n", "foo", false, "x = b▁\n"), (Rest::Nothing, false));
        assert_eq!(check("x = ▁\n", "foo", false, "y = ▁\n"), (Rest::Nothing, false));
        assert_eq!(check("x = ▁\n", "foo", false, "x = ▁\nmore"), (Rest::Nothing, false));
        assert_eq!(check("x = ▁", "foo", true, "x = foo▁").0, Rest::Nothing);
    }

    #[test]
    fn deleting_and_typing_again_is_answered_from_what_was_written() {
        let mut shown = Shown::default();
        for (base, written) in [("x", " = 1"), ("x =", " 2")] {
            let generation = Generation::new(base.into(), base.len(), 1);
            shown.begin(generation.clone());
            generation.on(Event::Text { candidate: 0, text: written.into(), logprob: 0.0 });
            generation.on(Event::Done { usage: Usage::default() });
        }
        let found = |text: &str| shown.find(text, text.len(), 1).map(|found| found.rest(text, text.len()));
        assert!(matches!(found("x ="), Some(Rest::Answers(answers, false)) if answers[0].text == " 2"));
        assert!(matches!(found("x "), Some(Rest::Answers(answers, false)) if answers[0].text == "= 1"));
        assert_eq!(found("z"), None);
    }

    #[test]
    fn a_run_that_was_stopped_has_nothing() {
        let mut shown = Shown::default();
        let generation = Generation::new("x".into(), 1, 1);
        shown.begin(generation.clone());
        shown.edited("xy");
        assert!(!generation.is_cancelled(), "y may be what comes");
        generation.on(Event::Text { candidate: 0, text: "z".into(), logprob: 0.0 });
        shown.edited("xy");
        assert!(generation.is_cancelled() && shown.find("x", 1, 1).is_none());
    }

    #[test]
    fn a_run_that_somebody_waits_for_is_not_stopped_by_one_who_left() {
        let generation = Generation::new("x".into(), 1, 1);
        let first = generation.wait();
        assert!(first.is_some() && generation.abandon(), "nobody is left");
        assert!(generation.wait().is_some(), "somebody comes in time");
        generation.cancel_if_abandoned();
        assert!(!generation.is_cancelled());
        assert!(generation.abandon());
        generation.cancel_if_abandoned();
        assert!(generation.is_cancelled() && generation.wait().is_none(), "too late");
    }

    #[test]
    fn the_complete_part_ends_at_a_line_or_a_word() {
        assert_eq!(complete_part("a + b\n    retu"), "a + b");
        assert_eq!(complete_part("print(hel"), "print(");
        assert_eq!(complete_part("\nret"), "\n");
    }
}
