//! `foretype-lab model`: prefill and decode speed of a model, in turns with `llama-bench` on the same file.
//!
//! All measurements go through the engine, as completions do, but without speculative decoding: each token is one step.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use foretype::models;
use foretype::speed::{endless_text, run_job, submit};
use foretype_model::{Device, Engine, EngineOptions, Event, Job, Model, SamplingParams, Tokenizer};
use serde::Serialize;

use crate::process;

/// Arguments of `foretype-lab model`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model: a name that `foretype model list` shows, or a path; by default the configured one
    #[arg(long)]
    model: Option<String>,
    /// Approximate number of prompt tokens
    #[arg(long, default_value_t = 256, value_parser = at_least::<1>)]
    prompt: usize,
    /// Tokens to generate
    #[arg(long, default_value_t = 64, value_parser = at_least::<2>)]
    generate: usize,
    /// Rows of the batched decode step that is compared with a step of one row
    #[arg(long, default_value_t = 8, value_parser = at_least::<1>)]
    rows: usize,
    /// Threads for Foretype and llama-bench; one per core by default
    #[arg(long)]
    threads: Option<usize>,
    /// Repetitions of each measurement; the report has medians and ranges
    #[arg(long, default_value_t = 5, value_parser = at_least::<1>)]
    repeat: usize,
    /// Compare with this llama-bench
    #[arg(long)]
    llama_bench: Option<PathBuf>,
    /// Use this text as the prompt, for example a file of source code, instead of a repetitive one
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Parses a number that is at least `MIN`.
fn at_least<const MIN: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().map_err(|error| error.to_string())?;
    if number >= MIN { Ok(number) } else { Err(format!("{number} is too small: use at least {MIN}")) }
}

/// Medians over the repetitions. A range has the smallest and the largest value.
#[derive(Debug, Serialize)]
struct ModelReport {
    model: String,
    instruction_set: &'static str,
    file_megabytes: f64,
    load_seconds: f64,
    /// Resident memory after loading, without a KV cache.
    resident_megabytes: Option<f64>,
    /// Megabytes of weights that a decode step reads.
    step_megabytes: f64,
    /// Memory bandwidth of all threads together.
    read_gigabytes_per_second: f64,
    prefill_tokens_per_second: f64,
    prefill_range: [f64; 2],
    decode_tokens_per_second: f64,
    /// Milliseconds of a decode step with one row.
    step_ms: f64,
    step_range_ms: [f64; 2],
    /// Milliseconds of a decode step with one row and the logits of all tokens, as llama-bench computes them.
    all_step_ms: f64,
    all_step_range_ms: [f64; 2],
    /// Rows of the batched step.
    rows: usize,
    /// Milliseconds of a decode step with `rows` rows.
    rows_step_ms: f64,
    rows_step_range_ms: [f64; 2],
    /// Share of the machine's CPU time that other processes used.
    #[serde(rename = "elsewhere")]
    other_cpu_share: Option<f64>,
    /// Milliseconds from cancelling a prefill until the engine is free.
    cancel_ms: f64,
    /// Milliseconds of a layer in a prefill step.
    layer_ms: f64,
    llama_bench: Vec<LlamaBenchResult>,
}

/// Result of llama-bench with some flags.
#[derive(Debug, Clone, Serialize)]
struct LlamaBenchResult {
    flags: Vec<String>,
    prefill_tokens_per_second: f64,
    decode_tokens_per_second: f64,
}

/// Combinations of llama-bench's flags to try. The best one counts.
const LLAMA_BENCH_FLAGS: [&[&str]; 4] =
    [&["-fa", "off"], &["-fa", "on"], &["-fa", "off", "--repack", "0"], &["-fa", "on", "--repack", "0"]];

