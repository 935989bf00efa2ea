//! What it takes to ask: the model, the workspace, the code in question, and the terminal that shows the answer.

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use foretype_model::{Engine, Event, FinishReason, Job, Priority, Usage};
use foretype_plugins::context::secrets;
use foretype_plugins::strategies::ask::{Intent, SYSTEM};
use foretype_plugins::{Document, Snippet};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::unbounded_channel;

use super::place::Place;
use crate::ask::conversation::Conversation;
use crate::ask::{self, Draw, Question};
use crate::cli::complete::{read_text, root_of};
use crate::config::Config;
use crate::workspace::{Workspace, Workspaces};
use crate::{completion, models, plugins};

/// The files of the workspace are looked through for so long at the most.
const INDEXING: Duration = Duration::from_secs(5);
/// And indexed for a search for so long.
const SEARCH: Duration = Duration::from_secs(20);

/// What `ask` and `chat` have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The code in question: a file, a line in an item of it, or lines
    #[arg(long, value_name = "FILE[:LINE[-LINE]]")]
    pub(crate) file: Option<String>,
    /// The model: a name that `model list` shows or a path
    #[arg(long)]
    model: Option<String>,
    /// What the model is told to be
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Say what each answer cost
    #[arg(long)]
    verbose: bool,
}

/// Everything that answers need.
pub(crate) struct Desk {
    pub(crate) root: PathBuf,
    pub(crate) runtime: Runtime,
    config: Config,
    engine: Engine,
    workspace: Arc<Workspace>,
    code: Option<(Document, Option<Range<usize>>)>,
    verbose: bool,
}

/// What came of a question.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) text: String,
    pub(crate) usage: Usage,
    /// Somebody pressed Ctrl-C.
    pub(crate) stopped: bool,
    /// The limit of tokens was reached.
    pub(crate) cut: bool,
    /// Nobody reads the output any more.
    pub(crate) gone: bool,
    first_text: Option<Duration>,
}

impl Desk {
    /// Loads the model while the workspace is looked through.
    pub(crate) fn open(options: &Options) -> Result<Self> {
        let place: Option<Place> = options.file.as_deref().map(str::parse).transpose()?;
        let root = match &place {
            Some(place) => root_of(&place.path)?,
            None => root_of(&std::env::current_dir()?.join("file"))?,
        };
        let mut config = Config::load(Some(&root))?;
        config.model = options.model.clone().or(config.model);
        config.ask.system = options.system.clone().or(config.ask.system);
        let code = place.map(|place| code(&place, &root)).transpose()?;
        let path = models::resolve(config.model.as_deref())?;
        let workspace = Workspaces::default().open(&root, &config);
        let scanned = workspace.clone();
        let started = Instant::now();
        let scan = std::thread::spawn(move || {
            scanned.scan(|_| started.elapsed() < INDEXING);
            index(&scanned);
        });
        let model = completion::load(&path, &config)?;
        models::embedded::not_for_words(&model)?;
        let engine = completion::start(model, &config);
        // A scan that failed found nothing.
        let _ = scan.join();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { root, runtime, config, engine, workspace, code, verbose: options.verbose })
    }

    /// What the model is told to be.
    pub(crate) fn system(&self) -> String {
        self.config.ask.system.clone().unwrap_or_else(|| SYSTEM.to_owned())
    }

    /// Bytes of code that a question may have.
    pub(crate) fn room(&self) -> usize {
        ask::room(self.engine.model(), &self.config.ask)
    }

    /// Says what the user ought to know of the model.
    pub(crate) fn doubts(&self, intent: Option<Intent>) {
        ask::doubts(self.engine.model(), intent).into_iter().for_each(|doubt| eprintln!("foretype: {doubt}"));
    }

    /// A question, with the code if that was not shown before.
    pub(crate) fn question(&self, text: &str, with_code: bool) -> Question {
        let code = self.code.as_ref().filter(|_| with_code).map(|(document, selection)| (document, selection.clone()));
        // The next questions of a conversation have it above them.
        let snippets = if with_code { self.snippets(text.trim()) } else { Vec::new() };
        let room = self.room().saturating_sub(snippets.iter().map(|snippet| snippet.text.len()).sum());
        let question = Question::about(text.trim(), code, Some(&self.workspace), room).after(&snippets);
        question.notes().iter().for_each(|note| eprintln!("foretype: {note}"));
        question
    }

    /// What plugins add to a question.
    fn snippets(&self, question: &str) -> Vec<Snippet> {
        let plugins = plugins::Open::default().of(Some(&self.root), &self.config);
        let asked = plugins.asked_about(self.code.as_ref(), question, Some(&self.workspace), &self.config);
        crate::cli::complete::tell(&plugins, false);
        asked
    }

    /// Asks, and shows the answer as it is written.
    pub(crate) fn answer(
        &self,
        talk: &mut Conversation,
        question: &Question,
        draw: Draw,
        show: &mut dyn FnMut(&str) -> std::io::Result<()>,
    ) -> Result<Answered> {
        let (chat, dropped) = ask::prompt(self.engine.model(), &self.config.ask, talk, &question.read)?;
        if dropped > 0 {
            eprintln!("foretype: the oldest {dropped} questions no longer fit: the model does not read them any more");
        }
        let answered =
            self.runtime.block_on(stream(&self.engine, ask::job(chat, &self.config, draw, Priority::Answer), show))?;
        if answered.cut {
            eprintln!("\nforetype: the answer is cut at {} tokens (option ask.max_tokens)", answered.usage.generated);
        }
        Ok(answered)
    }

    /// Says what an answer cost, if that was asked for.
    pub(crate) fn statistics(&self, answered: &Answered) {
        if self.verbose {
            let Usage { evaluated, reused, generated, .. } = answered.usage;
            let first = answered.first_text.unwrap_or_default().as_millis();
            eprintln!(
                "foretype: {evaluated} prompt tokens evaluated, {reused} reused, {generated} written; first text after {first} ms"
            );
        }
    }
}

