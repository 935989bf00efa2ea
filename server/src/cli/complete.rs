//! `foretype complete FILE:LINE[:COL]`: prints the suggestions that an editor would show at a position, and their cost.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foretype_model::Engine;
use foretype_plugins::context::secrets;
use foretype_plugins::tasks::fill::Fill;
use foretype_plugins::{Content, LineEnd, PartSource, PromptStrategy, Request, Trigger};

use super::output::print_json;
use super::source_file::{read_text, workspace_root};
use crate::completion::{self, CompletionOutcome};
use crate::config::Config;
use crate::models;
use crate::plugins::{self, PluginNotice};
use crate::request_builder;
use crate::workspace;

/// Arguments of `foretype complete`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Position in a file. Lines and columns count from 1, and columns count characters; without a column, the end of
    /// the line
    #[arg(value_name = "FILE:LINE[:COL]")]
    position: String,
    /// Number of different suggestions
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    candidates: u8,
    /// Type this text at the position, key by key, and show the suggestions and the cost of each key
    #[arg(long, value_name = "TEXT")]
    r#type: Option<String>,
    /// Model: a name that `model list` shows, or a path
    #[arg(long)]
    model: Option<String>,
    /// Show the prompt with the source of each part, and the probability of each token
    #[arg(long)]
    explain: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `foretype complete`.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    if args.explain {
        crate::log::show_plugin_messages();
    }
    let position: FilePosition = args.position.parse()?;
    let source = read_text(&position.path)?;
    let cursor = position.offset(&source.lines)?;
    let line_end = source.line_ends.of_line(position.line - 1);
    let root = workspace_root(&position.path)?;
    let mut config = Config::load(Some(&root))?;
    config.model = args.model.clone().or(config.model);
    let path = models::resolve(config.model.as_deref())?;
    // Loaded before the model, so that git has answered the plugins' queries by the time the model is loaded.
    let plugins = plugins::PluginRegistry::default().for_workspace(Some(&root), &config);
    plugins.refresh(&config);
    // The workspace is indexed while the model is loaded.
    let limit = if args.explain { EXPLAIN_INDEXING_TIME } else { INDEXING_TIME };
    let indexed = root.clone();
    let symbols = std::thread::spawn(move || workspace::index_symbols(&indexed, limit));
    let model = models::load::load_model(&path, &config)?;
    let target = CompletionTarget { root, path: position.path, config: &config };
    let mut request = target.request(&model, source.lines, cursor)?;
    request.symbols = symbols.join().unwrap_or_default();
    target.warn_if_disabled(&request);
    let engine = models::load::start_engine(model, &config);
    let strategy = plugins.wrap_strategy(Fill::shared(), request.document.language, &config);
    let mut report =
        CompletionReport { engine: &engine, strategy, config: &config, args: &args, line_end, last_texts: Vec::new() };
    let mut keys = vec![String::new()];
    keys.extend(args.r#type.iter().flat_map(|text| text.chars()).map(String::from));
    let mut answers = Vec::new();
    for key in keys {
        type_text(&mut request, &key);
        let outcome = report.answer(&mut request, &key)?;
        if args.json {
            answers.push(report.json(&request, &key, &outcome));
        } else {
            report.print(&request, &key, &outcome);
        }
    }
    if args.explain && !args.json {
        let (language, room) = (request.document.language, request.budget.snippets);
        for place in plugins.contributors(language, room, &config) {
            println!("{place}");
        }
    }
    print_plugin_notices(&plugins, args.explain && !args.json);
    if args.json {
        print_json(&answers)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints faults of plugins and, with `explain`, the state of each.
pub(super) fn print_plugin_notices(plugins: &plugins::WorkspacePlugins, explain: bool) {
    for notice in plugins.take_notices() {
        match notice {
            PluginNotice::Fault(_, fault) => eprintln!("foretype: the plugin {fault}"),
            PluginNotice::Untrusted(_, names) => {
                eprintln!("foretype: not trusted, so not run: {} (foretype plugin trust)", names.join(", "));
            }
        }
    }
    if explain {
        for entry in plugins.entries() {
            println!("plugin {}: {}", entry.name, super::plugin::state(&entry));
        }
    }
}

/// Time limit for indexing the symbols of the workspace: a single suggestion is not worth more.
const INDEXING_TIME: Duration = Duration::from_millis(200);
/// The same limit with `--explain`, where the prompt should be as complete as an editor's.
const EXPLAIN_INDEXING_TIME: Duration = Duration::from_secs(2);

/// Position in a file, as given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FilePosition {
    path: PathBuf,
    line: usize,
    column: Option<usize>,
}

impl std::str::FromStr for FilePosition {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut path = text;
        let mut numbers = Vec::new();
        while numbers.len() < 2
            && let Some((rest, number)) = path.rsplit_once(':')
            && let Ok(number) = number.parse::<usize>()
        {
            (path, numbers) = (rest, [vec![number], numbers].concat());
        }
        let advice = || format!("{text:?} is not a position: write FILE:LINE or FILE:LINE:COL, counted from 1");
        ensure!(!numbers.is_empty() && numbers.iter().all(|number| *number > 0), advice());
        Ok(Self { path: path.into(), line: numbers[0], column: numbers.get(1).copied() })
    }
}

