//! Runs of the model: prompts are built where blocking is allowed, and what nobody waits for yet runs in the background.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foretype_model::{Engine, Event, Job, Priority};
use foretype_plugins::{Document, Prompt, PromptStrategy, Request, Window, syntax, window};
use tokio::sync::{oneshot, watch};
use tree_sitter::{InputEdit, Point, Tree};

use super::context;
use crate::completion;
use crate::config::Config;
use crate::lsp::{PerDocument, Session};
use crate::shown::Generation;

/// A pause this long is taken for a rest.
const IDLE: Duration = Duration::from_secs(1);
/// After this long, or once nine of ten keys would have come, somebody looks at a suggestion rather than typing on.
const LOOKS: (Duration, f32) = (Duration::from_millis(200), 0.9);

/// What it takes to run the model for a document.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) session: Arc<Session>,
    pub(super) place: Arc<PerDocument>,
    pub(super) engine: Engine,
    pub(super) strategy: Arc<dyn PromptStrategy>,
    pub(super) config: Arc<Config>,
    pub(super) uri: String,
}

impl Run {
    /// Starts the run of a generation.
    pub(super) fn start(self, request: Arc<Request>, generation: Arc<Generation>, priority: Priority) {
        tokio::task::spawn_blocking(move || {
            let Some((request, prompt)) = self.prompt(&request) else { return generation.cancel() };
            if let Some(window) = prompt.window.clone().map(Arc::new) {
                generation.built_on(window.clone());
                if priority == Priority::Interactive {
                    self.place.shown().windows.put(window);
                }
            }
            if !generation.is_cancelled() {
                self.submit(request, prompt, generation, priority);
            }
        });
    }

    fn submit(&self, request: Request, prompt: Prompt, generation: Arc<Generation>, priority: Priority) {
        let most_lines = self.config.inline.max_lines;
        let repeats = completion::repeats(&request);
        let shown = self.place.shown();
        let (drafts, earlier) = (shown.drafts(generation.spot()), shown.earlier());
        drop(shown);
        let strategy = self.session.with_plugins(&self.strategy, &self.uri, request.document.language);
        let until =
            move |_: usize, text: &str| text.matches('\n').count() > most_lines || strategy.done(&request, text);
        let job = Job {
            prompt,
            max_tokens: self.config.inline.max_tokens,
            candidates: generation.candidates(),
            priority,
            until: Some(Box::new(until)),
            drafts,
            repeats,
            earlier,
            cache: self.config.inline.text_cache.holds(self.engine.model()),
            ..Job::default()
        };
        let (session, heard) = (self.session.clone(), generation.clone());
        let ticket = self.engine.submit(job, move |event| {
            if let Event::Done { usage } = &event {
                session.shared.stats.ran(usage);
            }
            heard.on(event);
        });
        generation.hold(ticket);
    }

    /// The prompt of a request, and the request with what takes time to gather.
    fn prompt(&self, request: &Request) -> Option<(Request, Prompt)> {
        let changed = self.session.look_at_plugins(&self.uri);
        let strategy = self.session.with_plugins(&self.strategy, &self.uri, request.document.language);
        let build = || {
            let mut request = request.clone();
            request.window = request.window.filter(|_| !changed);
            request.recent_edits = context::recent_edits(&self.session, &self.config.context);
            request.open_files = context::open_files(&self.session, &self.config.context, &self.uri);
            let snippets = strategy.context(&request)?;
            let prompt = strategy.prompt(&request, &snippets)?;
            Ok::<_, foretype_plugins::Error>((request, prompt))
        };
        let built = catch_unwind(AssertUnwindSafe(build));
        self.session.plugins_ran();
        match built {
            Ok(Ok(built)) => return Some(built),
            Ok(Err(error)) => tracing::error!("no prompt for {}: {error}", request.document.path),
            Err(_) => tracing::error!("building a prompt for {} panicked", request.document.path),
        }
        None
    }

    /// Lets the model write what follows the suggestion `text` once it is accepted, when the user looks at it.
    pub(super) async fn work_ahead(self, request: Arc<Request>, text: String, mut overtaken: watch::Receiver<u64>) {
        let due = self.place.shown().typist.due(LOOKS.1);
        let looks = due.unwrap_or_else(|| Instant::now() + LOOKS.0);
        if tokio::time::timeout_at(looks.into(), overtaken.changed()).await.is_err() {
            self.start_ahead(&request, &text);
        }
    }

