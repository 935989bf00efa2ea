//! The report: a table of figures, ratios against each peer, and the bars.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::thresholds::{self, Threshold};
use super::metrics::{METRICS, first_text_times, medians};
use super::replay::ReplayRun;
use super::environment::{BenchmarkEnvironment, differing_fields};

/// The figures of one system.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SystemMetrics {
    pub(super) system: String,
    /// In the order of [`FIGURES`].
    pub(super) values: Vec<Option<f64>>,
}

impl SystemMetrics {
    /// A figure by its name.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        let at = METRICS.iter().position(|figure| figure.name == name)?;
        *self.values.get(at)?
    }
}

/// What was run, and on what.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Measurements {
    pub(super) runs: Vec<ReplayRun>,
    /// One for each call of the benchmark, equal ones once.
    pub(super) environments: Vec<BenchmarkEnvironment>,
}

/// Everything that is known in the end.
pub(super) struct KeystrokeReport {
    measurements: Measurements,
    pub(super) systems: Vec<SystemMetrics>,
    pub(super) thresholds: Vec<Threshold>,
}

/// What earlier reports hold; repetitions are numbered on.
pub(super) fn load_reports(files: &[PathBuf]) -> Result<Measurements> {
    let mut all = Measurements::default();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let report: Value = serde_json::from_str(&text).with_context(|| format!("{} is no report", file.display()))?;
        let runs: Vec<ReplayRun> = serde_json::from_value(report["runs"].clone())
            .with_context(|| format!("{} holds no runs", file.display()))?;
        // Reports of before say nothing of it.
        let settings = report.get("settings").cloned().unwrap_or_else(|| json!([]));
        let settings: Vec<BenchmarkEnvironment> = serde_json::from_value(settings)
            .with_context(|| format!("{} does not say what it was measured on", file.display()))?;
        settings.into_iter().for_each(|setting| all.add_environment(setting));
        for mut run in runs {
            let same = |other: &&ReplayRun| other.system == run.system && other.trace == run.trace;
            run.repeat = all.runs.iter().filter(same).count();
            all.runs.push(run);
        }
    }
    Ok(all)
}

impl Measurements {
    pub(super) fn add_environment(&mut self, setting: BenchmarkEnvironment) {
        if !self.environments.contains(&setting) {
            self.environments.push(setting);
        }
    }
}

/// The figures of each system over some runs: Foretype first, then by name, whoever happened to begin.
fn metrics_by_system<'a>(runs: impl Iterator<Item = &'a ReplayRun> + Clone) -> Vec<SystemMetrics> {
    let mut systems: Vec<&String> = runs.clone().map(|run| &run.system).collect();
    systems.sort_by_key(|name| (*name != "Foretype", *name));
    systems.dedup();
    let row = |system: &String| {
        let own: Vec<_> = runs.clone().filter(|run| run.system == *system).collect();
        SystemMetrics { values: medians(&own), system: system.clone() }
    };
    systems.into_iter().map(row).collect()
}

impl KeystrokeReport {
    pub(super) fn new(measured: Measurements) -> Self {
        let rows = metrics_by_system(measured.runs.iter());
        let mut bars = thresholds::check_thresholds(&rows);
        let repeats = measured.runs.iter().map(|run| run.repeat + 1).max().unwrap_or(0);
        if repeats > 1 {
            let of_repeat =
                |repeat| thresholds::check_thresholds(&self::metrics_by_system(measured.runs.iter().filter(move |run| run.repeat == repeat)));
            thresholds::add_ranges(&mut bars, &(0..repeats).map(of_repeat).collect::<Vec<_>>());
        }
        Self { thresholds: bars, systems: rows, measurements: measured }
    }

    /// All times of key to first text of a system.
    pub(super) fn first_texts(&self, system: &str) -> Vec<f64> {
        first_text_times(&self.measurements.runs.iter().filter(|run| run.system == system).collect::<Vec<_>>())
    }

    /// Ratios against each peer, in one sentence each.
    pub(super) fn headlines(&self) -> Vec<String> {
        let Some((ours, peers)) = self.systems.split_first().filter(|(row, _)| row.system == "Foretype") else {
            return Vec::new();
        };
        peers.iter().map(|peer| headline(ours, peer)).collect()
    }

