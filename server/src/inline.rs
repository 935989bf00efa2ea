//! `textDocument/inlineCompletion`: from a snapshot to ghost text.
//!
//! A request is answered exactly once and never with something stale: when the document was edited, or asked about again,
//! the answer is empty. What the user types into a suggestion is answered from [`shown`](crate::shown).

pub mod context;
mod later;
mod run;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use foretype_model::{Engine, Priority};
use foretype_plugins::{Answer, Budget, Document, Order, PromptStrategy, Request, Trigger, finish, registry, window};
use tower_lsp::lsp_types::{Command, Range};
use tree_sitter::Tree;

use crate::config::{Config, ShowDelay, TriggerMode};
use crate::lsp::ext::{
    ACCEPTED, FocusParams, INVOKED, InlineCompletionContext, InlineCompletionItem, InlineCompletionList,
    InlineCompletionParams,
};
use crate::lsp::{Moment, Session};
use crate::shown::{Given, Rest, complete_part};
pub use later::Later;
use run::Run;
use watch::Watch;

/// However slow the model is, a request is answered after this many deadlines.
const PATIENCE: u32 = 20;
/// The first piece of a suggestion is shown, where the client can lengthen it, when so many of all next keys would have
/// come, or after this time if nothing is known of the typist.
const SOON: (f32, Duration) = (0.2, Duration::from_millis(150));
/// Where the cursor rests so long, somebody may be about to type.
const RESTS: Duration = Duration::from_millis(100);
/// Where reading the text around the cursor would take more seconds than this, the nearest is read first: what is read in `NEAR` seconds,
/// beside the lines at the cursor. A text of no more than `SHORT` tokens is near as a whole.
const LONG: f32 = 1.0;
const NEAR: f32 = 0.5;
const SHORT: f32 = 400.0;
/// Bytes of code that make a token, about.
const BYTES_PER_TOKEN: f32 = 3.5;
/// What follows a suggestion is worked out ahead of need where the model gives the suggestion this probability (its natural
/// logarithm; three tenths): of those that it believes in less, hardly any are accepted.
const LIKELY: f32 = -1.2;
/// A text that takes longer to parse is completed without its syntax.
const PARSE: Duration = Duration::from_millis(40);

/// Answers a request. If the model still writes, the rest will come later.
pub async fn complete(session: &Arc<Session>, params: InlineCompletionParams) -> (InlineCompletionList, Option<Later>) {
    let started = Instant::now();
    let uri = params.text_document.uri.as_str();
    let moment = session.moment(uri, params.moment);
    let Some(place) = moment.and_then(|moment| Place::new(session, moment, &params)) else {
        tracing::debug!("nothing to suggest in {uri}: switched off, excluded, changed meanwhile, or no model yet");
        return Default::default();
    };
    let answered = place.answer().await;
    tracing::debug!("{} suggestions after {:?} for {uri}", answered.items.len(), started.elapsed());
    // Who asks for the rest was answered before.
    if !answered.rest_of_part {
        session.shared.stats.answered(!answered.items.is_empty(), answered.typed_through, started.elapsed());
    }
    let list = InlineCompletionList { items: answered.items, is_incomplete: answered.later.is_some() };
    (list, answered.later)
}

/// The cursor stands somewhere, and nothing was typed there: if it rests, the model reads the prompt for that place, so that
/// the first key finds it read. It is not interesting to anybody but the next key, so any key stops it.
pub async fn read_ahead(session: Arc<Session>, params: FocusParams) {
    let mut elsewhere = session.focused();
    let Some(position) = params.position else { return };
    let Some(moment) = session.present(params.text_document.uri.as_str()) else { return };
    let (text_document, context) = (params.text_document, InlineCompletionContext::default());
    let asked = InlineCompletionParams { text_document, position, context, moment: None };
    let Some(place) = Place::new(&session, moment, &asked).filter(|place| place.config.inline.work_ahead) else {
        return;
    };
    let mut overtaken = place.moment.overtaken.clone();
    let read = async {
        tokio::time::sleep(RESTS).await;
        if session.may_read_ahead() {
            place.run().read_ahead(place.request(place.tree().await)).await;
        }
    };
    tokio::select! {
        () = read => {}
        _ = overtaken.changed() => {}
        _ = elsewhere.changed() => {}
    }
}

/// The budget of a prompt of which so many bytes are to be read, where `speed` tokens are in a second.
fn sooner(budget: Budget, unread: usize, speed: f32) -> Budget {
    match unread as f32 / BYTES_PER_TOKEN > (speed * LONG).max(SHORT) {
        true => budget.nearest((speed * NEAR) as usize),
        false => budget,
    }
}

