//! The way from a request to suggestions when nobody is typing: for the command line and for evaluation.
//!
//! The language server does the same in [`inline`](crate::inline), with deadlines, type-through and cancelling; both
//! use the pieces here, so that what `foretype complete` prints is what an editor shows.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use foretype_model::{Engine, EngineOptions, Event, FinishReason, Job, Model, TokenInfo, Usage};
use foretype_plugins::context::{definitions::SymbolIndex, secrets};
use foretype_plugins::{
    Answer, Budget, Document, FimFormat, Language, Order, Prompt, PromptStrategy, Request, Trigger,
};

use crate::config::{Config, Inline};
use crate::plugins::builtins::chosen;

/// Loads the model at `path` onto the device that the configuration names, with the adapter that it names.
pub fn load(path: &Path, config: &Config) -> Result<Arc<Model>> {
    adapt(load_base(path, config)?, config)
}

/// The model with the adapter of the configuration, if there is one.
pub fn adapt(base: Arc<Model>, config: &Config) -> Result<Arc<Model>> {
    let Some(adapter) = &config.adapter else { return Ok(base) };
    let adapted = base.adapted(Path::new(adapter));
    Ok(Arc::new(adapted.with_context(|| format!("cannot use the adapter {adapter} with the model {}", base.name))?))
}

/// Loads the model at `path` alone.
pub fn load_base(path: &Path, config: &Config) -> Result<Arc<Model>> {
    let device = device(&config.device.0)?;
    let model = Model::load(path, &device).with_context(|| format!("cannot use the model {}", path.display()))?;
    Ok(Arc::new(model))
}

/// Starts an engine as the configuration asks.
pub fn start(model: Arc<Model>, config: &Config) -> Engine {
    let options = EngineOptions { kv_bytes: config.kv_bytes(), threads: config.threads, ..EngineOptions::default() };
    Engine::start(model, options)
}

/// The device named `cpu`, `cuda`, `cuda:N`, `metal` or `auto` (a GPU if this build has one and it works, else the CPU).
pub fn device(name: &str) -> Result<foretype_model::Device> {
    use foretype_model::Device;
    let number = |rest: &str| rest.strip_prefix(':').unwrap_or("0").parse::<usize>();
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" if cfg!(feature = "cuda") => Ok(Device::new_cuda(0).unwrap_or(Device::Cpu)),
        "auto" if cfg!(feature = "metal") => Ok(Device::new_metal(0).unwrap_or(Device::Cpu)),
        "auto" => Ok(Device::Cpu),
        _ if name.starts_with("cuda") => Device::new_cuda(number(&name[4..])?).context(NO_GPU),
        _ if name.starts_with("metal") => Device::new_metal(number(&name[5..])?).context(NO_GPU),
        _ => bail!("there is no device {name:?}: say cpu, cuda, cuda:N, metal or auto"),
    }
}

const NO_GPU: &str =
    "this device cannot be used: build with `--features cuda` or `--features metal`, or set device = \"cpu\"";

/// How much text goes where, for a model of this context length (tokens).
pub fn budget(context_length: usize, config: &Config) -> Budget {
    Budget::within(context_length.min(config.context.max_tokens), config.inline.max_tokens)
}

/// One thing that could be inserted.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Suggestion {
    /// The text to insert at the cursor.
    pub text: String,
    /// What the model wrote before it was trimmed.
    pub raw: String,
    /// Mean natural log-probability of the model's tokens.
    pub confidence: f32,
    /// The tokens that the model wrote.
    #[serde(skip)]
    pub tokens: Vec<TokenInfo>,
}

/// What came of a request.
#[derive(Debug)]
pub struct Outcome {
    /// The prompt that was evaluated.
    pub prompt: Prompt,
    /// At most as many as were asked for; without repetitions.
    pub suggestions: Vec<Suggestion>,
    /// What the model wrote when every candidate was vetoed, for diagnosis.
    pub vetoed: Vec<String>,
    /// What it cost.
    pub usage: Usage,
    /// From the request to the first piece of text.
    pub first_text: Option<Duration>,
    /// From the request to the last suggestion.
    pub total: Duration,
}

