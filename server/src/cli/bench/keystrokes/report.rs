//! The report: a table of figures, ratios against each peer, and the bars.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::bars::{self, Bar};
use super::figures::{FIGURES, first_texts, medians};
use super::replay::Run;

/// The figures of one system.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) system: String,
    /// In the order of [`FIGURES`].
    pub(super) values: Vec<Option<f64>>,
}

impl Row {
    /// A figure by its name.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        let at = FIGURES.iter().position(|figure| figure.name == name)?;
        *self.values.get(at)?
    }
}

/// Everything that is known in the end.
pub(super) struct Report {
    runs: Vec<Run>,
    pub(super) rows: Vec<Row>,
    pub(super) bars: Vec<Bar>,
}

/// The runs of earlier reports; repetitions are numbered on.
pub(super) fn earlier(files: &[PathBuf]) -> Result<Vec<Run>> {
    let mut all: Vec<Run> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let report: Value = serde_json::from_str(&text).with_context(|| format!("{} is no report", file.display()))?;
        let runs: Vec<Run> = serde_json::from_value(report["runs"].clone())
            .with_context(|| format!("{} holds no runs", file.display()))?;
        for mut run in runs {
            let same = |other: &&Run| other.system == run.system && other.trace == run.trace;
            run.repeat = all.iter().filter(same).count();
            all.push(run);
        }
    }
    Ok(all)
}

impl Report {
    pub(super) fn new(runs: Vec<Run>) -> Self {
        let mut systems: Vec<String> = Vec::new();
        for run in &runs {
            if !systems.contains(&run.system) {
                systems.push(run.system.clone());
            }
        }
        // Foretype first, then by name, whoever happened to begin.
        systems.sort_by_key(|name| (name != "Foretype", name.clone()));
        let row = |system: String| {
            let own: Vec<_> = runs.iter().filter(|run| run.system == system).collect();
            Row { values: medians(&own), system }
        };
        let rows: Vec<_> = systems.into_iter().map(row).collect();
        Self { bars: bars::bars(&rows), rows, runs }
    }

    /// All times of key to first text of a system.
    pub(super) fn first_texts(&self, system: &str) -> Vec<f64> {
        first_texts(&self.runs.iter().filter(|run| run.system == system).collect::<Vec<_>>())
    }

    /// Ratios against each peer, in one sentence each.
    pub(super) fn headlines(&self) -> Vec<String> {
        let Some((ours, peers)) = self.rows.split_first().filter(|(row, _)| row.system == "Foretype") else {
            return Vec::new();
        };
        peers.iter().map(|peer| headline(ours, peer)).collect()
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
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
        let bars = self.bars.iter().map(|bar| format!("{} {}\n", verdict(bar), in_words(bar)));
        let headlines = self.headlines().into_iter().map(|line| line + "\n");
        [headlines.collect(), "\n".to_owned(), table.iter().map(line).collect(), "\n".to_owned(), bars.collect()]
            .concat()
    }

    /// For a page.
    pub(super) fn markdown(&self) -> String {
        let table = self.table();
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
        let rule = format!("| --- |{}\n", " ---: |".repeat(self.rows.len()));
        let body: String = table[1..].iter().map(line).collect();
        let headlines: String = self.headlines().iter().map(|headline| format!("* {headline}\n")).collect();
        let bars: String = self.bars.iter().map(|bar| format!("* **{}** {}\n", verdict(bar), in_words(bar))).collect();
        [headlines.as_str(), "\n", &line(&table[0]), &rule, &body, "\n", &bars].concat()
    }

    /// The head and a row for each figure that is known of any system.
    fn table(&self) -> Vec<Vec<String>> {
        let name = |row: &Row| row.system.replace("llama-server ", "ls ");
        let mut table = vec![[String::new()].into_iter().chain(self.rows.iter().map(name)).collect::<Vec<_>>()];
        for (at, figure) in FIGURES.iter().enumerate() {
            if self.rows.iter().any(|row| row.values[at].is_some()) {
                let values = self.rows.iter().map(|row| figure.unit.write(row.values[at]));
                table.push([figure.label.to_owned()].into_iter().chain(values).collect());
            }
        }
        table
    }

    /// Everything, each key of each run included.
    pub(super) fn json(&self) -> Value {
        let system = |row: &Row| {
            let values = FIGURES.iter().zip(&row.values).map(|(figure, value)| {
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
            "systems": self.rows.iter().map(system).collect::<Vec<_>>(),
            "bars": self.bars,
            "runs": self.runs,
        })
    }
}

fn verdict(bar: &Bar) -> &'static str {
    match bar.passed {
        Some(true) => "pass",
        Some(false) => "FAIL",
        None => "open",
    }
}

