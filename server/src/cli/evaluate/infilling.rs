//! HumanEval single-line infilling (Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle"):
//! one line of a solution is taken out and written again; it counts when the problem's tests pass.
//!
//! The editor's view is evaluated, not a bare model: the line is empty, the cursor stands at its beginning (or, half-typed,
//! inside it), and the answer goes through the same strategy, stops and trimming as a keystroke.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foretype_model::{Engine, Model};
use foretype_plugins::{Order, PromptStrategy, Trigger, registry};
use indicatif::ProgressBar;

use super::sandbox::Sandbox;
use crate::completion;
use crate::config::Config;
use crate::models;

const RULE: &str = "truncation: the first line of what an editor would show, without white space at its end";

/// Arguments of `foretype evaluate humaneval-infilling`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The data: HumanEval-SingleLineInfilling.jsonl.gz from the repository human-eval-infilling, or unpacked
    #[arg(long)]
    data: PathBuf,
    /// Take every Nth problem
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Type the first part of each line; where it ends follows from the seed and the problem's name
    #[arg(long)]
    half_typed: bool,
    /// Seed of the split
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Orders of the prompt to compare
    #[arg(long, value_delimiter = ',', default_value = "anchored")]
    order: Vec<OrderName>,
    /// The model: a name that `model list` shows or a path
    #[arg(long)]
    model: Option<String>,
    /// As JSON, with every answer
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OrderName {
    /// Prefix and suffix frozen at an anchor, the text since then after the middle marker
    Anchored,
    /// Prefix, suffix, middle: what other tools send
    Plain,
}

#[derive(Debug, serde::Deserialize)]
struct Problem {
    task_id: String,
    entry_point: String,
    prompt: String,
    suffix: String,
    canonical_solution: String,
    test: String,
}

#[derive(Debug, serde::Serialize)]
struct Verdict {
    task: String,
    typed: String,
    wanted: String,
    answer: String,
    exact: bool,
    passed: bool,
    milliseconds: f64,
}

/// Runs the evaluation and prints a table.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    ensure!(args.every > 0, "--every counts from 1");
    let problems: Vec<Problem> = read(&args.data)?.into_iter().step_by(args.every).collect();
    let mut config = Config::load(None)?;
    config.model = args.model.clone().or(config.model);
    let model = completion::load(&models::resolve(config.model.as_deref())?, &config)?;
    let engine = completion::start(model.clone(), &config);
    let strategy = registry::strategy("fill").context("the fill strategy is missing")?;
    let sandbox = Sandbox::new()?;
    if !sandbox.without_network() {
        eprintln!("note: the network cannot be taken away from the tests here; they run with it");
    }
    let run = Run { engine: &engine, strategy, model: &model, config: &config, sandbox: &sandbox, args };
    let mut reports = Vec::new();
    for &order in &args.order {
        reports.push((order, run.order(order, &problems)?));
    }
    if args.json {
        let reports = reports.iter().map(|(order, verdicts)| (format!("{order:?}").to_lowercase(), verdicts));
        super::super::print_json(&reports.collect::<std::collections::BTreeMap<_, _>>())?;
    } else {
        print(&reports, args);
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &PathBuf) -> Result<Vec<Problem>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn std::io::Read> =
        if packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let lines = BufReader::new(reader).lines().enumerate();
    lines
        .map(|(number, line)| {
            serde_json::from_str(&line?).with_context(|| format!("{} line {}", path.display(), number + 1))
        })
        .collect()
}

struct Run<'a> {
    engine: &'a Engine,
    strategy: Arc<dyn PromptStrategy>,
    model: &'a Model,
    config: &'a Config,
    sandbox: &'a Sandbox,
    args: &'a Args,
}

