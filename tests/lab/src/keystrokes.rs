//! `foretype bench keystrokes`: typing replayed in real time into Foretype and into what else could be run, and what the
//! typist gets from each.
//!
//! Everything is local: Foretype is this same executable as an editor starts it, peers are started on free ports of this
//! machine and ended again. docs/benchmarks.md says what each figure means.

mod thresholds;
mod contenders;
mod simulated_editor;
mod metrics;
pub(crate) mod llama;
mod lsp;
mod chart;
mod replay;
mod report;
mod visible_suggestion;
mod environment;
mod system;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foretype::trace::Trace;
use serde_json::Value;

use crate::process;
use contenders::Contender;
use llama::LlamaVariant;
use replay::{ReplayRun, Typist};
use report::{Measurements, KeystrokeReport};
use environment::BenchmarkEnvironment;

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
    variants: Vec<LlamaVariant>,
    /// More arguments for llama-server
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    llama_argument: Vec<String>,
    /// Compare with another language server that has inline completion; words of the command are parted by spaces
    #[arg(long = "lsp", value_name = "NAME=COMMAND")]
    servers: Vec<String>,
    /// Compare with Foretype running this plugin, in turns; one that fails is run like any other
    #[arg(long = "plugin", value_name = "FILE")]
    plugins: Vec<PathBuf>,
    /// Compare with Foretype answering one question after the other at the same time, in turns
    #[arg(long)]
    answering: bool,
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
    /// A run is made again, twice at most, if more than so many percent of the machine's processor time went elsewhere
    #[arg(long, default_value_t = 10.0)]
    disturbed: f64,
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

/// Runs `foretype bench keystrokes`.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut measured = report::load_reports(&args.from)?;
    ensure!(!args.traces.is_empty() || !measured.runs.is_empty(), "name a trace, or a report with --from");
    ensure!(args.speed.is_finite() && args.speed > 0.0, "--speed must be more than 0");
    if !args.traces.is_empty() {
        let first = measured.runs.iter().map(|run| run.repeat + 1).max().unwrap_or(0);
        KeystrokeBenchmark::new(args)?.run_all(first, &mut measured)?;
    }
    let report = KeystrokeReport::new(measured);
    print!("{}", if args.markdown { report.to_markdown() } else { report.to_text() });
    write_json(args, &report)?;
    if let Some(name) = &args.picture {
        chart::write_chart(&report, name)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is compared, on what.
struct KeystrokeBenchmark<'a> {
    args: &'a Args,
    model: PathBuf,
    traces: Vec<(String, Trace)>,
    contenders: Vec<Contender>,
    setting: BenchmarkEnvironment,
}

impl<'a> KeystrokeBenchmark<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let traces = args.traces.iter().map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, Trace::load(path)?))
        });
        let model = std::path::absolute(foretype::models::resolve(args.model.as_deref())?)?;
        let (traces, contenders) = (traces.collect::<Result<_>>()?, contenders::from_args(args)?);
        let setting = find_environment(args, &model)?;
        if let Some(version) = &setting.llama_server {
            eprintln!("llama-server: {version}");
        }
        Ok(Self { args, model, traces, contenders, setting })
    }

    /// Each repetition replays each trace into each system before the next; who begins changes, so that no system always
    /// has the machine as another leaves it.
    fn run_all(&self, first: usize, measured: &mut Measurements) -> Result<()> {
        // A place that cannot be written is found out before anything has run; what an earlier report holds stays there until there is more.
        if let Some(path) = &self.args.json {
            let file = std::fs::File::options().append(true).create(true).open(path);
            file.with_context(|| format!("cannot write {}", path.display()))?;
        }
        measured.add_environment(self.setting.clone());
        for repeat in first..first + usize::from(self.args.repeat) {
            for (name, trace) in &self.traces {
                for turn in 0..self.contenders.len() {
                    let contender = &self.contenders[(turn + repeat) % self.contenders.len()];
                    eprintln!("{name}, {}, repetition {}", contender.name(), repeat + 1);
                    let run = self.run_undisturbed(contender, trace).with_context(|| contender.name())?;
                    measured.runs.push(ReplayRun { system: contender.name(), trace: name.clone(), repeat, ..run });
                    write_json(self.args, &KeystrokeReport::new(measured.clone()))?;
                }
            }
        }
        Ok(())
    }

    /// Of at most three runs the first that had the machine for itself, else the one that came nearest to it.
    fn run_undisturbed(&self, contender: &Contender, trace: &Trace) -> Result<ReplayRun> {
        let mut best: Option<ReplayRun> = None;
        for _ in 0..3 {
            let run = self.run_once(contender, trace)?;
            let elsewhere = run.other_cpu_share.unwrap_or(0.0);
            if elsewhere * 100.0 <= self.args.disturbed {
                return Ok(run);
            }
            eprintln!("  disturbed: {:.0} % of the processor time went elsewhere", elsewhere * 100.0);
            best = Some(best.filter(|best| best.other_cpu_share <= run.other_cpu_share).unwrap_or(run));
        }
        best.context("three runs leave one")
    }

    /// A server of its own for each run, so that none finds what an earlier one has computed.
    fn run_once(&self, contender: &Contender, trace: &Trace) -> Result<ReplayRun> {
        let folder = tempfile::tempdir()?;
        let mut system = contender.start(self, folder.path(), trace)?;
        let reaction = Duration::from_millis(self.args.reaction_ms);
        let typist = Typist { reaction_time: reaction, min_characters: self.args.shortest, speed: self.args.speed };
        replay::replay(system.as_mut(), trace, typist)
    }
}

/// What all runs with these arguments have in common.
fn find_environment(args: &Args, model: &Path) -> Result<BenchmarkEnvironment> {
    let file = std::fs::metadata(model).with_context(|| format!("cannot read {}", model.display()))?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(BenchmarkEnvironment {
        foretype: env!("CARGO_PKG_VERSION").to_owned(),
        llama_server: args.llama_server.as_deref().map(llama::server::version).transpose()?,
        llama_arguments: args.llama_argument.clone(),
        model: model.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        model_bytes: file.len(),
        processor: process::processor_name(),
        processors,
        instruction_set: foretype_model::kernels::isa().name().to_owned(),
        threads: args.threads.unwrap_or(processors),
        options: args.options.clone(),
        speed: args.speed,
        reaction_ms: args.reaction_ms,
        shortest: args.shortest,
    })
}

/// Writes the report where `--json` says.
fn write_json(args: &Args, report: &KeystrokeReport) -> Result<()> {
    let Some(path) = &args.json else { return Ok(()) };
    let text = serde_json::to_string(&report.to_json())?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn parse_json(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_the_shipped_traces_ends_in_their_texts() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/traces");
        let files = std::fs::read_dir(folder).expect("fixtures").flatten().map(|entry| entry.path());
        let traces: Vec<_> = files.map(|path| Trace::load(&path).expect("a trace")).collect();
        assert!(!traces.is_empty());
        for trace in traces {
            let mut desk = simulated_editor::SimulatedEditor::new(&trace.files);
            for stint in &trace.segments {
                desk.move_to(stint);
                for ((_, key), slip) in stint.keys.iter().zip(stint.typos()) {
                    desk.press(key, slip);
                }
                assert_eq!(desk.done(), stint.target().len());
            }
            assert_eq!(desk.texts(), trace.final_texts().expect("a trace"), "{}", trace.about);
        }
    }
}