fn in_words(bar: &Bar) -> String {
    let ratio = bar.ratio.map_or_else(String::new, |ratio| format!(", ratio {ratio:.3}"));
    format!("{} ({} against {}{ratio})", bar.demand, bar.ours, bar.theirs)
}

/// What Foretype is, measured by a peer.
fn headline(ours: &Row, peer: &Row) -> String {
    let parts = COMPARED.iter().filter_map(|compared| compared.words(ours, peer));
    format!("Foretype against {}: {}", peer.system, parts.collect::<Vec<_>>().join(", "))
}

/// A figure that headlines speak of, and what it is called where ours is the better one, and where it is the worse.
pub(super) struct Compared {
    figure: &'static str,
    what: &'static str,
    better: &'static str,
    worse: &'static str,
    /// Whether more of it is better.
    gain: bool,
}

const fn compared(figure: &'static str, what: &'static str, better: &'static str, worse: &'static str) -> Compared {
    Compared { figure, what, better, worse, gain: false }
}

/// The same for what is better the more there is of it.
const fn gained(figure: &'static str, what: &'static str) -> Compared {
    Compared { figure, what, better: "more", worse: "fewer", gain: true }
}

/// Of a figure that is `never` nothing is said, nor of the wait for the next text: where a peer is overtaken at most keys, that says only how long the
/// trace goes on.
pub(super) const COMPARED: &[Compared] = &[
    compared("first_p50", "first text", "sooner", "later"),
    gained("within_100", "keys with text within 100 ms"),
    gained("completed", "characters from suggestions"),
    compared("prompt_text", "prompt tokens", "fewer", "more"),
    compared("processor_text", "processor time", "less", "more"),
];

impl Compared {
    /// As `first text 12x sooner`.
    pub(super) fn words(&self, ours: &Row, peer: &Row) -> Option<String> {
        let (own, theirs) = (ours.value(self.figure)?, peer.value(self.figure)?);
        if own == 0.0 && theirs > 0.0 && self.gain {
            return Some(format!("no {}", self.what));
        }
        let ratio = if self.gain { own / theirs } else { theirs / own };
        let (ratio, how) = if ratio >= 1.0 { (ratio, self.better) } else { (1.0 / ratio, self.worse) };
        (ratio.is_finite() && ratio > 0.0).then(|| format!("{} {} {how}", self.what, times(ratio)))
    }
}

/// A factor as people write it.
pub(super) fn times(ratio: f64) -> String {
    let digits = usize::from(ratio < 10.0) + usize::from(ratio < 1.0);
    format!("{ratio:.digits$}x")
}

#[cfg(test)]
mod tests {
    use super::super::replay::Key;
    use super::*;

    fn run(system: &str, first: f64) -> Run {
        let key = Key { first: Some(first), full: Some(first), ..Key::default() };
        Run { system: system.to_owned(), trace: "t".to_owned(), keys: vec![key], wanted: 1, ..Run::default() }
    }

    #[test]
    fn headlines_are_ratios() {
        let report = Report::new(vec![run("llama-server infill", 500.0), run("Foretype", 20.0)]);
        assert_eq!(report.rows[0].system, "Foretype");
        let expected = "Foretype against llama-server infill: first text 25x sooner";
        assert_eq!(report.headlines(), [expected]);
        // One of two keys with text at once, beside both.
        let half = Run {
            keys: vec![Key { first: Some(500.0), ..Key::default() }, Key { first: Some(9.0), ..Key::default() }],
            ..run("peer", 1.0)
        };
        let report = Report::new(vec![half, run("Foretype", 9.0)]);
        assert_eq!(
            report.headlines(),
            ["Foretype against peer: first text 1.0x sooner, keys with text within 100 ms 2.0x more"]
        );
    }

    #[test]
    fn what_is_written_as_json_is_read_again_as_another_repetition() {
        let folder = tempfile::tempdir().expect("a writable folder");
        let path = folder.path().join("report.json");
        let report = Report::new(vec![run("Foretype", 20.0)]);
        std::fs::write(&path, report.json().to_string()).expect("writable");
        let runs = earlier(&[path.clone(), path]).expect("reports");
        assert_eq!(runs.iter().map(|run| run.repeat).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(runs[0], report.runs[0]);
    }

    #[test]
    fn unknown_figures_take_no_room() {
        let report = Report::new(vec![run("Foretype", 20.0)]);
        assert!(!report.text().contains("draft") && report.markdown().contains("| key to first text, p50 | 20.0 ms |"));
    }
}
