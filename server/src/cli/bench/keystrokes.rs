//! `foretype bench keystrokes`: typing replayed in real time into Foretype and into what else could be run, and what the
//! typist gets from each.
//!
//! Everything is local: Foretype is this same executable as an editor starts it, peers are started on free ports of this
//! machine and ended again. docs/benchmarks.md says what each figure means.

mod bars;
mod desk;
mod figures;
mod llama;
mod lsp;
mod picture;
mod process;
mod replay;
mod report;
mod screen;
mod system;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::trace::Trace;
use llama::{Llama, Variant};
use lsp::LanguageServer;
use replay::{Run, Typist};
use report::Report;
use system::System;

/// Arguments of `foretype bench keystrokes`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Traces that `foretype bench trace` made
    traces: Vec<PathBuf>,
    /// The model: a name that `model list` shows or a path; peers need a GGUF file
    #[arg(long)]
    model: Option<String>,
    /// Threads of each system; all cores when left out
    #[arg(long)]
    threads: Option<usize>,
    /// Compare with this llama-server
    #[arg(long, value_name = "PROGRAM")]
    llama_server: Option<PathBuf>,
    /// How llama-server is used; all ways when left out
    #[arg(long = "variant", value_enum)]
    variants: Vec<Variant>,
    /// More arguments for llama-server
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    llama_argument: Vec<String>,
    /// Compare with another language server that has inline completion; words of the command are parted by spaces
    #[arg(long = "lsp", value_name = "NAME=COMMAND")]
    servers: Vec<String>,
    /// Options for Foretype over those that the comparison sets, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = parse_json)]
    options: Value,
    /// Replay each trace so often into each system; medians are reported
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Milliseconds that a suggestion must have been on the screen before the typist takes it
    #[arg(long, default_value_t = 300)]
    reaction_ms: u64,
    /// Characters of the shortest suggestion that the typist takes
    #[arg(long, default_value_t = 4)]
    shortest: usize,
    /// Type so many times faster than the traces say
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Write every key of every run, and the report, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Add the runs of an earlier `--json` to the report
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
    /// Draw NAME.svg and NAME.png
    #[arg(long, value_name = "NAME")]
    picture: Option<PathBuf>,
}

/// One way to get completions.
#[derive(Debug, Clone, PartialEq)]
enum Contender {
    Foretype,
    Llama(Variant),
    Server { name: String, words: Vec<String> },
}

impl Contender {
    fn name(&self) -> String {
        match self {
            Self::Foretype => "Foretype".to_owned(),
            Self::Llama(variant) => variant.label().to_owned(),
            Self::Server { name, .. } => name.clone(),
        }
    }
}

/// Runs `foretype bench keystrokes`.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut runs = report::earlier(&args.from)?;
    ensure!(!args.traces.is_empty() || !runs.is_empty(), "name a trace, or a report with --from");
    ensure!(args.speed.is_finite() && args.speed > 0.0, "--speed must be more than 0");
    if !args.traces.is_empty() {
        let first = runs.iter().map(|run: &Run| run.repeat + 1).max().unwrap_or(0);
        runs.extend(Bench::new(args)?.runs(first)?);
    }
    let report = Report::new(runs);
    print!("{}", if args.markdown { report.markdown() } else { report.text() });
    if let Some(path) = &args.json {
        let text = serde_json::to_string(&report.json())?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(name) = &args.picture {
        picture::draw(&report, name)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is compared, on what.
struct Bench<'a> {
    args: &'a Args,
    model: PathBuf,
    threads: usize,
    traces: Vec<(String, Trace)>,
    contenders: Vec<Contender>,
}

impl<'a> Bench<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let traces = args.traces.iter().map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, Trace::load(path)?))
        });
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            args,
            model: std::path::absolute(crate::models::resolve(args.model.as_deref())?)?,
            threads: args.threads.unwrap_or(cores),
            traces: traces.collect::<Result<_>>()?,
            contenders: contenders(args)?,
        })
    }

    /// Each repetition replays each trace into each system before the next; who begins changes, so that no system always
    /// has the machine as another leaves it.
    fn runs(&self, first: usize) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for repeat in first..first + usize::from(self.args.repeat) {
            for (name, trace) in &self.traces {
                for turn in 0..self.contenders.len() {
                    let contender = &self.contenders[(turn + repeat) % self.contenders.len()];
                    eprintln!("{name}, {}, repetition {}", contender.name(), repeat + 1);
                    let run = self.replay(contender, trace).with_context(|| contender.name())?;
                    runs.push(Run { system: contender.name(), trace: name.clone(), repeat, ..run });
                }
            }
        }
        Ok(runs)
    }

    /// A server of its own for each run, so that none finds what an earlier one has computed.
    fn replay(&self, contender: &Contender, trace: &Trace) -> Result<Run> {
        let folder = tempfile::tempdir()?;
        let mut system: Box<dyn System> = match contender {
            Contender::Foretype => Box::new(self.foretype(folder.path(), trace)?),
            Contender::Llama(variant) => {
                let program = self.args.llama_server.as_deref().context("no llama-server")?;
                let more = &self.args.llama_argument;
                Box::new(Llama::start(program, &self.model, self.threads, more, *variant)?)
            }
            Contender::Server { words, .. } => {
                let (program, rest) = words.split_first().context("no command")?;
                let mut command = Command::new(program);
                command.args(rest);
                let root = workspace(folder.path(), trace)?;
                Box::new(LanguageServer::start(command, &root, &self.args.options, &trace.files)?)
            }
        };
        let reaction = Duration::from_millis(self.args.reaction_ms);
        let typist = Typist { reaction, shortest: self.args.shortest, speed: self.args.speed };
        replay::replay(system.as_mut(), trace, typist)
    }

    /// This executable as an editor starts it, without the user's own settings, counting into no statistics of the user's.
    fn foretype(&self, folder: &Path, trace: &Trace) -> Result<LanguageServer> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["lsp", "--standalone"]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        for (name, place) in [("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state"), ("XDG_CACHE_HOME", "cache")] {
            command.env(name, folder.join(place));
        }
        let mut options = json!({
            "model": self.model, "threads": self.threads, "inline": { "multi_line": false },
            "context": { "definitions": false, "recent_edits": false, "open_files": false },
        });
        lay(&mut options, &self.args.options);
        let root = workspace(folder, trace)?;
        LanguageServer::start(command, &root, &options, &trace.files)
    }
}