/// Runs `foretype-lab model`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let named = args.model.clone().or_else(|| std::env::var("FORETYPE_MODEL").ok());
    let path = models::resolve(named.as_deref())?;
    let report = measure(args, &path)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args, path: &Path) -> Result<ModelReport> {
    // The first load brings the file into the page cache. Memory is measured now: later, freed memory that the
    // allocator keeps would count as well.
    let first = Model::load(path, &Device::Cpu)?;
    let resident_megabytes = process::resident_megabytes();
    drop(first);
    let started = Instant::now();
    let model = Arc::new(Model::load(path, &Device::Cpu)?);
    let load_seconds = started.elapsed().as_secs_f64();
    let options = EngineOptions { threads: args.threads, max_draft_tokens: 0, ..EngineOptions::default() };
    let engine = Engine::start(model.clone(), options);
    let texts = PromptText::new(args.text.as_deref(), &model)?;
    let mut rounds: Vec<MeasurementRound> = Vec::new();
    let mut llama_bench: Vec<Vec<LlamaBenchResult>> = vec![Vec::new(); LLAMA_BENCH_FLAGS.len()];
    for number in 0..args.repeat.max(1) {
        rounds.push(MeasurementRound::measure(args, &engine, &texts, number)?);
        if let Some(program) = &args.llama_bench {
            for (flags, results) in LLAMA_BENCH_FLAGS.iter().zip(&mut llama_bench) {
                results.push(run_llama_bench(args, program, path, flags)?);
            }
        }
    }
    llama_bench.retain(|results| !results.is_empty());
    let median_of = |value: fn(&MeasurementRound) -> f64| median(rounds.iter().map(value).collect());
    let range_of = |value: fn(&MeasurementRound) -> f64| {
        let values = rounds.iter().map(value);
        [values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max)]
    };
    let range_ms = |value: fn(&MeasurementRound) -> f64| range_of(value).map(|seconds| seconds * 1e3);
    let other_cpu_shares: Option<Vec<f64>> = rounds.iter().map(|round| round.other_cpu_share).collect();
    let prefill = median_of(|round| round.prefill);
    Ok(ModelReport {
        model: model.name.clone(),
        instruction_set: foretype_model::kernels::isa().name(),
        file_megabytes: megabytes(model.bytes as f64),
        load_seconds,
        resident_megabytes,
        step_megabytes: megabytes(model.decoder.step_bytes() as f64),
        read_gigabytes_per_second: median_of(|round| round.bandwidth) / 1e9,
        prefill_tokens_per_second: prefill,
        prefill_range: range_of(|round| round.prefill),
        decode_tokens_per_second: 1.0 / median_of(|round| round.step),
        step_ms: median_of(|round| round.step) * 1e3,
        step_range_ms: range_ms(|round| round.step),
        all_step_ms: median_of(|round| round.all_logits_step) * 1e3,
        all_step_range_ms: range_ms(|round| round.all_logits_step),
        rows: args.rows,
        rows_step_ms: median_of(|round| round.rows_step) * 1e3,
        rows_step_range_ms: range_ms(|round| round.rows_step),
        other_cpu_share: other_cpu_shares.map(median),
        cancel_ms: median_of(|round| round.cancel) * 1e3,
        layer_ms: PREFILL_STEP_TOKENS / prefill / model.decoder.config().layers as f64 * 1e3,
        llama_bench: llama_bench.iter().map(|results| median_result(results)).collect(),
    })
}

/// One repetition of all measurements of Foretype.
struct MeasurementRound {
    /// Memory bandwidth in bytes per second.
    bandwidth: f64,
    /// Prefill speed in tokens per second.
    prefill: f64,
    /// Seconds of a decode step with one row.
    step: f64,
    /// Seconds of a decode step with one row and the logits of all tokens.
    all_logits_step: f64,
    /// Seconds of a decode step with several rows.
    rows_step: f64,
    /// Seconds from cancelling a prefill until the engine is free, as a median over several delays.
    cancel: f64,
    /// Share of the machine's CPU time that other processes used.
    other_cpu_share: Option<f64>,
}

/// Text of the prompts.
enum PromptText {
    /// A few words that repeat.
    Repetitive,
    /// A text of the user, from its start.
    File { path: PathBuf, tokens: Vec<u32>, tokenizer: Arc<Tokenizer> },
}

impl PromptText {
    fn new(path: Option<&Path>, model: &Model) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Repetitive) };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let tokenizer = model.tokenizer.clone();
        Ok(Self::File { path: path.to_owned(), tokens: tokenizer.encode(&text), tokenizer })
    }

    /// A text of about `count` tokens with a start of its own, so that no prefix of it is in the engine's cache.
    fn get(&self, number: usize, count: usize) -> Result<String> {
        let Self::File { path, tokens, tokenizer } = self else { return Ok(endless_text(number, count)) };
        let Some(tokens) = tokens.get(..count) else {
            bail!("{} has {} tokens and {count} are needed: name a longer text", path.display(), tokens.len());
        };
        let bytes: Vec<u8> = tokens.iter().flat_map(|id| tokenizer.token_bytes(*id)).copied().collect();
        Ok(format!("{number} {count}\n{}", String::from_utf8_lossy(&bytes)))
    }
}

