//! Report of the benchmark: a table of metrics, ratios to each other system, and the acceptance thresholds.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::environment::{BenchmarkEnvironment, differing_fields};
use super::metrics::{METRICS, SystemMetrics, first_text_times, metrics_by_system};
use super::replay::ReplayRun;
use super::thresholds::{self, Threshold};

/// Runs and the environments that they were measured in.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Measurements {
    pub(super) runs: Vec<ReplayRun>,
    /// Distinct environments of all calls of the benchmark.
    pub(super) environments: Vec<BenchmarkEnvironment>,
}

/// Measurements and everything that is derived from them.
pub(super) struct KeystrokeReport {
    measurements: Measurements,
    pub(super) systems: Vec<SystemMetrics>,
    pub(super) thresholds: Vec<Threshold>,
}

/// Reads the measurements of earlier reports and numbers their repetitions consecutively.
pub(super) fn load_reports(files: &[PathBuf]) -> Result<Measurements> {
    let mut all = Measurements::default();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let report: Value =
            serde_json::from_str(&text).with_context(|| format!("{} is not a report", file.display()))?;
        let runs: Vec<ReplayRun> = serde_json::from_value(report["runs"].clone())
            .with_context(|| format!("{} has no runs", file.display()))?;
        // Reports of early versions have no environments.
        let environments = report.get("settings").cloned().unwrap_or_else(|| json!([]));
        let environments: Vec<BenchmarkEnvironment> =
            serde_json::from_value(environments).with_context(|| format!("{} has invalid settings", file.display()))?;
        for environment in environments {
            all.add_environment(environment);
        }
        for mut run in runs {
            let is_same = |other: &&ReplayRun| other.system == run.system && other.trace == run.trace;
            run.repeat = all.runs.iter().filter(is_same).count();
            all.runs.push(run);
        }
    }
    Ok(all)
}

impl Measurements {
    /// Adds an environment unless an equal one is known.
    pub(super) fn add_environment(&mut self, environment: BenchmarkEnvironment) {
        if !self.environments.contains(&environment) {
            self.environments.push(environment);
        }
    }
}

impl KeystrokeReport {
    /// Derives metrics and thresholds.
    pub(super) fn new(measurements: Measurements) -> Self {
        let runs = &measurements.runs;
        let systems = metrics_by_system(runs.iter());
        let mut thresholds = thresholds::check_thresholds(&systems);
        let repetitions = runs.iter().map(|run| run.repeat + 1).max().unwrap_or(0);
        if repetitions > 1 {
            let of_repetition = |repeat| {
                let systems = metrics_by_system(runs.iter().filter(move |run| run.repeat == repeat));
                thresholds::check_thresholds(&systems)
            };
            thresholds::add_ranges(&mut thresholds, &(0..repetitions).map(of_repetition).collect::<Vec<_>>());
        }
        Self { thresholds, systems, measurements }
    }

    /// Times from key to first text of a system, in milliseconds.
    pub(super) fn first_text_times(&self, system: &str) -> Vec<f64> {
        first_text_times(&self.measurements.runs.iter().filter(|run| run.system == system).collect::<Vec<_>>())
    }