fn parse_json(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}

/// Whether a variable of the environment sets an option of Foretype. The choice of kernels is not one.
fn ours(name: &str) -> bool {
    name.starts_with("FORETYPE_") && name != "FORETYPE_KERNELS"
}

/// Lays values over others.
fn lay(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            over.iter().for_each(|(name, value)| lay(under.entry(name).or_insert(Value::Null), value));
        }
        (under, over) => *under = over.clone(),
    }
}

/// The files of a trace as they are at the beginning, on disk.
fn workspace(folder: &Path, trace: &Trace) -> Result<PathBuf> {
    let root = folder.join("workspace");
    for file in &trace.files {
        let plain = Path::new(&file.path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        ensure!(plain, "the trace names a file outside its folder: {}", file.path);
        let path = root.join(&file.path);
        std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        std::fs::write(path, &file.text)?;
    }
    Ok(root)
}

fn contenders(args: &Args) -> Result<Vec<Contender>> {
    let mut contenders = vec![Contender::Foretype];
    if args.llama_server.is_some() {
        let variants = if args.variants.is_empty() { llama::VARIANTS } else { &args.variants };
        contenders.extend(variants.iter().copied().map(Contender::Llama));
    }
    for server in &args.servers {
        let (name, command) = server.split_once('=').context("--lsp wants NAME=COMMAND")?;
        let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
        ensure!(!words.is_empty(), "--lsp wants NAME=COMMAND");
        contenders.push(Contender::Server { name: name.to_owned(), words });
    }
    Ok(contenders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_laid_over_each_other() {
        let mut under = json!({ "inline": { "multi_line": false }, "threads": 2 });
        lay(&mut under, &json!({ "inline": { "max_lines": 3 }, "threads": 1 }));
        assert_eq!(under, json!({ "inline": { "multi_line": false, "max_lines": 3 }, "threads": 1 }));
    }

    #[test]
    fn a_trace_writes_no_file_outside_its_folder() {
        let folder = tempfile::tempdir().expect("a writable folder");
        for path in ["../a.py", "/etc/a.py"] {
            let file = super::super::trace::File { path: path.into(), text: String::new() };
            let trace = Trace { about: String::new(), files: vec![file], stints: Vec::new() };
            assert!(workspace(folder.path(), &trace).is_err(), "{path}");
        }
    }

    #[test]
    fn typing_the_shipped_traces_ends_in_their_texts() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/traces");
        let files = std::fs::read_dir(folder).expect("fixtures").flatten().map(|entry| entry.path());
        let traces: Vec<_> = files.map(|path| Trace::load(&path).expect("a trace")).collect();
        assert!(!traces.is_empty());
        for trace in traces {
            let mut desk = desk::Desk::new(&trace.files);
            for stint in &trace.stints {
                desk.go(stint);
                for ((_, key), slip) in stint.keys.iter().zip(stint.slips()) {
                    desk.press(key, slip);
                }
                assert_eq!(desk.done(), stint.target().len());
            }
            assert_eq!(desk.texts(), trace.finished().expect("a trace"), "{}", trace.about);
        }
    }
}