/// Share of other processes' CPU time above which the report warns.
const DISTURBED_CPU_SHARE: f64 = 0.1;
/// Prompt tokens that the engine evaluates in one step.
const PREFILL_STEP_TOKENS: f64 = 64.0;
/// Prompt tokens of the decode measurements.
const DECODE_PROMPT_TOKENS: usize = 8;
/// Prompt tokens of a prefill that is cancelled.
const CANCELLED_PROMPT_TOKENS: usize = 1500;
/// Delays before a prefill is cancelled.
const CANCEL_DELAYS_MS: [u64; 7] = [20, 33, 46, 59, 72, 85, 98];

impl MeasurementRound {
    fn measure(args: &Args, engine: &Engine, texts: &PromptText, number: usize) -> Result<Self> {
        let (started, before) = (Instant::now(), process::machine_and_own_cpu_seconds());
        let bandwidth = foretype_model::kernels::read_bandwidth();
        let prefill = run_job(engine, &texts.get(number, args.prompt)?, Job { max_tokens: 1, ..Job::default() })?;
        let prefill = prefill.evaluated as f64 / prefill.prefill.as_secs_f64();
        let decode = |rows: usize, sampling: SamplingParams| -> Result<f64> {
            let job = Job { max_tokens: args.generate, candidates: rows, sampling, ..Job::default() };
            let usage = run_job(engine, &texts.get(number, DECODE_PROMPT_TOKENS)?, job)?;
            let steps = usage.generated as f64 / rows as f64 - 1.0;
            if steps < 1.0 {
                bail!("the model generated only {} tokens", usage.generated);
            }
            Ok(usage.decode.as_secs_f64() / steps)
        };
        // Top-k sampling with k = 1 generates the same tokens as greedy decoding, but it needs all logits.
        let top_1 = SamplingParams { temperature: 1.0, top_k: 1, ..SamplingParams::default() };
        let cancellations = CANCEL_DELAYS_MS.iter().map(|delay_ms| time_cancellation(engine, *delay_ms));
        let cancel = median(cancellations.collect::<Result<_>>()?);
        let (step, all_logits_step) = (decode(1, SamplingParams::default())?, decode(1, top_1)?);
        let rows_step = decode(args.rows, SamplingParams::default())?;
        let (elapsed, after) = (started.elapsed(), process::machine_and_own_cpu_seconds());
        let other_cpu_share = after.zip(before).map(|((all, own), (all_before, own_before))| {
            process::other_cpu_share(all - all_before, own - own_before, elapsed)
        });
        Ok(Self { bandwidth, prefill, step, all_logits_step, rows_step, cancel, other_cpu_share })
    }
}

/// Cancels a prefill after `delay_ms` and returns the seconds until the engine reports its end.
fn time_cancellation(engine: &Engine, delay_ms: u64) -> Result<f64> {
    let text = endless_text(delay_ms as usize, CANCELLED_PROMPT_TOKENS);
    let (ticket, events) = submit(engine, &text, Job { max_tokens: 1, ..Job::default() });
    std::thread::sleep(Duration::from_millis(delay_ms));
    let started = Instant::now();
    drop(ticket);
    let is_done = events.into_iter().any(|event| matches!(event, Event::Done { .. }));
    if is_done { Ok(started.elapsed().as_secs_f64()) } else { bail!("the engine stopped") }
}

