//! `foretype bench model`: how fast a model reads and writes, in turns with `llama-bench` on the same file.
//!
//! Everything goes through the engine, as a completion does, without drafts: every token is one step.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use foretype::models;
use foretype::speed::{run_job, submit, endless_text};
use foretype_model::{Device, Engine, EngineOptions, Event, Job, Model, Sampling, Tokenizer};
use serde::Serialize;

use crate::process;

/// Arguments of `foretype bench model`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A model by name or path; the configured one if it is left out
    #[arg(long)]
    model: Option<String>,
    /// Prompt tokens that are read, about
    #[arg(long, default_value_t = 256, value_parser = at_least::<1>)]
    prompt: usize,
    /// Tokens that are written
    #[arg(long, default_value_t = 64, value_parser = at_least::<2>)]
    generate: usize,
    /// Rows of a step that is compared with a step of one row
    #[arg(long, default_value_t = 8, value_parser = at_least::<1>)]
    rows: usize,
    /// Threads, for Foretype and for llama-bench; one for each core if it is left out
    #[arg(long)]
    threads: Option<usize>,
    /// Measurements of each; medians are reported, and how far they lie apart
    #[arg(long, default_value_t = 5, value_parser = at_least::<1>)]
    repeat: usize,
    /// The program `llama-bench`, to compare with
    #[arg(long)]
    llama_bench: Option<PathBuf>,
    /// Read and go on with this text, such as a file of source code, instead of one that repeats itself
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// A whole number that is no less than `LEAST`.
fn at_least<const LEAST: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().map_err(|error| error.to_string())?;
    if number >= LEAST { Ok(number) } else { Err(format!("{number} is too few, it has to be {LEAST} at the least")) }
}

/// What was measured.
#[derive(Debug, Serialize)]
struct ModelReport {
    model: String,
    instruction_set: &'static str,
    file_megabytes: f64,
    load_seconds: f64,
    /// Resident after loading, without the KV cache of a sequence.
    resident_megabytes: Option<f64>,
    /// Megabytes of weights that a step reads.
    step_megabytes: f64,
    /// What all threads together read from memory in a second.
    read_gigabytes_per_second: f64,
    prefill_tokens_per_second: f64,
    prefill_range: [f64; 2],
    decode_tokens_per_second: f64,
    /// Milliseconds of a step of one row, and of one with `rows`; the least and the most of each.
    step_ms: f64,
    step_range_ms: [f64; 2],
    /// Milliseconds of a step of one row that computes the logits of all tokens, as llama-bench's do.
    all_step_ms: f64,
    all_step_range_ms: [f64; 2],
    rows: usize,
    rows_step_ms: f64,
    rows_step_range_ms: [f64; 2],
    /// Of the processor time that the machine had while Foretype was measured, the share that went elsewhere.
    other_cpu_share: Option<f64>,
    /// Milliseconds from giving up a prompt that is being read until the engine is free.
    cancel_ms: f64,
    /// Milliseconds of a layer while a prompt is read.
    layer_ms: f64,
    llama_bench: Vec<LlamaBenchResult>,
}

/// llama-bench with some flags.
#[derive(Debug, Clone, Serialize)]
struct LlamaBenchResult {
    flags: Vec<String>,
    prefill_tokens_per_second: f64,
    decode_tokens_per_second: f64,
}

/// Flags of llama-bench that are tried; the best counts.
const LLAMA_BENCH_FLAGS: [&[&str]; 4] =
    [&["-fa", "off"], &["-fa", "on"], &["-fa", "off", "--repack", "0"], &["-fa", "on", "--repack", "0"]];

