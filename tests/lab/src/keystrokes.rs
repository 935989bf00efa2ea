//! `foretype-lab keystrokes`: replays typing in real time into Foretype and other systems, and compares what the typist
//! gets from each.
//!
//! Everything runs on this machine. Foretype is this same build, started as an editor starts it. Other systems are
//! started on free ports and stopped at the end of each run. docs/guides/benchmark.md explains the metrics.

mod args;
mod chart;
mod contenders;
mod environment;
pub(crate) mod llama;
mod lsp;
mod metrics;
mod replay;
mod report;
mod simulated_editor;
mod system;
mod thresholds;
mod visible_suggestion;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foretype::trace::Trace;

pub(crate) use args::Args;
use contenders::{Contender, StartContext};
use environment::BenchmarkEnvironment;
use replay::{ReplayRun, TypistProfile};
use report::{KeystrokeReport, Measurements};

/// Attempts at a run that other processes disturb.
const MAX_ATTEMPTS: usize = 3;

/// Runs `foretype-lab keystrokes`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut measurements = report::load_reports(&args.from)?;
    ensure!(!args.traces.is_empty() || !measurements.runs.is_empty(), "name a trace, or a report with --from");
    ensure!(args.speed.is_finite() && args.speed > 0.0, "--speed must be greater than 0");
    if !args.traces.is_empty() {
        let first_repetition = measurements.runs.iter().map(|run| run.repeat + 1).max().unwrap_or(0);
        KeystrokeBenchmark::new(args)?.run_all(first_repetition, &mut measurements)?;
    }
    let report = KeystrokeReport::new(measurements);
    print!("{}", if args.markdown { report.to_markdown() } else { report.to_text() });
    write_json(args, &report)?;
    if let Some(name) = &args.picture {
        chart::write_chart(&report, name)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Compared systems, and the model and traces that they are compared on.
struct KeystrokeBenchmark<'a> {
    args: &'a Args,
    model: PathBuf,
    traces: Vec<(String, Trace)>,
    contenders: Vec<Contender>,
    environment: BenchmarkEnvironment,
}

impl<'a> KeystrokeBenchmark<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let mut traces = Vec::new();
        for path in &args.traces {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            traces.push((name, Trace::load(path)?));
        }
        let model = std::path::absolute(foretype::models::resolve(args.model.as_deref())?)?;
        let contenders = contenders::from_args(args)?;
        let environment = BenchmarkEnvironment::detect(args, &model)?;
        if let Some(version) = &environment.llama_server {
            eprintln!("llama-server: {version}");
        }
        Ok(Self { args, model, traces, contenders, environment })
    }

    /// Runs all repetitions. Each repetition replays each trace into each system. The order of the systems rotates, so
    /// that none of them always runs after the same other one.
    fn run_all(&self, first_repetition: usize, measurements: &mut Measurements) -> Result<()> {
        // An unwritable file is reported before anything runs. Appending keeps an earlier report until there is a new
        // one.
        if let Some(path) = &self.args.json {
            let file = std::fs::File::options().append(true).create(true).open(path);
            file.with_context(|| format!("cannot write {}", path.display()))?;
        }
        measurements.add_environment(self.environment.clone());
        for repeat in first_repetition..first_repetition + usize::from(self.args.repeat) {
            for (name, trace) in &self.traces {
                for turn in 0..self.contenders.len() {
                    let contender = &self.contenders[(turn + repeat) % self.contenders.len()];
                    eprintln!("{name}, {}, repetition {}", contender.name(), repeat + 1);
                    let run = self.run_undisturbed(contender, trace).with_context(|| contender.name())?;
                    measurements.runs.push(ReplayRun { system: contender.name(), trace: name.clone(), repeat, ..run });
                    write_json(self.args, &KeystrokeReport::new(measurements.clone()))?;
                }
            }
        }
        Ok(())
    }

    /// Returns the first run that other processes did not disturb, or the least disturbed one of [`MAX_ATTEMPTS`].
    fn run_undisturbed(&self, contender: &Contender, trace: &Trace) -> Result<ReplayRun> {
        let mut best: Option<ReplayRun> = None;
        for _ in 0..MAX_ATTEMPTS {
            let run = self.run_once(contender, trace)?;
            let other_cpu_percent = run.other_cpu_share.unwrap_or(0.0) * 100.0;
            if other_cpu_percent <= self.args.disturbed {
                return Ok(run);
            }
            eprintln!("  disturbed: other processes used {other_cpu_percent:.0} % of the CPU time");
            if best.as_ref().is_none_or(|best| run.other_cpu_share < best.other_cpu_share) {
                best = Some(run);
            }
        }
        best.context("there was no attempt")
    }

    /// Runs a system once. Each run has a server of its own, so that none finds the KV cache of an earlier one.
    fn run_once(&self, contender: &Contender, trace: &Trace) -> Result<ReplayRun> {
        let folder = tempfile::tempdir()?;
        let context = StartContext { args: self.args, model: &self.model, folder: folder.path(), trace };
        let mut system = contender.start(&context)?;
        let reaction_time = Duration::from_millis(self.args.reaction_ms);
        let typist = TypistProfile { reaction_time, min_characters: self.args.shortest, speed: self.args.speed };
        replay::replay(system.as_mut(), trace, typist)
    }
}

/// Writes the report to the file of `--json`.
fn write_json(args: &Args, report: &KeystrokeReport) -> Result<()> {
    let Some(path) = &args.json else { return Ok(()) };
    let text = serde_json::to_string(&report.to_json())?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