impl FilePosition {
    /// Byte offset of the position in `text`.
    fn offset(&self, text: &str) -> Result<usize> {
        let lines = text.split('\n').count();
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let start = starts.into_iter().nth(self.line - 1).with_context(|| {
            format!("line {} is past the end of {} ({lines} lines)", self.line, self.path.display())
        })?;
        let line = text[start..].split('\n').next().unwrap_or_default();
        let Some(column) = self.column else { return Ok(start + line.len()) };
        let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
        let offset = ends.into_iter().nth(column - 1).with_context(|| {
            let columns = line.chars().count() + 1;
            format!("column {column} is past the end of line {} ({columns} columns)", self.line)
        })?;
        Ok(start + offset)
    }
}

/// File to complete in.
struct CompletionTarget<'a> {
    root: PathBuf,
    path: PathBuf,
    config: &'a Config,
}

impl CompletionTarget<'_> {
    fn request(&self, model: &foretype_model::Model, text: String, cursor: usize) -> Result<Request> {
        let path = std::path::absolute(&self.path)?;
        let relative = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let repository = self.root.file_name().map(|name| name.to_string_lossy().into_owned());
        let document = request_builder::parse_document(relative, text);
        let mut request = request_builder::request_for_model(document, cursor, model, self.config);
        request.repository = repository;
        request.trigger = Trigger::Invoked;
        Ok(request)
    }

    /// Warns if an editor would show nothing.
    fn warn_if_disabled(&self, request: &Request) {
        let (path, language) = (&request.document.path, request.document.language.lsp_id());
        if secrets::is_secret_path(path) {
            eprintln!("foretype: {path} usually contains secrets: an editor shows nothing there");
        } else if !self.config.enables(language) {
            eprintln!("foretype: suggestions are off for {language} (option enable): an editor shows nothing there");
        }
    }
}

/// Inserts `text` at the cursor.
fn type_text(request: &mut Request, text: &str) {
    if text.is_empty() {
        return;
    }
    let new = [request.prefix(), text, request.suffix()].concat();
    request.document = Arc::new(request_builder::parse_document(request.document.path.clone(), new));
    request.cursor += text.len();
}

/// Requests suggestions and prints them.
struct CompletionReport<'a> {
    engine: &'a Engine,
    strategy: Arc<dyn PromptStrategy>,
    config: &'a Config,
    args: &'a Args,
    /// End of the cursor's line in the file.
    line_end: LineEnd,
    /// Texts of the model for the last key, as drafts.
    last_texts: Vec<String>,
}