/// Runs `foretype bench model`.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let named = args.model.clone().or_else(|| std::env::var("FORETYPE_MODEL").ok());
    let path = models::resolve(named.as_deref())?;
    let report = measure(args, &path)?;
    if args.json {
        crate::print_json(&report)?;
    } else {
        report.print();
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args, path: &Path) -> Result<ModelReport> {
    // Loaded once before it is timed, so that the file is in memory. What a program holds that has loaded it is looked at now:
    // later, pieces of what was freed would count as well.
    let first = Model::load(path, &Device::Cpu)?;
    let resident_megabytes = process::resident_megabytes();
    drop(first);
    let started = Instant::now();
    let model = Arc::new(Model::load(path, &Device::Cpu)?);
    let load_seconds = started.elapsed().as_secs_f64();
    let options = EngineOptions { threads: args.threads, draft: 0, ..EngineOptions::default() };
    let engine = Engine::start(model.clone(), options);
    let texts = PromptText::new(args.text.as_deref(), &model)?;
    let mut rounds: Vec<MeasurementRound> = Vec::new();
    let mut peers: Vec<Vec<LlamaBenchResult>> = vec![Vec::new(); LLAMA_BENCH_FLAGS.len()];
    for number in 0..args.repeat.max(1) {
        rounds.push(MeasurementRound::measure(args, &engine, &texts, number)?);
        if let Some(program) = &args.llama_bench {
            for (flags, found) in LLAMA_BENCH_FLAGS.iter().zip(&mut peers) {
                found.push(run_llama_bench(args, program, path, flags)?);
            }
        }
    }
    let of = |value: fn(&MeasurementRound) -> f64| median(rounds.iter().map(value).collect());
    let range = |value: fn(&MeasurementRound) -> f64| {
        let values = rounds.iter().map(value);
        [values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max)]
    };
    let other_cpu_share: Option<Vec<f64>> = rounds.iter().map(|round| round.elsewhere).collect();
    let peers = peers.into_iter().filter(|runs| !runs.is_empty());
    Ok(ModelReport {
        model: model.name.clone(),
        instruction_set: foretype_model::kernels::isa().name(),
        file_megabytes: megabytes(model.bytes as f64),
        load_seconds,
        resident_megabytes,
        step_megabytes: megabytes(model.decoder.step_bytes() as f64),
        read_gigabytes_per_second: of(|round| round.bandwidth) / 1e9,
        prefill_tokens_per_second: of(|round| round.prefill),
        prefill_range: range(|round| round.prefill),
        decode_tokens_per_second: 1.0 / of(|round| round.step),
        step_ms: of(|round| round.step) * 1e3,
        step_range_ms: range(|round| round.step).map(|seconds| seconds * 1e3),
        all_step_ms: of(|round| round.all_step) * 1e3,
        all_step_range_ms: range(|round| round.all_step).map(|seconds| seconds * 1e3),
        rows: args.rows,
        rows_step_ms: of(|round| round.rows_step) * 1e3,
        rows_step_range_ms: range(|round| round.rows_step).map(|seconds| seconds * 1e3),
        other_cpu_share: other_cpu_share.map(median),
        cancel_ms: of(|round| round.cancel) * 1e3,
        layer_ms: PREFILL_STEP_TOKENS / of(|round| round.prefill) / model.decoder.config().layers as f64 * 1e3,
        llama_bench: peers.map(|runs| median_result(&runs)).collect(),
    })
}

/// One turn of Foretype.
struct MeasurementRound {
    /// Bytes a second.
    bandwidth: f64,
    /// Tokens a second.
    prefill: f64,
    /// Seconds of a step of one row.
    step: f64,
    /// Seconds of a step of one row with the logits of all tokens.
    all_step: f64,
    /// Seconds of a step of several rows.
    rows_step: f64,
    /// Seconds from giving up until the engine is free: the middle one of some.
    cancel: f64,
    /// The share of the machine's processor time that went elsewhere.
    elsewhere: Option<f64>,
}

/// What the model reads.
enum PromptText {
    /// Words that repeat themselves.
    Words,
    /// A text of the user's, from its beginning.
    Given { path: PathBuf, tokens: Vec<u32>, tokenizer: Arc<Tokenizer> },
}