/// What is known of a request when it is answered.
#[derive(Default)]
struct Answered {
    items: Vec<InlineCompletionItem>,
    /// Whether the model had written them before.
    typed_through: bool,
    /// Whether a part of them had been shown at this place.
    rest_of_part: bool,
    later: Option<Later>,
}

/// A request, converted: where it asks, in our terms.
struct Place {
    session: Arc<Session>,
    moment: Moment,
    config: Arc<Config>,
    engine: Engine,
    strategy: Arc<dyn PromptStrategy>,
    /// The text, in which the popup's selected item stands as if it were accepted.
    text: Arc<str>,
    cursor: usize,
    trigger: Trigger,
    /// What an accepted suggestion replaces, and what it begins with.
    range: Range,
    begins: String,
}

impl Place {
    /// `None` if there is nothing to suggest here: switched off, excluded, out of sync, outside, or no model yet.
    fn new(session: &Arc<Session>, moment: Moment, params: &InlineCompletionParams) -> Option<Self> {
        let config = session.config();
        let invoked = params.context.trigger_kind == INVOKED;
        let snapshot = &moment.snapshot;
        let wanted = invoked || config.inline.trigger == TriggerMode::Automatic;
        if !wanted || session.refusal(snapshot).is_some() || params.position.line as usize >= snapshot.lines.lines() {
            return None;
        }
        let encoding = session.client_facts()?.encoding;
        let engine = session.engine()?;
        let strategy = registry::strategy("fill")?;
        let cursor = snapshot.lines.offset(&snapshot.text, params.position, encoding);
        let at = snapshot.lines.position(&snapshot.text, cursor, encoding);
        let mut place = Self {
            session: session.clone(),
            config,
            engine,
            strategy,
            text: snapshot.text.clone(),
            cursor,
            trigger: if invoked { Trigger::Invoked } else { Trigger::Automatic },
            range: Range { start: at, end: at },
            begins: String::new(),
            moment,
        };
        if let Some(selected) = &params.context.selected_completion_info {
            let snapshot = &place.moment.snapshot;
            let ends = [selected.range.start, selected.range.end];
            let [start, end] = ends.map(|end| snapshot.lines.offset(&snapshot.text, end, encoding));
            let (before, after) = (snapshot.text.get(..start)?, snapshot.text.get(end.max(start)..)?);
            place.text = [before, &selected.text, after].concat().into();
            place.cursor = start + selected.text.len();
            (place.range, place.begins) = (selected.range, selected.text.clone());
        }
        Some(place)
    }

    async fn answer(self) -> Answered {
        let candidates = if self.trigger == Trigger::Invoked { self.config.inline.candidates } else { 1 };
        let found = self.moment.place.shown().find(&self.text, self.cursor, candidates);
        // Held before anything is awaited: the request that began the run may just have been cancelled.
        let held = found.and_then(|(generation, spot)| Watch::new(generation, spot));
        let followed = match held {
            Some(watch) => self.hear(watch).await,
            None => None,
        };
        let typed_through = followed.is_some();
        // The run that was followed may have written something else than what was typed: then there has to be another.
        let heard = match followed {
            None if self.moment.is_current() => self.begin_and_hear(candidates).await,
            followed => followed,
        };
        if !self.moment.is_current() {
            return Answered::default();
        }
        let Some((watch, given)) = heard else {
            self.prepare(None);
            return Answered::default();
        };
        let whole = given.iter().all(|given| !given.more);
        let likely = given.first().is_some_and(|given| given.likelihood >= LIKELY);
        let texts = self.texts(&watch, given).await;
        self.run().continue_window(&watch.generation);
        if self.config.inline.show_delay == ShowDelay::Adaptive && !typed_through && self.trigger == Trigger::Automatic
        {
            self.rest_of_burst().await;
        }
        if !self.moment.is_current() {
            return Answered::default();
        }
        self.prepare(texts.first().filter(|_| whole && likely));
        let rest_of_part = watch.generation.take_part(&watch.spot);
        let later = (!whole && !texts.is_empty() && self.can_lengthen()).then(|| {
            watch.generation.showed_part(&watch.spot);
            Later::of(watch, &self.moment)
        });
        let items = texts.into_iter().map(|text| self.item(text)).collect();
        Answered { items, typed_through, rest_of_part, later }
    }

    /// Whether a suggestion may be shown before it is complete.
    fn can_lengthen(&self) -> bool {
        let understands = self.session.client_facts().is_some_and(|facts| facts.more);
        let inline = &self.config.inline;
        understands && inline.show_parts && inline.show_delay == ShowDelay::None && self.trigger == Trigger::Automatic
    }