impl CompletionReport<'_> {
    /// Requests suggestions after `key` was typed, and keeps drafts and the window for the next key.
    fn answer(&mut self, request: &mut Request, key: &str) -> Result<CompletionOutcome> {
        let candidates = usize::from(self.args.candidates);
        let drafts = self.last_texts.iter().filter_map(|text| text.strip_prefix(key)).map(str::to_owned).collect();
        let (shared, inline) = (Arc::new(request.clone()), &self.config.inline);
        let outcome = completion::complete(self.engine, &self.strategy, shared, candidates, inline, drafts)?;
        let raw = outcome.suggestions.iter().map(|suggestion| &suggestion.raw);
        self.last_texts = raw.chain(&outcome.vetoed).cloned().collect();
        request.window = outcome.prompt.window.clone().map(Arc::new);
        Ok(outcome)
    }

    fn print(&self, request: &Request, key: &str, outcome: &CompletionOutcome) {
        if self.args.explain {
            print_prompt(outcome);
        }
        let line = request.prefix().rsplit('\n').next().unwrap_or_default();
        if !key.is_empty() {
            println!("after typing {key:?}:");
        }
        for suggestion in &outcome.suggestions {
            println!("{line}{}", ghost(&suggestion.text));
            if self.args.explain {
                let token = |token: &foretype_model::TokenInfo| format!("{:?} {:.2}", token.text, token.logprob.exp());
                println!("  {}", suggestion.tokens.iter().map(token).collect::<Vec<_>>().join("  "));
            }
        }
        if outcome.suggestions.is_empty() {
            println!("{line}   (nothing to suggest)");
            if self.args.explain {
                println!("  vetoed: {:?}", outcome.vetoed);
            }
        }
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let usage = &outcome.usage;
        println!(
            "  {} prompt tokens evaluated, {} reused, {} written ({} of {} drafted accepted); \
             first text after {:.0} ms, all after {:.0} ms",
            usage.evaluated,
            usage.reused,
            usage.generated,
            usage.accepted,
            usage.drafted,
            ms(outcome.first_text.unwrap_or(outcome.total)),
            ms(outcome.total),
        );
    }

    fn json(&self, request: &Request, key: &str, outcome: &CompletionOutcome) -> serde_json::Value {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let in_file = |suggestion: &completion::Suggestion| completion::Suggestion {
            text: self.line_end.apply(&suggestion.text).into_owned(),
            ..suggestion.clone()
        };
        let mut report = serde_json::json!({
            "typed": key,
            "prefix": request.prefix().rsplit('\n').next(),
            "suggestions": outcome.suggestions.iter().map(in_file).collect::<Vec<_>>(),
            "evaluated": outcome.usage.evaluated,
            "reused": outcome.usage.reused,
            "generated": outcome.usage.generated,
            "drafted": outcome.usage.drafted,
            "accepted": outcome.usage.accepted,
            "first_text_ms": outcome.first_text.map(ms),
            "total_ms": ms(outcome.total),
        });
        if self.args.explain {
            let tokens = |suggestion: &completion::Suggestion| {
                let tokens = suggestion.tokens.iter();
                tokens.map(|token| serde_json::json!([token.text, token.logprob])).collect::<Vec<_>>()
            };
            report["prompt"] = outcome.prompt.parts.iter().map(part_json).collect();
            report["laid_out_by"] = serde_json::json!(layout_of(outcome));
            report["tokens"] = outcome.suggestions.iter().map(tokens).collect();
            report["vetoed"] = serde_json::json!(outcome.vetoed);
        }
        report
    }
}

fn part_json(part: &foretype_plugins::Part) -> serde_json::Value {
    let (special, text) = match &part.content {
        Content::Text(text) => (false, text.as_str()),
        Content::Special(name) => (true, name.as_ref()),
    };
    serde_json::json!({ "source": part.source, "special": special, "text": text })
}

/// Formats ghost text: grey on a terminal, in brackets elsewhere.
fn ghost(text: &str) -> String {
    use std::io::IsTerminal;
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        return text.split('\n').map(|line| format!("\x1b[90m{line}\x1b[0m")).collect::<Vec<_>>().join("\n");
    }
    format!("⟦{text}⟧")
}

/// Name of the plugin that laid out the prompt.
fn layout_of(outcome: &CompletionOutcome) -> Option<&str> {
    Some(&outcome.prompt.window.as_ref()?.layout.as_ref()?.plugin)
}

fn print_prompt(outcome: &CompletionOutcome) {
    if let Some(plugin) = layout_of(outcome) {
        println!("--- laid out by the plugin {plugin}");
    }
    for part in &outcome.prompt.parts {
        match &part.content {
            Content::Special(name) => println!("[{name}]"),
            Content::Text(text) => {
                println!("--- {} ({} bytes)", source_name(&part.source), text.len());
                println!("{text}");
            }
        }
    }
    println!("---");
}

fn source_name(source: &PartSource) -> String {
    match source {
        PartSource::Snippet { path, origin: why } => format!("{why} from {path}"),
        PartSource::Plugin { name } => format!("plugin {name}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(position: &str, text: &str) -> Result<usize> {
        position.parse::<FilePosition>()?.offset(text)
    }

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let text = "ab\ncdé𝄞f\n\nend";
        assert_eq!(offset("f:1:1", text).expect("inside"), 0);
        assert_eq!(offset("f:1", text).expect("inside"), 2);
        assert_eq!(offset("f:2:5", text).expect("inside"), "ab\ncdé𝄞".len());
        assert_eq!(offset("f:2", text).expect("inside"), "ab\ncdé𝄞f".len());
        assert_eq!(offset("f:4", text).expect("inside"), text.len());
    }

    #[test]
    fn an_error_names_the_size_of_the_text() {
        let error = |position| offset(position, "one\ntwo\n").expect_err(position).to_string();
        assert!(error("f:9").contains("3 lines"));
        assert!(error("f:1:9").contains("4 columns"));
        for wrong in ["f", "f:0", "f:x", "f:1:0"] {
            assert!(error(wrong).contains("FILE:LINE"), "{wrong}");
        }
    }

    #[test]
    fn a_path_may_contain_colons() {
        let position: FilePosition = "a:b.rs:3:4".parse().expect("a position");
        assert_eq!(position, FilePosition { path: "a:b.rs".into(), line: 3, column: Some(4) });
    }
}