/// Builds the prompt, lets the engine write and trims the answers. Blocks until all candidates are done. `drafts` are
/// answers that are likely.
pub fn complete(
    engine: &Engine,
    strategy: &Arc<dyn PromptStrategy>,
    request: Arc<Request>,
    candidates: usize,
    inline: &Inline,
    drafts: Vec<String>,
) -> Result<Outcome> {
    let started = Instant::now();
    let snippets = strategy.context(&request)?;
    let prompt = strategy.prompt(&request, &snippets)?;
    let (send, receive) = channel();
    let until = {
        let (strategy, request) = (strategy.clone(), request.clone());
        move |_: usize, text: &str| strategy.done(&request, text)
    };
    let job = Job {
        prompt: prompt.clone(),
        max_tokens: inline.max_tokens,
        candidates,
        until: Some(Box::new(until)),
        drafts,
        repeats: repeats(&request),
        cache: inline.text_cache.holds(engine.model()),
        ..Job::default()
    };
    let ticket = engine.submit(job, move |event| {
        // The receiver is gone only when this call has failed already.
        let _ = send.send((event, Instant::now()));
    });
    let mut outcome = Outcome {
        prompt,
        suggestions: Vec::new(),
        vetoed: Vec::new(),
        usage: Usage::default(),
        first_text: None,
        total: Duration::ZERO,
    };
    let mut texts = vec![String::new(); candidates];
    for (event, at) in receive {
        match event {
            Event::Prefilled { .. } => {}
            Event::Text { candidate, text, .. } => {
                outcome.first_text.get_or_insert(at - started);
                texts[candidate].push_str(&text);
            }
            Event::Finished { reason: FinishReason::Failed(message), .. } => bail!("the model failed: {message}"),
            Event::Finished { candidate, reason, tokens, confidence } => {
                let raw = std::mem::take(&mut texts[candidate]);
                let answer = Answer { text: raw.clone(), ended: matches!(reason, FinishReason::End), confidence };
                match strategy.finish(&request, &answer) {
                    Some(text) if outcome.suggestions.iter().any(|other| other.text == text) => {}
                    Some(text) => outcome.suggestions.push(Suggestion { text, raw, confidence, tokens }),
                    None => outcome.vetoed.push(raw),
                }
            }
            Event::Done { usage } => {
                outcome.usage = usage;
                break;
            }
        }
    }
    drop(ticket);
    outcome.total = started.elapsed();
    Ok(outcome)
}

/// The texts that an answer may repeat a piece of, the likeliest last: open files, and the document on both sides of the
/// cursor. Longer ones than are worth searching in each step are left out.
pub fn repeats(request: &Request) -> Vec<Arc<str>> {
    const LONGEST: usize = 512 << 10;
    let open = request.open_files.iter().rev().map(|file| file.text.clone());
    let own = [request.after(), request.before()].map(Arc::from);
    open.chain(own).filter(|text| text.len() <= LONGEST).collect()
}

/// At most the first `most` lines of a suggestion, as the option `inline.max_lines` wants it.
pub fn first_lines(text: &str, most: usize) -> String {
    text.split('\n').take(most).collect::<Vec<_>>().join("\n")
}

/// A document of this text, parsed; the language follows from the path (relative to the workspace, with `/`).
pub fn document(path: String, text: String) -> Document {
    let language = Language::from_path(&path);
    let tree = foretype_plugins::syntax::parse(language, &text, None);
    Document { path, language, text: text.into(), tree }
}

/// A request at `cursor` with nothing known beyond the document.
pub fn request(document: Document, cursor: usize, model: &Model, config: &Config) -> Request {
    let request = request_for(document, cursor, model.fim_format(), model.decoder.config().context_length, config);
    Request { tokens: Some(model.tokenizer.clone()), ..request }
}

/// [`request`] for any model with this format and context length.
pub fn request_for(
    document: Document,
    cursor: usize,
    format: Option<&'static FimFormat>,
    context_length: usize,
    config: &Config,
) -> Request {
    let builtins = Arc::new(chosen(&config.plugins, document.language));
    Request {
        task: foretype_plugins::request::Task::Fill,
        question: None,
        document: Arc::new(document),
        cursor,
        trigger: Trigger::Automatic,
        selected: None,
        format,
        budget: budget(context_length, config),
        repository: None,
        window: None,
        symbols: Arc::default(),
        recent_edits: Arc::new([]),
        open_files: Arc::new([]),
        builtins,
        tokens: None,
        order: Order::Anchored,
        multi_line: config.inline.multi_line,
        minimum_confidence: config.inline.minimum_confidence,
    }
}

/// The symbols of a folder's files, as far as they are found within `limit`: what git ignores, hidden files and files with
/// secrets are left out.
pub fn index(root: &Path, limit: Duration) -> Arc<SymbolIndex> {
    let started = Instant::now();
    let index = SymbolIndex::default();
    let walk = ignore::WalkBuilder::new(root).add_custom_ignore_filename(".foretypeignore").build();
    for entry in walk.flatten().take_while(|_| started.elapsed() < limit) {
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
        let language = Language::from_path(&path);
        let small = entry.metadata().is_ok_and(|data| data.is_file() && data.len() < 1 << 20);
        if language == Language::PlainText || !small || secrets::in_path(&path) {
            continue;
        }
        if let Ok(text) = std::fs::read_to_string(entry.path()) {
            index.update(&path, language, &text);
        }
    }
    Arc::new(index)
}