impl PromptText {
    fn new(path: Option<&Path>, model: &Model) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Words) };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let tokenizer = model.tokenizer.clone();
        Ok(Self::Given { path: path.to_owned(), tokens: tokenizer.encode(&text), tokenizer })
    }

    /// About so many tokens that begin like no other text that the engine has read.
    fn get(&self, number: usize, count: usize) -> Result<String> {
        let Self::Given { path, tokens, tokenizer } = self else { return Ok(endless_text(number, count)) };
        let Some(tokens) = tokens.get(..count) else {
            bail!("{} has {} tokens and {count} are wanted: name a longer text", path.display(), tokens.len());
        };
        let bytes: Vec<u8> = tokens.iter().flat_map(|id| tokenizer.token_bytes(*id)).copied().collect();
        Ok(format!("{number} {count}\n{}", String::from_utf8_lossy(&bytes)))
    }
}

/// A share of the machine's processor time that went elsewhere and that is told.
const DISTURBED_CPU_SHARE: f64 = 0.1;
/// Tokens of a prompt that the engine reads in one step.
const PREFILL_STEP_TOKENS: f64 = 64.0;
/// Tokens of the text that is gone on with.
const DECODE_PROMPT_TOKENS: usize = 8;
/// Milliseconds after which a prompt is given up.
const CANCEL_DELAYS_MS: [u64; 7] = [20, 33, 46, 59, 72, 85, 98];

impl MeasurementRound {
    fn measure(args: &Args, engine: &Engine, texts: &PromptText, number: usize) -> Result<Self> {
        let (started, before) = (Instant::now(), process::machine_and_own_cpu_seconds());
        let bandwidth = foretype_model::kernels::read_bandwidth();
        let read = run_job(engine, &texts.get(number, args.prompt)?, Job { max_tokens: 1, ..Job::default() })?;
        let write = |rows: usize, sampling: Sampling| -> Result<f64> {
            let job = Job { max_tokens: args.generate, candidates: rows, sampling, ..Job::default() };
            let usage = run_job(engine, &texts.get(number, DECODE_PROMPT_TOKENS)?, job)?;
            let steps = usage.generated as f64 / rows as f64 - 1.0;
            if steps < 1.0 {
                bail!("the model wrote only {} tokens", usage.generated);
            }
            Ok(usage.decode.as_secs_f64() / steps)
        };
        // Draws from the likeliest token alone, so it writes the same; but to draw, it wants to know all logits.
        let drawn = Sampling { temperature: 1.0, top_k: 1, ..Sampling::default() };
        let prefill = read.evaluated as f64 / read.prefill.as_secs_f64();
        let cancel = median(CANCEL_DELAYS_MS.iter().map(|after| time_cancellation(engine, *after)).collect::<Result<_>>()?);
        let (step, all_step) = (write(1, Sampling::default())?, write(1, drawn)?);
        let rows_step = write(args.rows, Sampling::default())?;
        let (elapsed, after) = (started.elapsed(), process::machine_and_own_cpu_seconds());
        let spent = after.zip(before).map(|(now, then)| (now.0 - then.0, now.1 - then.1));
        let elsewhere = spent.map(|(busy, own)| process::other_cpu_share(busy, own, elapsed));
        Ok(Self { bandwidth, prefill, step, all_step, rows_step, cancel, elsewhere })
    }
}

/// Gives up a prompt that has been read for so many milliseconds; returns the seconds until the engine says that it is over.
fn time_cancellation(engine: &Engine, after: u64) -> Result<f64> {
    let (ticket, events) = submit(engine, &endless_text(after as usize, 1500), Job { max_tokens: 1, ..Job::default() });
    std::thread::sleep(Duration::from_millis(after));
    let started = Instant::now();
    drop(ticket);
    let over = events.into_iter().any(|event| matches!(event, Event::Done { .. }));
    if over { Ok(started.elapsed().as_secs_f64()) } else { bail!("the engine stopped") }
}

