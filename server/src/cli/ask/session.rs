//! Session of `ask` and `chat`: the model, the workspace, the code in question, and the terminal that shows the
//! answers.

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use foretype_model::{Engine, Event, FinishReason, Job, Priority, Usage};
use foretype_plugins::context::secrets;
use foretype_plugins::tasks::ask::{Intent, SYSTEM_PROMPT};
use foretype_plugins::{Document, Snippet};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::unbounded_channel;

use super::location::FileLocation;
use crate::ask::conversation::Conversation;
use crate::ask::{self, AnswerSampling, Question};
use crate::cli::source_file::{read_text, workspace_root};
use crate::config::Config;
use crate::workspace::{Workspace, Workspaces};
use crate::{models, plugins, request_builder};

/// Time limit for the scan of the workspace for symbols.
const SYMBOL_SCAN_LIMIT: Duration = Duration::from_secs(5);
/// Time limit for the update of the search index.
const SEARCH_INDEX_LIMIT: Duration = Duration::from_secs(20);

/// Arguments that `ask` and `chat` have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct AskOptions {
    /// Ask about a file, the item at a line, or a range of lines
    #[arg(long, value_name = "FILE[:LINE[-LINE]]")]
    pub(crate) file: Option<String>,
    /// Use this model: a name from `foretype model list` or a path
    #[arg(long)]
    model: Option<String>,
    /// Use this system prompt
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Print token counts and latency for each answer
    #[arg(long)]
    verbose: bool,
}

/// Loaded model, workspace and code that the questions are about.
pub(crate) struct AskSession {
    pub(crate) root: PathBuf,
    pub(crate) runtime: Runtime,
    config: Config,
    engine: Engine,
    workspace: Arc<Workspace>,
    code: Option<(Document, Option<Range<usize>>)>,
    verbose: bool,
}

/// Answer to a question.
#[derive(Debug, Default)]
pub(crate) struct AskAnswer {
    pub(crate) text: String,
    pub(crate) usage: Usage,
    /// Ctrl-C was pressed.
    pub(crate) interrupted: bool,
    /// The token limit was reached.
    pub(crate) truncated: bool,
    /// The reader of the output is gone.
    pub(crate) output_closed: bool,
    first_text: Option<Duration>,
}

impl AskSession {
    /// Loads the model while the workspace is scanned in the background.
    pub(crate) fn open(options: &AskOptions) -> Result<Self> {
        let place: Option<FileLocation> = options.file.as_deref().map(str::parse).transpose()?;
        let root = match &place {
            Some(place) => workspace_root(&place.path)?,
            None => workspace_root(&std::env::current_dir()?.join("file"))?,
        };
        let mut config = Config::load(Some(&root))?;
        config.model = options.model.clone().or(config.model);
        config.ask.system = options.system.clone().or(config.ask.system);
        let code = place.map(|place| read_code(&place, &root)).transpose()?;
        let path = models::resolve(config.model.as_deref())?;
        let workspace = Workspaces::default().open(&root, &config);
        let scanned = workspace.clone();
        let started = Instant::now();
        let scan = std::thread::spawn(move || {
            scanned.index_all_symbols(|_| started.elapsed() < SYMBOL_SCAN_LIMIT);
            update_search_index(&scanned);
        });
        let model = models::load::load_model(&path, &config)?;
        models::embedded::ensure_writes_prose(&model)?;
        let engine = models::load::start_engine(model, &config);
        // A scan that panicked found nothing.
        let _ = scan.join();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { root, runtime, config, engine, workspace, code, verbose: options.verbose })
    }

    /// Use this system prompt.
    pub(crate) fn system_prompt(&self) -> String {
        self.config.ask.system.clone().unwrap_or_else(|| SYSTEM_PROMPT.to_owned())
    }

    /// Returns the maximum number of bytes of code in a question.
    pub(crate) fn max_code_bytes(&self) -> usize {
        ask::max_code_bytes(self.engine.model(), &self.config.ask)
    }

    /// Prints a warning if the model is not well suited.
    pub(crate) fn print_model_warning(&self, intent: Option<Intent>) {
        if let Some(warning) = ask::model_warning(self.engine.model(), intent) {
            eprintln!("foretype: {warning}");
        }
    }

    /// Creates a question. The code is included unless the conversation contains it already.
    pub(crate) fn question(&self, text: &str, with_code: bool) -> Question {
        let mut code = None;
        let mut snippets = Vec::new();
        if with_code {
            code = self.code.as_ref().map(|(document, selection)| (document, selection.clone()));
            snippets = self.plugin_snippets(text.trim());
        }
        let max_bytes = self.max_code_bytes().saturating_sub(snippets.iter().map(|snippet| snippet.text.len()).sum());
        let question = Question::about(text.trim(), code, Some(&self.workspace), max_bytes).with_snippets(&snippets);
        for note in question.truncation_notes() {
            eprintln!("foretype: {note}");
        }
        question
    }

    /// Returns the snippets that plugins add to a question.
    fn plugin_snippets(&self, question: &str) -> Vec<Snippet> {
        let plugins = plugins::PluginRegistry::default().for_workspace(Some(&self.root), &self.config);
        let asked = plugins.question_snippets(self.code.as_ref(), question, Some(&self.workspace), &self.config);
        crate::cli::complete::print_plugin_notices(&plugins, false);
        asked
    }

    /// Asks a question and passes the answer to `show` as it is generated.
    pub(crate) fn answer(
        &self,
        conversation: &mut Conversation,
        question: &Question,
        sampling: AnswerSampling,
        show: &mut dyn FnMut(&str) -> std::io::Result<()>,
    ) -> Result<AskAnswer> {
        let (chat, dropped) =
            ask::fit_chat_prompt(self.engine.model(), &self.config.ask, conversation, &question.prompt_text)?;
        if dropped > 0 {
            eprintln!("foretype: the oldest {dropped} questions no longer fit, so the model no longer reads them");
        }
        let answered = self.runtime.block_on(stream(
            &self.engine,
            ask::answer_job(chat, &self.config, sampling, Priority::Streaming),
            show,
        ))?;
        if answered.truncated {
            let generated = answered.usage.generated;
            eprintln!("\nforetype: the answer was cut off after {generated} tokens: raise the option ask.max_tokens");
        }
        Ok(answered)
    }

    /// Prints token counts and latency of an answer if `--verbose` is set.
    pub(crate) fn print_statistics(&self, answered: &AskAnswer) {
        if self.verbose {
            let Usage { evaluated, reused, generated, .. } = answered.usage;
            let first = answered.first_text.unwrap_or_default().as_millis();
            eprintln!(
                "foretype: {evaluated} prompt tokens evaluated, {reused} reused, {generated} generated; first text \
                 after {first} ms"
            );
        }
    }
}