    /// What a run has for this place, unless the request is overtaken meanwhile.
    async fn hear(&self, mut watch: Watch) -> Option<(Watch, Vec<Given>)> {
        let mut overtaken = self.moment.overtaken.clone();
        let rest = tokio::select! {
            rest = self.wait(&mut watch) => rest,
            _ = overtaken.changed() => Rest::Nothing,
        };
        watch.answered = true;
        match rest {
            Rest::Answers(given) => Some((watch, given)),
            Rest::Nothing | Rest::Wait => None,
        }
    }

    async fn begin_and_hear(&self, candidates: usize) -> Option<(Watch, Vec<Given>)> {
        let watch = self.begin(candidates).await?;
        self.hear(watch).await
    }

    /// Starts a run of the model.
    async fn begin(&self, candidates: usize) -> Option<Watch> {
        let request = Arc::new(self.request(self.tree().await));
        if !self.moment.is_current() {
            return None;
        }
        let generation = self.moment.place.shown().begin(&self.text, self.cursor, candidates);
        self.run().start(request, generation.clone(), Priority::Interactive);
        let spot = generation.spot().clone();
        Watch::new(generation, spot)
    }

    /// What is to be shown of what the model has written.
    async fn texts(&self, watch: &Watch, given: Vec<Given>) -> Vec<String> {
        let same_tail = watch.generation.has_same_tail(&watch.spot);
        let is_known = |given: &Given| given.shown && same_tail;
        let request = match given.iter().all(|given| given.shown) {
            true if same_tail => None,
            // What the syntax had to say was said when it was first shown.
            true => Some(Arc::new(self.request(self.moment.snapshot.tree.clone()))),
            false => Some(Arc::new(self.request(self.tree().await))),
        };
        let mut texts: Vec<String> = Vec::new();
        for mut given in given {
            let text = match &request {
                Some(request) if !is_known(&given) => {
                    if given.more {
                        given.answer.text = complete_part(&given.answer.text).to_owned();
                        // Nothing of it is half a line any more.
                        given.answer.ended = true;
                    }
                    self.finish(request, &given.answer).await
                }
                _ => Some(given.answer.text.clone()),
            };
            let Some(text) = text.filter(|text| !texts.iter().any(|other| finish::alike(other, text))) else {
                continue;
            };
            if !given.more && same_tail {
                watch.generation.showed(&watch.spot, given.candidate, &text);
            }
            texts.push(text);
        }
        texts
    }

    /// Plugins may take their time, so where there are any that is done where blocking is allowed.
    async fn finish(&self, request: &Arc<Request>, answer: &Answer) -> Option<String> {
        let uri = &self.moment.snapshot.uri;
        let strategy = self.session.with_plugins(&self.strategy, uri, request.document.language);
        let plain = Arc::ptr_eq(&strategy, &self.strategy);
        let (request, answer) = (request.clone(), answer.clone());
        let finish = std::panic::AssertUnwindSafe(move || strategy.finish(&request, &answer));
        let text = if plain {
            std::panic::catch_unwind(finish).ok().flatten()?
        } else {
            let finished = tokio::task::spawn_blocking(finish.0).await;
            self.session.plugins_ran();
            finished.ok().flatten()?
        };
        let text = crate::completion::first_lines(&text, self.config.inline.max_lines);
        Some(text).filter(|text| !text.is_empty())
    }

    /// Waits for all of it, or when the next key is soon due, or at the deadline, for the first piece.
    async fn wait(&self, watch: &mut Watch) -> Rest {
        let deadline = Duration::from_millis(self.config.inline.deadline_ms);
        let for_all = match self.can_lengthen() {
            true => self.moment.place.shown().typist.gap(SOON.0).unwrap_or(SOON.1).min(deadline),
            false => deadline,
        };
        let (generation, spot) = (watch.generation.clone(), watch.spot.clone());
        let rest = || generation.rest(&spot);
        let waits = |rest: &Rest| match rest {
            Rest::Nothing => false,
            Rest::Wait => true,
            Rest::Answers(given) => given.iter().any(|given| given.more),
        };
        // At the time limit the loop is left, and what there is then is looked at.
        let _ =
            tokio::time::timeout(for_all, async { while waits(&rest()) && watch.changed.changed().await.is_ok() {} })
                .await;
        let says_something = |given: &Given| !given.more || !complete_part(&given.answer.text).trim().is_empty();
        let usable = |rest: &Rest| match rest {
            Rest::Answers(given) => given.iter().any(says_something),
            rest => *rest != Rest::Wait,
        };
        let _ = tokio::time::timeout(deadline * PATIENCE - for_all, async {
            while !usable(&rest()) && watch.changed.changed().await.is_ok() {}
        })
        .await;
        rest()
    }