    fn start_ahead(&self, request: &Request, text: &str) {
        let document = &request.document;
        let ends = if document.text.contains("\r\n") { text.replace('\n', "\r\n") } else { text.to_owned() };
        let accepted: Arc<str> = [request.before(), &ends, request.after()].concat().into();
        let cursor = request.cursor + ends.len();
        let Some(generation) = self.place.shown().begin_ahead(&accepted, cursor, text.len()) else { return };
        let (run, mut request) = (self.clone(), request.clone());
        tokio::task::spawn_blocking(move || {
            let old = &request.document;
            let tree = old.tree.as_ref().map(|tree| edited(tree, &old.text, request.cursor, &ends));
            let tree = syntax::parse(old.language, &accepted, tree.as_ref());
            let document = Document { path: old.path.clone(), language: old.language, text: accepted, tree };
            (request.document, request.cursor) = (Arc::new(document), cursor);
            run.start(Arc::new(request), generation, Priority::Background);
        });
    }

    /// A run ahead of need turned out to be needed: the next prompt goes on from its own.
    pub(super) fn continue_window(&self, generation: &Generation) {
        let Some(new) = generation.window().filter(|_| generation.is_ahead()) else { return };
        let windows = &mut self.place.shown().windows;
        if windows.latest().is_none_or(|window| window.anchor < new.anchor) {
            windows.put(new);
        }
    }

    /// When the user pauses after much was typed since the anchor, the model reads a prompt with a new one, so that the key
    /// after the pause finds it.
    pub(super) async fn renew_window(self, request: Arc<Request>, mut overtaken: watch::Receiver<u64>) {
        if !window::outgrown(&request) || tokio::time::timeout(IDLE, overtaken.changed()).await.is_ok() {
            return;
        }
        tokio::select! {
            () = self.read_anew(Request::clone(&request)) => {}
            _ = overtaken.changed() => {}
        }
    }

    /// Lets the model read a prompt with a new window, which takes the place of the request's once it has been read.
    async fn read_anew(&self, mut request: Request) {
        let Some(old) = request.window.take() else { return };
        request.window = Some(Arc::new(Window { spent: true, ..Window::clone(&old) }));
        request.budget = completion::budget(self.engine.model().decoder.config().context_length, &self.config);
        let Some(prompt) = self.built(request).await else { return };
        let new = prompt.window.clone().map(Arc::new);
        if self.read(prompt).await {
            new.into_iter().for_each(|new| self.place.shown().windows.replace(&old, new));
        }
    }

    /// Lets the model read the prompt for a place where nothing is typed yet, the nearest text before the whole if that takes long. The
    /// next prompt goes on from its window even if not all of it has been read by then.
    pub(super) async fn read_ahead(self, mut request: Request) {
        let Some(prompt) = self.built(request.clone()).await else { return };
        request.window = prompt.window.clone().map(Arc::new);
        request.window.iter().for_each(|window| self.place.shown().windows.put(window.clone()));
        if self.read(prompt).await && request.window.as_ref().is_some_and(|window| window.near) {
            self.read_anew(request).await;
        }
    }

    async fn built(&self, request: Request) -> Option<Prompt> {
        let run = self.clone();
        let built = tokio::task::spawn_blocking(move || run.prompt(&request)).await;
        Some(built.ok()??.1)
    }

    /// Lets the model read a prompt and write nothing; says whether it has read all of it. To drop this is to stop it.
    async fn read(&self, prompt: Prompt) -> bool {
        let (told, over) = oneshot::channel();
        let (mut told, mut read) = (Some(told), false);
        let session = self.session.clone();
        let job = Job { prompt, priority: Priority::Background, ..Job::default() };
        let _ticket = self.engine.submit(job, move |event| match event {
            Event::Prefilled { .. } => read = true,
            Event::Done { usage } => {
                session.shared.stats.ran(&usage);
                // Nobody listens any more once the user has gone on.
                let _ = told.take().map(|told| told.send(read));
            }
            Event::Text { .. } | Event::Finished { .. } => {}
        });
        over.await == Ok(true)
    }
}

/// The tree of a text into which `new` was put at `at`, to parse from.
fn edited(tree: &Tree, text: &str, at: usize, new: &str) -> Tree {
    let point = |from: Point, text: &str| match text.rfind('\n') {
        Some(end) => Point { row: from.row + text.matches('\n').count(), column: text.len() - end - 1 },
        None => Point { row: from.row, column: from.column + text.len() },
    };
    let start = point(Point { row: 0, column: 0 }, &text[..at]);
    let mut tree = tree.clone();
    tree.edit(&InputEdit {
        start_byte: at,
        old_end_byte: at,
        new_end_byte: at + new.len(),
        start_position: start,
        old_end_position: start,
        new_end_position: point(start, new),
    });
    tree
}