    /// One sentence per other system with the ratios of Foretype to it.
    pub(super) fn headlines(&self) -> Vec<String> {
        match self.systems.split_first() {
            Some((first, peers)) if first.system == "Foretype" => {
                peers.iter().map(|peer| headline(first, peer)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Plain text for a terminal.
    pub(super) fn to_text(&self) -> String {
        let table = self.table();
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..table[0].len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut lines = self.headlines();
        lines.push(String::new());
        lines.extend(table.iter().map(line));
        lines.push(String::new());
        lines.extend(self.thresholds.iter().map(|it| format!("{} {}", verdict(it), describe(it))));
        lines.push(String::new());
        lines.extend(self.environment_lines());
        lines.join("\n") + "\n"
    }

    /// Markdown.
    pub(super) fn to_markdown(&self) -> String {
        let table = self.table();
        let line = |row: &Vec<String>| format!("| {} |", row.join(" | "));
        let mut lines: Vec<String> = self.headlines().iter().map(|headline| format!("* {headline}")).collect();
        lines.push(String::new());
        lines.push(line(&table[0]));
        lines.push(format!("| --- |{}", " ---: |".repeat(self.systems.len())));
        lines.extend(table[1..].iter().map(line));
        lines.push(String::new());
        lines.extend(self.thresholds.iter().map(|it| format!("* **{}** {}", verdict(it), describe(it))));
        lines.push(String::new());
        lines.extend(self.environment_lines().iter().map(|environment| format!("* {environment}")));
        lines.join("\n") + "\n"
    }

    /// One line per environment, and a warning if there are several.
    fn environment_lines(&self) -> Vec<String> {
        let environments = &self.measurements.environments;
        let mut lines: Vec<_> = environments.iter().map(|it| format!("measured on {}", it.summary())).collect();
        let differences = differing_fields(environments);
        if !differences.is_empty() {
            lines.push(format!("these runs are combined although they differ in: {}", differences.join(", ")));
        }
        lines
    }

    /// Head, and a row for each metric that is known for at least one system.
    fn table(&self) -> Vec<Vec<String>> {
        let mut head = vec![String::new()];
        head.extend(self.systems.iter().map(|it| it.system.replace("llama-server ", "ls ")));
        let mut table = vec![head];
        for (index, metric) in METRICS.iter().enumerate() {
            if self.systems.iter().any(|it| it.values[index].is_some()) {
                let mut row = vec![metric.label.to_owned()];
                row.extend(self.systems.iter().map(|it| metric.unit.format(it.values[index])));
                table.push(row);
            }
        }
        table
    }

    /// JSON with all runs and all their keys.
    pub(super) fn to_json(&self) -> Value {
        let system = |metrics: &SystemMetrics| {
            let values = METRICS.iter().zip(&metrics.values).map(|(metric, value)| {
                let value = match value {
                    Some(value) if value.is_infinite() => json!("never"),
                    value => json!(value),
                };
                (metric.name.to_owned(), value)
            });
            json!({ "system": metrics.system, "figures": values.collect::<serde_json::Map<_, _>>() })
        };
        json!({
            "headlines": self.headlines(),
            "systems": self.systems.iter().map(system).collect::<Vec<_>>(),
            "bars": self.thresholds,
            "settings": self.measurements.environments,
            "runs": self.measurements.runs,
        })
    }
}

fn verdict(threshold: &Threshold) -> &'static str {
    match threshold.passed {
        Some(true) => "pass",
        Some(false) => "FAIL",
        None => "open",
    }
}

fn describe(threshold: &Threshold) -> String {
    let range = threshold.range.map_or_else(String::new, |[least, most]| format!(" [{least:.3} to {most:.3}]"));
    let ratio = threshold.ratio.map_or_else(String::new, |ratio| format!(", ratio {ratio:.3}{range}"));
    format!("{} ({} against {}{ratio})", threshold.demand, threshold.ours, threshold.theirs)
}

fn headline(foretype: &SystemMetrics, peer: &SystemMetrics) -> String {
    let parts = HEADLINE_METRICS.iter().filter_map(|metric| metric.comparison(foretype, peer));
    format!("Foretype against {}: {}", peer.system, parts.collect::<Vec<_>>().join(", "))
}

/// A metric of the headlines, and the words for Foretype having a better or a worse value.
pub(super) struct HeadlineMetric {
    metric: &'static str,
    label: &'static str,
    better: &'static str,
    worse: &'static str,
    more_is_better: bool,
}

const fn less_is_better(
    metric: &'static str,
    label: &'static str,
    better: &'static str,
    worse: &'static str,
) -> HeadlineMetric {
    HeadlineMetric { metric, label, better, worse, more_is_better: false }
}

const fn more_is_better(metric: &'static str, label: &'static str) -> HeadlineMetric {
    HeadlineMetric { metric, label, better: "more", worse: "fewer", more_is_better: true }
}

/// Metrics of the headlines, the most important first. Infinite values are left out. So is the time to the next text:
/// if most keys of a peer are superseded, it depends on the length of the trace alone.
pub(super) const HEADLINE_METRICS: &[HeadlineMetric] = &[
    less_is_better("first_p50", "first text", "sooner", "later"),
    more_is_better("within_100", "keys with text within 100 ms"),
    more_is_better("completed", "characters from suggestions"),
    less_is_better("prompt_text", "prompt tokens", "fewer", "more"),
    less_is_better("processor_text", "CPU time", "less", "more"),
];

impl HeadlineMetric {
    /// Comparison in words, for example `first text 12x sooner`. `None` if a value is unknown or infinite.
    pub(super) fn comparison(&self, foretype: &SystemMetrics, peer: &SystemMetrics) -> Option<String> {
        let (ours, theirs) = (foretype.value(self.metric)?, peer.value(self.metric)?);
        if ours == 0.0 && theirs > 0.0 && self.more_is_better {
            return Some(format!("no {}", self.label));
        }
        let gain = if self.more_is_better { ours / theirs } else { theirs / ours };
        let (factor, word) = if gain >= 1.0 { (gain, self.better) } else { (1.0 / gain, self.worse) };
        if !factor.is_finite() || factor <= 0.0 {
            return None;
        }
        Some(format!("{} {} {word}", self.label, format_factor(factor)))
    }
}

/// Formats a factor, for example `12x` or `1.5x`.
pub(super) fn format_factor(factor: f64) -> String {
    let digits = usize::from(factor < 10.0) + usize::from(factor < 1.0);
    format!("{factor:.digits$}x")
}

#[cfg(test)]
mod tests {
    use super::super::replay::KeyRecord;
    use super::*;

    fn key(first_text_ms: f64) -> KeyRecord {
        KeyRecord { first_text_ms: Some(first_text_ms), full_line_ms: Some(first_text_ms), ..KeyRecord::default() }
    }

    fn run(system: &str, first_text_ms: f64) -> ReplayRun {
        let (system, trace, keys) = (system.to_owned(), "t".to_owned(), vec![key(first_text_ms)]);
        ReplayRun { system, trace, keys, target_characters: 1, ..ReplayRun::default() }
    }

    fn in_environments(environments: &[BenchmarkEnvironment]) -> KeystrokeReport {
        let environments = environments.to_vec();
        KeystrokeReport::new(Measurements { runs: vec![run("Foretype", 20.0)], environments })
    }

    fn report(runs: Vec<ReplayRun>) -> KeystrokeReport {
        KeystrokeReport::new(Measurements { runs, ..Measurements::default() })
    }

    #[test]
    fn headlines_are_ratios() {
        let found = report(vec![run("llama-server infill", 500.0), run("Foretype", 20.0)]);
        assert_eq!(found.systems[0].system, "Foretype");
        let expected = "Foretype against llama-server infill: first text 25x sooner";
        assert_eq!(found.headlines(), [expected]);
        // One of two keys gets text at once, compared with all keys.
        let half = ReplayRun { keys: vec![key(500.0), key(9.0)], ..run("peer", 1.0) };
        let found = report(vec![half, run("Foretype", 9.0)]);
        assert_eq!(
            found.headlines(),
            ["Foretype against peer: first text 1.0x sooner, keys with text within 100 ms 2.0x more"]
        );
    }

    #[test]
    fn a_report_is_read_back_as_another_repetition() {
        let folder = tempfile::tempdir().expect("a writable folder");
        let path = folder.path().join("report.json");
        let environment = BenchmarkEnvironment { threads: 2, ..BenchmarkEnvironment::default() };
        let found = in_environments(std::slice::from_ref(&environment));
        std::fs::write(&path, found.to_json().to_string()).expect("writable");
        let again = load_reports(&[path.clone(), path.clone()]).expect("reports");
        assert_eq!(again.runs.iter().map(|run| run.repeat).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((&again.runs[0], &again.environments), (&found.measurements.runs[0], &vec![environment]));
        // Reports of early versions.
        let mut old = found.to_json();
        old.as_object_mut().expect("an object").remove("settings");
        std::fs::write(&path, old.to_string()).expect("writable");
        assert_eq!(load_reports(&[path]).expect("a report").environments, []);
    }

    #[test]
    fn runs_from_several_environments_are_marked() {
        let base = BenchmarkEnvironment { model: "a.gguf".into(), ..BenchmarkEnvironment::default() };
        let text = in_environments(&[2, 4].map(|threads| BenchmarkEnvironment { threads, ..base.clone() })).to_text();
        assert!(text.contains("measured on a.gguf, 4 threads"), "{text}");
        assert!(text.contains("although they differ in: threads"), "{text}");
    }

    #[test]
    fn ratios_have_their_range_over_the_repetitions() {
        let of = |repeat, system, first| ReplayRun { repeat, ..run(system, first) };
        let peer = "llama-server infill";
        let runs = vec![of(0, "Foretype", 20.0), of(0, peer, 500.0), of(1, "Foretype", 30.0), of(1, peer, 500.0)];
        let text = report(runs).to_text();
        assert!(text.contains("ratio 0.050 [0.040 to 0.060]"), "{text}");
    }

    #[test]
    fn unknown_metrics_have_no_row() {
        let report = report(vec![run("Foretype", 20.0)]);
        assert!(!report.to_text().contains("draft"));
        assert!(report.to_markdown().contains("| key to first text, p50 | 20.0 ms |"));
    }
}
