//! `textDocument/inlineCompletion`: from a snapshot to ghost text.
//!
//! A request is answered exactly once and never with something stale: when the document was edited, or asked about again,
//! the answer is empty. What the user types into a suggestion is answered from [`shown`](crate::shown).

pub mod context;

use std::sync::Arc;
use std::time::{Duration, Instant};

use foretype_model::{Engine, Job};
use foretype_plugins::{Answer, Document, Order, PromptStrategy, Request, Trigger, registry};
use tower_lsp::lsp_types::{Command, Range};

use crate::config::{Config, TriggerMode};
use crate::lsp::ext::{ACCEPTED, INVOKED, InlineCompletionItem, InlineCompletionList, InlineCompletionParams};
use crate::lsp::{Moment, Session};
use crate::shown::{Generation, Rest, complete_part};

/// However slow the model is, a request is answered after this many deadlines.
const PATIENCE: u32 = 20;
/// How long a run outlives the cancelling of the request that began it, in case the next key follows it.
const GRACE: Duration = Duration::from_millis(50);
/// A text that takes longer to parse is completed without its syntax.
const PARSE: Duration = Duration::from_millis(40);

/// Answers a request.
pub async fn complete(session: &Arc<Session>, params: InlineCompletionParams) -> InlineCompletionList {
    let started = Instant::now();
    let Some(moment) = session.moment(params.text_document.uri.as_str(), params.moment) else {
        return InlineCompletionList::default();
    };
    let Some(place) = Place::new(session, moment, &params) else { return InlineCompletionList::default() };
    let (items, typed_through) = place.answer().await;
    session.shared.stats.answered(!items.is_empty(), typed_through, started.elapsed());
    InlineCompletionList { items }
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

    /// The suggestions, and whether the model had written them before.
    async fn answer(mut self) -> (Vec<InlineCompletionItem>, bool) {
        let candidates = if self.trigger == Trigger::Invoked { self.config.inline.candidates } else { 1 };
        let found = self.moment.place.shown().find(&self.text, self.cursor, candidates);
        // Held before anything is awaited: the request that began the run may just have been cancelled.
        let held = found.as_ref().and_then(Watch::new);
        let typed_through = held.is_some();
        let request = self.request().await;
        let held = held.or_else(|| Watch::new(&self.begin(request.clone(), candidates)));
        let Some(mut watch) = held else { return (Vec::new(), false) };
        let mut overtaken = self.moment.overtaken.clone();
        let rest = tokio::select! {
            rest = self.wait(&mut watch) => rest,
            _ = overtaken.changed() => Rest::Nothing,
        };
        watch.answered = true;
        let Rest::Answers(answers, more) = rest else { return (Vec::new(), false) };
        if !self.moment.is_current() {
            return (Vec::new(), false);
        }
        let mut texts: Vec<String> = Vec::new();
        for mut answer in answers {
            if more {
                answer.text = complete_part(&answer.text).to_owned();
                // Nothing of it is half a line any more.
                answer.ended = true;
            }
            texts.extend(self.finish(&request, &answer).filter(|text| !texts.contains(text)));
        }
        (texts.into_iter().map(|text| self.item(text)).collect(), typed_through)
    }

    fn finish(&self, request: &Request, answer: &Answer) -> Option<String> {
        let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.strategy.finish(request, answer)));
        let text = finished.ok().flatten()?;
        let text = crate::completion::first_lines(&text, self.config.inline.max_lines);
        Some(text).filter(|text| !text.is_empty())
    }

    /// Waits for all of it, or at the deadline for the first piece.
    async fn wait(&self, watch: &mut Watch) -> Rest {
        let deadline = Duration::from_millis(self.config.inline.deadline_ms);
        let generation = watch.generation.clone();
        let rest = || generation.rest(&self.text, self.cursor);
        let waits = |rest: &Rest| matches!(rest, Rest::Wait | Rest::Answers(_, true));
        // At the time limit the loop is left, and what there is then is looked at.
        let _ =
            tokio::time::timeout(deadline, async { while waits(&rest()) && watch.changed.changed().await.is_ok() {} })
                .await;
        let usable = |rest: &Rest| match rest {
            Rest::Answers(answers, true) => answers.iter().any(|answer| !complete_part(&answer.text).trim().is_empty()),
            rest => *rest != Rest::Wait,
        };
        let _ = tokio::time::timeout(deadline * (PATIENCE - 1), async {
            while !usable(&rest()) && watch.changed.changed().await.is_ok() {}
        })
        .await;
        rest()
    }

    /// Starts a run of the model. Prompts are built where blocking is allowed.
    fn begin(&mut self, request: Arc<Request>, candidates: usize) -> Arc<Generation> {
        let generation = Generation::new(self.text.clone(), self.cursor, candidates);
        self.moment.place.shown().begin(generation.clone());
        let (session, place) = (self.session.clone(), self.moment.place.clone());
        let (engine, strategy, config) = (self.engine.clone(), self.strategy.clone(), self.config.clone());
        let run = generation.clone();
        let uri = self.moment.snapshot.uri.clone();
        tokio::task::spawn_blocking(move || {
            let build = || {
                let mut request = Request::clone(&request);
                request.recent_edits = context::recent_edits(&session, &config.context);
                request.open_files = context::open_files(&session, &config.context, &uri);
                let snippets = strategy.context(&request)?;
                strategy.prompt(&request, &snippets)
            };
            let built = std::panic::catch_unwind(std::panic::AssertUnwindSafe(build));
            let prompt = match built {
                Ok(Ok(prompt)) => prompt,
                Ok(Err(error)) => {
                    tracing::error!("no prompt for {}: {error}", request.document.path);
                    return run.cancel();
                }
                Err(_) => {
                    tracing::error!("building a prompt for {} panicked", request.document.path);
                    return run.cancel();
                }
            };
            place.shown().window = prompt.window.clone().map(Arc::new);
            if run.is_cancelled() {
                return;
            }
            let most_lines = config.inline.max_lines;
            let until =
                move |_: usize, text: &str| text.matches('\n').count() > most_lines || strategy.done(&request, text);
            let job = Job {
                prompt,
                max_tokens: config.inline.max_tokens,
                candidates,
                until: Some(Box::new(until)),
                ..Job::default()
            };
            let heard = run.clone();
            let ticket = engine.submit(job, move |event| {
                if let foretype_model::Event::Done { usage } = &event {
                    session.shared.stats.ran(usage);
                }
                heard.on(event);
            });
            run.hold(ticket);
        });
        generation
    }

    /// What is known at once; [`begin`](Self::begin) adds what takes time to gather.
    async fn request(&self) -> Arc<Request> {
        let snapshot = &self.moment.snapshot;
        let virtual_text = !Arc::ptr_eq(&self.text, &snapshot.text);
        let tree = if virtual_text { None } else { self.tree().await };
        let session = &self.session;
        let workspace = session.workspace_of(&snapshot.uri);
        let model = self.engine.model();
        let document = Document {
            path: session.path_in_prompt(&snapshot.uri),
            language: snapshot.language,
            text: self.text.clone(),
            tree,
        };
        Arc::new(Request {
            document: Arc::new(document),
            cursor: self.cursor,
            trigger: self.trigger,
            selected: None,
            format: model.fim_format(),
            budget: crate::completion::budget(model.decoder.config().context_length, &self.config),
            repository: workspace.as_ref().and_then(|workspace| workspace.name()),
            window: self.moment.place.shown().window.clone(),
            symbols: workspace
                .filter(|_| self.config.context.definitions)
                .map_or_else(Arc::default, |w| w.symbols.clone()),
            recent_edits: Arc::new([]),
            open_files: Arc::new([]),
            order: Order::Anchored,
            multi_line: self.config.inline.multi_line,
            minimum_confidence: self.config.inline.minimum_confidence,
        })
    }

    async fn tree(&self) -> Option<tree_sitter::Tree> {
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

/// A claim on a run by one request. If the request is cancelled and nobody follows, the run is stopped.
struct Watch {
    generation: Arc<Generation>,
    changed: tokio::sync::watch::Receiver<()>,
    answered: bool,
}

impl Watch {
    /// `None` if the run was stopped.
    fn new(generation: &Arc<Generation>) -> Option<Self> {
        let changed = generation.wait()?;
        Some(Self { changed, generation: generation.clone(), answered: false })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let last = self.generation.abandon();
        if !self.answered && last {
            let generation = self.generation.clone();
            tokio::spawn(async move {
                tokio::time::sleep(GRACE).await;
                generation.cancel_if_abandoned();
            });
        }
    }
}