    /// Waits until the next key is due: while it comes in time, nothing new is shown that it would take away.
    async fn rest_of_burst(&self) {
        let due = self.moment.place.shown().typist.due(0.5);
        let mut overtaken = self.moment.overtaken.clone();
        if let Some(due) = due {
            // Whichever comes first ends the waiting.
            let _ = tokio::time::timeout_at(due.into(), overtaken.changed()).await;
        }
    }

    /// Work ahead of need, once an answer is there: what follows `text` when it is accepted, and a new window if the user
    /// pauses.
    fn prepare(&self, text: Option<&String>) {
        if !self.config.inline.work_ahead || !Arc::ptr_eq(&self.text, &self.moment.snapshot.text) {
            return;
        }
        let request = Arc::new(self.request(self.moment.snapshot.tree.clone()));
        let overtaken = self.moment.overtaken.clone();
        if let Some(text) = text {
            tokio::spawn(self.run().work_ahead(request.clone(), text.clone(), overtaken.clone()));
        }
        tokio::spawn(self.run().renew_window(request, overtaken));
    }

    fn run(&self) -> Run {
        Run {
            session: self.session.clone(),
            place: self.moment.place.clone(),
            engine: self.engine.clone(),
            strategy: self.strategy.clone(),
            config: self.config.clone(),
            uri: self.moment.snapshot.uri.clone(),
        }
    }

    /// What is known at once; [`Run`] adds what takes time to gather.
    fn request(&self, tree: Option<Tree>) -> Request {
        let snapshot = &self.moment.snapshot;
        let session = &self.session;
        let workspace = session.workspace_of(&snapshot.uri);
        let model = self.engine.model();
        let path = session.path_in_prompt(&snapshot.uri);
        let document = Document { path, language: snapshot.language, text: self.text.clone(), tree };
        let builtins = Arc::new(crate::plugins::builtins::chosen(&self.config.plugins, snapshot.language));
        let mut request = Request {
            task: foretype_plugins::request::Task::Fill,
            question: None,
            document: Arc::new(document),
            cursor: self.cursor,
            trigger: self.trigger,
            selected: None,
            format: model.fim_format(),
            budget: crate::completion::budget(model.decoder.config().context_length, &self.config),
            repository: workspace.as_ref().and_then(|workspace| workspace.name()),
            window: None,
            symbols: workspace
                .filter(|_| self.config.context.definitions)
                .map_or_else(Arc::default, |w| w.symbols.clone()),
            recent_edits: Arc::new([]),
            open_files: Arc::new([]),
            builtins,
            tokens: Some(model.tokenizer.clone()),
            order: Order::Anchored,
            multi_line: self.config.inline.multi_line,
            minimum_confidence: self.config.inline.minimum_confidence,
        };
        let holds = self.moment.place.shown().windows.choose_for(&mut request);
        // Without work ahead the whole would never be read.
        let near_first = self.config.inline.near_first && self.config.inline.work_ahead;
        if near_first
            && !holds
            && let Some(speed) = self.engine.status().reading_speed
        {
            request.budget = sooner(request.budget, window::unread(&request), speed);
        }
        request
    }

    async fn tree(&self) -> Option<Tree> {
        if !Arc::ptr_eq(&self.text, &self.moment.snapshot.text) {
            return None;
        }
        if let Some(tree) = &self.moment.snapshot.tree {
            return Some(tree.clone());
        }
        let (session, uri) = (self.session.clone(), self.moment.snapshot.uri.clone());
        let parse = tokio::task::spawn_blocking(move || session.documents.parsed(&uri));
        let parsed = tokio::time::timeout(PARSE, parse).await.ok()?.ok()??;
        parsed.tree.clone().filter(|_| Arc::ptr_eq(&parsed.text, &self.text))
    }

    fn item(&self, text: String) -> InlineCompletionItem {
        let number = self.session.shared.stats.number(text.chars().count());
        let command = Command {
            title: "Accepted".to_owned(),
            command: ACCEPTED.to_owned(),
            arguments: Some(vec![number.into()]),
        };
        let filter_text = (!self.begins.is_empty()).then(|| self.begins.clone());
        let insert_text = format!("{}{text}", self.begins);
        InlineCompletionItem { insert_text, filter_text, range: self.range, command }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_read_for_long_is_read_from_the_nearest_on() {
        let whole = Budget::within(2048, 96);
        assert_eq!(sooner(whole, 3000, 1000.0), whole);
        assert_eq!(sooner(whole, 1200, 50.0), whole, "a short one");
        let near = sooner(whole, 3000, 200.0);
        assert!(near.near && near.before < 300 && near.after < 300 && near.middle == whole.middle, "{near:?}");
        assert!(sooner(whole, 6000, 1000.0).before > near.before, "as much as is read soon");
    }
}