impl Run<'_> {
    fn order(&self, order: OrderName, problems: &[Problem]) -> Result<Vec<Verdict>> {
        let bar = ProgressBar::new(problems.len() as u64).with_message(format!("{order:?}"));
        let verdicts = problems.iter().map(|problem| {
            bar.inc(1);
            self.problem(order, problem)
        });
        let verdicts = verdicts.collect();
        bar.finish_and_clear();
        verdicts
    }

    fn problem(&self, order: OrderName, problem: &Problem) -> Result<Verdict> {
        let wanted = problem.canonical_solution.trim_end_matches('\n');
        let split = if self.args.half_typed { split(wanted, &problem.task_id, self.args.seed) } else { 0 };
        let (typed, rest) = wanted.split_at(split);
        let text = format!("{}{typed}\n{}", problem.prompt, problem.suffix);
        let cursor = problem.prompt.len() + typed.len();
        let document = completion::document("solution.py".into(), text);
        let mut request = completion::request(document, cursor, self.model, self.config);
        request.trigger = Trigger::Invoked;
        request.multi_line = false;
        request.order = match order {
            OrderName::Anchored => Order::Anchored,
            OrderName::Plain => Order::Plain,
        };
        let outcome = completion::complete(self.engine, &self.strategy, Arc::new(request), 1, 64, Vec::new())?;
        let shown = outcome.suggestions.first().map_or("", |suggestion| suggestion.text.as_str());
        let answer = shown.split('\n').next().unwrap_or_default().trim_end();
        let program = [&problem.prompt, typed, answer, "\n", &problem.suffix, &problem.test].concat();
        let program = format!("{program}\ncheck({})\n", problem.entry_point);
        Ok(Verdict {
            task: problem.task_id.clone(),
            typed: typed.into(),
            wanted: rest.into(),
            answer: answer.into(),
            exact: answer == rest.trim_end(),
            passed: self.sandbox.passes(&program)?,
            milliseconds: outcome.total.as_secs_f64() * 1000.0,
        })
    }
}

/// Where the typed part of a line ends: after at least one character and before the last one, by the problem's name.
fn split(line: &str, task: &str, seed: u64) -> usize {
    let indentation = line.len() - line.trim_start().len();
    let places: Vec<usize> = line.char_indices().map(|(at, _)| at).filter(|at| *at > indentation).collect();
    // FNV-1a, so that the split depends on nothing but the problem and the seed.
    let hash = task.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    match places.len() as u64 {
        0 => line.len(),
        count => places[(hash.rotate_left(29) % count) as usize],
    }
}

fn print(reports: &[(OrderName, Vec<Verdict>)], args: &Args) {
    let kind = if args.half_typed { format!("half-typed lines, seed {}", args.seed) } else { "whole lines".into() };
    println!("HumanEval single-line infilling, {kind}, every {} problem, greedy; {RULE}", ordinal(args.every));
    println!("{:10} {:>8} {:>22} {:>22} {:>12}", "order", "problems", "pass@1", "exact match", "median ms");
    for (order, verdicts) in reports {
        let share = |count: usize| {
            let (low, high) = wilson(count, verdicts.len());
            format!("{:.1} % [{low:.1}, {high:.1}]", 100.0 * count as f64 / verdicts.len().max(1) as f64)
        };
        let passed = verdicts.iter().filter(|verdict| verdict.passed).count();
        let exact = verdicts.iter().filter(|verdict| verdict.exact).count();
        let mut times: Vec<f64> = verdicts.iter().map(|verdict| verdict.milliseconds).collect();
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let name = format!("{order:?}").to_lowercase();
        println!("{name:10} {:>8} {:>22} {:>22} {median:>12.0}", verdicts.len(), share(passed), share(exact));
    }
    if let [(_, a), (_, b)] = reports {
        let only = |x: &[Verdict], y: &[Verdict]| x.iter().zip(y).filter(|(x, y)| x.passed && !y.passed).count();
        println!("passed only by the first order: {}, only by the second: {}", only(a, b), only(b, a));
    }
}

fn ordinal(number: usize) -> String {
    match number {
        1 => "single".into(),
        2 => "2nd".into(),
        3 => "3rd".into(),
        _ => format!("{number}th"),
    }
}

/// The 95 % interval of a share, in percent (Wilson 1927).
fn wilson(count: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 0.0);
    }
    let (n, z) = (of as f64, 1.96);
    let p = count as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 100.0 / (1.0 + z * z / n);
    ((centre - spread) * scale, (centre + spread) * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_inside_the_line_and_always_the_same() {
        let line = "        for idx2, elem2 in enumerate(numbers):";
        for task in ["a", "b", "c"] {
            let at = split(line, task, 1);
            assert!(at > 8 && at < line.len());
            assert_eq!(at, split(line, task, 1));
        }
        assert_ne!(split(line, "a", 1), split(line, "a", 2));
    }

    #[test]
    fn the_interval_holds_the_share() {
        let (low, high) = wilson(30, 100);
        assert!(low < 30.0 && high > 30.0 && (20.0..45.0).contains(&low) && high < 45.0);
    }
}