    /// For a terminal.
    pub(super) fn to_text(&self) -> String {
        let table = self.table();
        let widths: Vec<usize> = (0..table[0].len())
            .map(|column| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let bars = self.thresholds.iter().map(|bar| format!("{} {}\n", verdict(bar), describe(bar)));
        let headlines = self.headlines().into_iter().map(|line| line + "\n");
        let settings = self.environment_lines().into_iter().map(|line| line + "\n");
        let gap = || "\n".to_owned();
        [headlines.collect(), gap(), table.iter().map(line).collect(), gap(), bars.collect(), gap(), settings.collect()]
            .concat()
    }

    /// For a page.
    pub(super) fn to_markdown(&self) -> String {
        let table = self.table();
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
        let rule = format!("| --- |{}\n", " ---: |".repeat(self.systems.len()));
        let body: String = table[1..].iter().map(line).collect();
        let headlines: String = self.headlines().iter().map(|headline| format!("* {headline}\n")).collect();
        let bars: String = self.thresholds.iter().map(|bar| format!("* **{}** {}\n", verdict(bar), describe(bar))).collect();
        let settings: String = self.environment_lines().iter().map(|setting| format!("* {setting}\n")).collect();
        [headlines.as_str(), "\n", &line(&table[0]), &rule, &body, "\n", &bars, "\n", &settings].concat()
    }

    /// What it was measured on, in a line for each setting, and what is not the same in all of them.
    fn environment_lines(&self) -> Vec<String> {
        let settings = &self.measurements.environments;
        let mut lines: Vec<_> = settings.iter().map(|setting| format!("measured on {}", setting.summary())).collect();
        let differences = differing_fields(settings);
        if !differences.is_empty() {
            lines.push(format!("these runs are put together although they differ in: {}", differences.join(", ")));
        }
        lines
    }

    /// The head and a row for each figure that is known of any system.
    fn table(&self) -> Vec<Vec<String>> {
        let name = |row: &SystemMetrics| row.system.replace("llama-server ", "ls ");
        let mut table = vec![[String::new()].into_iter().chain(self.systems.iter().map(name)).collect::<Vec<_>>()];
        for (at, figure) in METRICS.iter().enumerate() {
            if self.systems.iter().any(|row| row.values[at].is_some()) {
                let values = self.systems.iter().map(|row| figure.unit.format(row.values[at]));
                table.push([figure.label.to_owned()].into_iter().chain(values).collect());
            }
        }
        table
    }

    /// Everything, each key of each run included.
    pub(super) fn to_json(&self) -> Value {
        let system = |row: &SystemMetrics| {
            let values = METRICS.iter().zip(&row.values).map(|(figure, value)| {
                let value = match value {
                    Some(value) if value.is_infinite() => json!("never"),
                    value => json!(value),
                };
                (figure.name.to_owned(), value)
            });
            json!({ "system": row.system, "figures": values.collect::<serde_json::Map<_, _>>() })
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

fn verdict(bar: &Threshold) -> &'static str {
    match bar.passed {
        Some(true) => "pass",
        Some(false) => "FAIL",
        None => "open",
    }
}

fn describe(bar: &Threshold) -> String {
    let range = bar.range.map_or_else(String::new, |[least, most]| format!(" [{least:.3} to {most:.3}]"));
    let ratio = bar.ratio.map_or_else(String::new, |ratio| format!(", ratio {ratio:.3}{range}"));
    format!("{} ({} against {}{ratio})", bar.demand, bar.ours, bar.theirs)
}

/// What Foretype is, measured by a peer.
fn headline(ours: &SystemMetrics, peer: &SystemMetrics) -> String {
    let parts = HEADLINE_METRICS.iter().filter_map(|compared| compared.comparison(ours, peer));
    format!("Foretype against {}: {}", peer.system, parts.collect::<Vec<_>>().join(", "))
}

/// A figure that headlines speak of, and what it is called where ours is the better one, and where it is the worse.
pub(super) struct HeadlineMetric {
    metric: &'static str,
    label: &'static str,
    better: &'static str,
    worse: &'static str,
    /// Whether more of it is better.
    more_is_better: bool,
}

const fn less_is_better(figure: &'static str, what: &'static str, better: &'static str, worse: &'static str) -> HeadlineMetric {
    HeadlineMetric { metric: figure, label: what, better, worse, more_is_better: false }
}

/// The same for what is better the more there is of it.
const fn more_is_better(figure: &'static str, what: &'static str) -> HeadlineMetric {
    HeadlineMetric { metric: figure, label: what, better: "more", worse: "fewer", more_is_better: true }
}

/// Of a figure that is `never` nothing is said, nor of the wait for the next text: where a peer is overtaken at most keys, that says only how long the
/// trace goes on.
pub(super) const HEADLINE_METRICS: &[HeadlineMetric] = &[
    less_is_better("first_p50", "first text", "sooner", "later"),
    more_is_better("within_100", "keys with text within 100 ms"),
    more_is_better("completed", "characters from suggestions"),
    less_is_better("prompt_text", "prompt tokens", "fewer", "more"),
    less_is_better("processor_text", "processor time", "less", "more"),
];

impl HeadlineMetric {
    /// As `first text 12x sooner`.
    pub(super) fn comparison(&self, ours: &SystemMetrics, peer: &SystemMetrics) -> Option<String> {
        let (own, theirs) = (ours.value(self.metric)?, peer.value(self.metric)?);
        if own == 0.0 && theirs > 0.0 && self.more_is_better {
            return Some(format!("no {}", self.label));
        }
        let ratio = if self.more_is_better { own / theirs } else { theirs / own };
        let (ratio, how) = if ratio >= 1.0 { (ratio, self.better) } else { (1.0 / ratio, self.worse) };
        (ratio.is_finite() && ratio > 0.0).then(|| format!("{} {} {how}", self.label, format_factor(ratio)))
    }
}

/// A factor as people write it.
pub(super) fn format_factor(ratio: f64) -> String {
    let digits = usize::from(ratio < 10.0) + usize::from(ratio < 1.0);
    format!("{ratio:.digits$}x")
}

#[cfg(test)]
mod tests {
    use super::super::replay::KeyRecord;
    use super::*;

    fn run(system: &str, first: f64) -> ReplayRun {
        let key = KeyRecord { first_text_ms: Some(first), full_line_ms: Some(first), ..KeyRecord::default() };
        ReplayRun { system: system.to_owned(), trace: "t".to_owned(), keys: vec![key], target_characters: 1, ..ReplayRun::default() }
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
        // One of two keys with text at once, beside both.
        let half = ReplayRun {
            keys: vec![KeyRecord { first_text_ms: Some(500.0), ..KeyRecord::default() }, KeyRecord { first_text_ms: Some(9.0), ..KeyRecord::default() }],
            ..run("peer", 1.0)
        };
        let found = report(vec![half, run("Foretype", 9.0)]);
        assert_eq!(
            found.headlines(),
            ["Foretype against peer: first text 1.0x sooner, keys with text within 100 ms 2.0x more"]
        );
    }

    #[test]
    fn what_is_written_as_json_is_read_again_as_another_repetition() {
        let folder = tempfile::tempdir().expect("a writable folder");
        let path = folder.path().join("report.json");
        let setting = BenchmarkEnvironment { threads: 2, ..BenchmarkEnvironment::default() };
        let found = KeystrokeReport::new(Measurements { runs: vec![run("Foretype", 20.0)], environments: vec![setting.clone()] });
        std::fs::write(&path, found.to_json().to_string()).expect("writable");
        let again = load_reports(&[path.clone(), path.clone()]).expect("reports");
        assert_eq!(again.runs.iter().map(|run| run.repeat).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((&again.runs[0], &again.environments), (&found.measurements.runs[0], &vec![setting]));
        // As reports were before they told what they were measured on.
        let mut old = found.to_json();
        old.as_object_mut().expect("an object").remove("settings");
        std::fs::write(&path, old.to_string()).expect("writable");
        assert_eq!(load_reports(&[path]).expect("a report").environments, []);
    }

    #[test]
    fn runs_of_several_settings_are_marked() {
        let settings = [2, 4].map(|threads| BenchmarkEnvironment { threads, model: "a.gguf".into(), ..BenchmarkEnvironment::default() });
        let found = KeystrokeReport::new(Measurements { runs: vec![run("Foretype", 20.0)], environments: settings.to_vec() });
        let text = found.to_text();
        assert!(text.contains("measured on a.gguf, 4 threads"), "{text}");
        assert!(text.contains("although they differ in: threads"), "{text}");
    }

    #[test]
    fn ratios_tell_how_far_repetitions_lie_apart() {
        let of = |repeat, system, first| ReplayRun { repeat, ..run(system, first) };
        let peer = "llama-server infill";
        let runs = vec![of(0, "Foretype", 20.0), of(0, peer, 500.0), of(1, "Foretype", 30.0), of(1, peer, 500.0)];
        let text = report(runs).to_text();
        assert!(text.contains("ratio 0.050 [0.040 to 0.060]"), "{text}");
    }

    #[test]
    fn unknown_figures_take_no_room() {
        let report = report(vec![run("Foretype", 20.0)]);
        assert!(!report.to_text().contains("draft") && report.to_markdown().contains("| key to first text, p50 | 20.0 ms |"));
    }
}