/// Brings the search index up to date, as far as somebody waits for it.
fn index(workspace: &Workspace) {
    let told = match crate::cli::search::refresh(workspace, Some(SEARCH)) {
        Ok(changes) if changes.behind => {
            "the workspace is searched as far as it is indexed: `foretype search` ends that"
        }
        Ok(_) => return,
        Err(error) => &format!("the workspace is not searched: {error:#}"),
    };
    eprintln!("foretype: {told}");
}

/// The code at a place.
fn code(place: &Place, root: &std::path::Path) -> Result<(Document, Option<Range<usize>>)> {
    let name = place.path.to_string_lossy();
    ensure!(!secrets::in_path(&name), "{name} usually holds secrets: it is not shown to a model");
    let text = read_text(&place.path)?;
    ensure!(!text.contains('\0'), "{name} is no text");
    let selection = place.selection(&text)?;
    let path = std::path::absolute(&place.path)?;
    let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
    Ok((completion::document(relative, text), selection))
}

/// Runs a job; Ctrl-C ends it, and so does an output that nobody reads.
async fn stream(engine: &Engine, job: Job, show: &mut dyn FnMut(&str) -> std::io::Result<()>) -> Result<Answered> {
    let started = Instant::now();
    let (send, mut events) = unbounded_channel();
    // Nobody receives any more once this has failed.
    let mut ticket = Some(engine.submit(job, move |event| drop(send.send(event))));
    let mut answered = Answered::default();
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Text { text, .. }) => {
                    answered.first_text.get_or_insert(started.elapsed());
                    answered.text.push_str(&text);
                    if show(&text).is_err() {
                        (answered.gone, ticket) = (true, None);
                    }
                }
                Some(Event::Finished { reason: FinishReason::Failed(why), .. }) => bail!("the model failed: {why}"),
                Some(Event::Finished { reason, .. }) => answered.cut = reason == FinishReason::Length,
                Some(Event::Prefilled { .. }) => {}
                Some(Event::Done { usage }) => {
                    answered.usage = usage;
                    return Ok(answered);
                }
                None => bail!("the model stopped without an answer"),
            },
            _ = &mut interrupted, if ticket.is_some() => (answered.stopped, ticket) = (true, None),
        }
    }
}

/// Writes a piece of an answer at once. The white space that some models begin with is left out.
pub(crate) fn print(text: &str, shown: &mut String) -> std::io::Result<()> {
    let text = if shown.is_empty() { text.trim_start() } else { text };
    shown.push_str(text);
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