/// Runs llama-bench once.
fn run_llama_bench(args: &Args, program: &Path, model: &Path, flags: &[&str]) -> Result<LlamaBenchResult> {
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut command = Command::new(program);
    command.arg("-m").arg(model).args(flags).args(["-r", "1", "-o", "json"]);
    command.args(["-t", &threads.to_string(), "-p", &args.prompt.to_string(), "-n", &args.generate.to_string()]);
    let output = command.output().with_context(|| format!("cannot run {}", program.display()))?;
    let tests: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).with_context(|| {
        format!("{} printed no JSON: {}", program.display(), String::from_utf8_lossy(&output.stderr))
    })?;
    let speed = |key: &str| {
        let found = tests.iter().find(|test| test[key].as_u64().is_some_and(|count| count > 0));
        found.and_then(|test| test["avg_ts"].as_f64()).context("llama-bench has left out a test")
    };
    Ok(LlamaBenchResult {
        flags: flags.iter().map(ToString::to_string).collect(),
        prefill_tokens_per_second: speed("n_prompt")?,
        decode_tokens_per_second: speed("n_gen")?,
    })
}

/// Medians over the repetitions of one combination of flags.
fn median_result(results: &[LlamaBenchResult]) -> LlamaBenchResult {
    let median_of = |value: fn(&LlamaBenchResult) -> f64| median(results.iter().map(value).collect());
    LlamaBenchResult {
        flags: results[0].flags.clone(),
        prefill_tokens_per_second: median_of(|result| result.prefill_tokens_per_second),
        decode_tokens_per_second: median_of(|result| result.decode_tokens_per_second),
    }
}

fn megabytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

/// Median of values of which there is at least one.
fn median(values: Vec<f64>) -> f64 {
    crate::statistics::median(values).unwrap_or(f64::NAN)
}

impl ModelReport {
    fn print(&self) {
        self.print_foretype();
        if !self.llama_bench.is_empty() {
            self.print_llama_bench();
        }
    }

    fn print_foretype(&self) {
        println!("{}, {} kernels, file {:.0} MiB", self.model, self.instruction_set, self.file_megabytes);
        let resident = self.resident_megabytes.map_or_else(
            || "unknown".to_owned(),
            |resident| format!("{resident:.0} MiB, {:.2} times the file", resident / self.file_megabytes),
        );
        println!("  load       {:.2} s from the page cache; resident {resident}", self.load_seconds);
        let range = |[least, most]: [f64; 2]| format!("({least:.1} to {most:.1})");
        println!("  prefill    {:.1} tokens/s {}", self.prefill_tokens_per_second, range(self.prefill_range));
        let used = self.step_megabytes * 1.048_576e-3 * self.decode_tokens_per_second;
        println!(
            "  decode     {:.1} tokens/s: {used:.1} of {:.1} GB/s memory bandwidth ({:.0} %)",
            self.decode_tokens_per_second,
            self.read_gigabytes_per_second,
            100.0 * used / self.read_gigabytes_per_second
        );
        println!(
            "  all logits {:.1} tokens/s: {:.1} ms {} per step",
            1e3 / self.all_step_ms,
            self.all_step_ms,
            range(self.all_step_range_ms)
        );
        println!(
            "  step       {:.1} ms {} with one row, {:.1} ms {} with {}: {:.2} times",
            self.step_ms,
            range(self.step_range_ms),
            self.rows_step_ms,
            range(self.rows_step_range_ms),
            self.rows,
            self.rows_step_ms / self.step_ms
        );
        println!(
            "  cancelling a prefill frees the engine in {:.1} ms; a layer takes {:.1} ms",
            self.cancel_ms, self.layer_ms
        );
        if let Some(share) = self.other_cpu_share.filter(|share| *share > DISTURBED_CPU_SHARE) {
            println!(
                "  other processes used {:.0} % of the CPU time: leave the machine alone and measure again",
                share * 100.0
            );
        }
    }

    fn print_llama_bench(&self) {
        for result in &self.llama_bench {
            let (prefill, decode) = (result.prefill_tokens_per_second, result.decode_tokens_per_second);
            println!("  llama-bench {:24} prefill {prefill:.1}, decode {decode:.1} tokens/s", result.flags.join(" "));
        }
        let best = |value: fn(&LlamaBenchResult) -> f64| self.llama_bench.iter().map(value).fold(0.0, f64::max);
        let best_decode = best(|result| result.decode_tokens_per_second);
        println!(
            "against its best: prefill {:.2} times as fast, decode {:.2} times, with all logits {:.2} times",
            self.prefill_tokens_per_second / best(|result| result.prefill_tokens_per_second),
            self.decode_tokens_per_second / best_decode,
            1e3 / self.all_step_ms / best_decode
        );
    }
}