/// One turn of llama-bench.
fn run_llama_bench(args: &Args, program: &Path, model: &Path, flags: &[&str]) -> Result<LlamaBenchResult> {
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut command = Command::new(program);
    command.arg("-m").arg(model).args(flags).args(["-r", "1", "-o", "json"]);
    command.args(["-t", &threads.to_string(), "-p", &args.prompt.to_string(), "-n", &args.generate.to_string()]);
    let output = command.output().with_context(|| format!("cannot run {}", program.display()))?;
    let tests: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} gave no JSON: {}", program.display(), String::from_utf8_lossy(&output.stderr)))?;
    let speed = |key: &str| {
        let found = tests.iter().find(|test| test[key].as_u64().is_some_and(|count| count > 0));
        found.and_then(|test| test["avg_ts"].as_f64()).context("llama-bench left a test out")
    };
    Ok(LlamaBenchResult {
        flags: flags.iter().map(ToString::to_string).collect(),
        prefill_tokens_per_second: speed("n_prompt")?,
        decode_tokens_per_second: speed("n_gen")?,
    })
}

fn median_result(runs: &[LlamaBenchResult]) -> LlamaBenchResult {
    let of = |value: fn(&LlamaBenchResult) -> f64| median(runs.iter().map(value).collect());
    LlamaBenchResult {
        flags: runs[0].flags.clone(),
        prefill_tokens_per_second: of(|peer| peer.prefill_tokens_per_second),
        decode_tokens_per_second: of(|peer| peer.decode_tokens_per_second),
    }
}

fn megabytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

fn median(values: Vec<f64>) -> f64 {
    crate::statistics::median(values).unwrap_or(f64::NAN)
}

impl ModelReport {
    fn print(&self) {
        println!("{}, {} kernels, file {:.0} MiB", self.model, self.instruction_set, self.file_megabytes);
        let resident = self.resident_megabytes.map_or_else(
            || "unknown".to_owned(),
            |resident| format!("{resident:.0} MiB, {:.2} times the file", resident / self.file_megabytes),
        );
        println!("  load      {:.2} s warm; resident {resident}", self.load_seconds);
        let apart = |[least, most]: [f64; 2]| format!("({least:.1} to {most:.1})");
        println!("  prefill   {:.1} tokens/s {}", self.prefill_tokens_per_second, apart(self.prefill_range));
        let used = self.step_megabytes * 1.048_576e-3 * self.decode_tokens_per_second;
        println!(
            "  decode    {:.1} tokens/s: {used:.1} of {:.1} GB/s that memory gives ({:.0} %)",
            self.decode_tokens_per_second,
            self.read_gigabytes_per_second,
            100.0 * used / self.read_gigabytes_per_second
        );
        println!(
            "  all logits {:.1} tokens/s: {:.1} ms {} a step",
            1e3 / self.all_step_ms,
            self.all_step_ms,
            apart(self.all_step_range_ms)
        );
        let ratio = self.rows_step_ms / self.step_ms;
        println!(
            "  a step    {:.1} ms {} with one row, {:.1} ms {} with {}: {ratio:.2} times",
            self.step_ms,
            apart(self.step_range_ms),
            self.rows_step_ms,
            apart(self.rows_step_range_ms),
            self.rows
        );
        println!(
            "  giving up a prompt frees the engine in {:.1} ms; a layer takes {:.1} ms",
            self.cancel_ms, self.layer_ms
        );
        if let Some(elsewhere) = self.other_cpu_share.filter(|elsewhere| *elsewhere > DISTURBED_CPU_SHARE) {
            println!(
                "  {:.0} % of the processor time went to other processes: leave the machine alone and measure again",
                elsewhere * 100.0
            );
        }
        for peer in &self.llama_bench {
            let (prefill, decode) = (peer.prefill_tokens_per_second, peer.decode_tokens_per_second);
            println!("  llama-bench {:24} prefill {prefill:.1}, decode {decode:.1} tokens/s", peer.flags.join(" "));
        }
        let best = |value: fn(&LlamaBenchResult) -> f64| self.llama_bench.iter().map(value).fold(0.0, f64::max);
        if !self.llama_bench.is_empty() {
            println!(
                "against its best: prefill {:.2} times as fast, decode {:.2} times, with all logits {:.2} times",
                self.prefill_tokens_per_second / best(|peer| peer.prefill_tokens_per_second),
                self.decode_tokens_per_second / best(|peer| peer.decode_tokens_per_second),
                1e3 / self.all_step_ms / best(|peer| peer.decode_tokens_per_second)
            );
        }
    }
}