/// Updates the search index until the time limit.
fn update_search_index(workspace: &Workspace) {
    let warning = match crate::cli::search::refresh_with_bar(workspace, Some(SEARCH_INDEX_LIMIT)) {
        Ok(changes) if changes.is_stale => {
            "only a part of the workspace is indexed: run `foretype search` once to index the rest"
        }
        Ok(_) => return,
        Err(error) => &format!("cannot search the workspace: {error:#}"),
    };
    eprintln!("foretype: {warning}");
}

/// Reads the code at a location.
fn read_code(place: &FileLocation, root: &std::path::Path) -> Result<(Document, Option<Range<usize>>)> {
    let name = place.path.to_string_lossy();
    ensure!(!secrets::is_secret_path(&name), "{name} usually contains secrets, so it is not shown to a model");
    let text = read_text(&place.path)?.lines;
    ensure!(!text.contains('\0'), "{name} is a binary file: name a text file");
    let selection = place.selection(&text)?;
    let path = std::path::absolute(&place.path)?;
    let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
    Ok((request_builder::parse_document(relative, text), selection))
}

/// Runs a job until it ends, Ctrl-C is pressed, or the reader of the output is gone.
async fn stream(engine: &Engine, job: Job, show: &mut dyn FnMut(&str) -> std::io::Result<()>) -> Result<AskAnswer> {
    let started = Instant::now();
    let (send, mut events) = unbounded_channel();
    // The receiver is gone once this function has returned.
    let mut ticket = Some(engine.submit(job, move |event| drop(send.send(event))));
    let mut answered = AskAnswer::default();
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Text { text, .. }) => {
                    answered.first_text.get_or_insert(started.elapsed());
                    answered.text.push_str(&text);
                    if show(&text).is_err() {
                        (answered.output_closed, ticket) = (true, None);
                    }
                }
                Some(Event::Finished { reason: FinishReason::Failed(why), .. }) => bail!("the model failed: {why}"),
                Some(Event::Finished { reason, .. }) => answered.truncated = reason == FinishReason::Length,
                Some(Event::Prefilled { .. }) => {}
                Some(Event::Done { usage }) => {
                    answered.usage = usage;
                    return Ok(answered);
                }
                None => bail!("the model stopped before it finished the answer"),
            },
            _ = &mut interrupted, if ticket.is_some() => (answered.interrupted, ticket) = (true, None),
        }
    }
}

/// Prints a piece of an answer immediately, without the whitespace that some models begin with.
pub(crate) fn print_piece(text: &str, shown: &mut String) -> std::io::Result<()> {
    let text = if shown.is_empty() { text.trim_start() } else { text };
    shown.push_str(text);
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
