//! The report: a table of figures, ratios against each peer, and the bars.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::bars::{self, Bar};
use super::figures::{FIGURES, first_texts, medians};
use super::replay::Run;
use super::setting::{Setting, differences};

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

/// What was run, and on what.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Measured {
    pub(super) runs: Vec<Run>,
    /// One for each call of the benchmark, equal ones once.
    pub(super) settings: Vec<Setting>,
}

/// Everything that is known in the end.
pub(super) struct Report {
    measured: Measured,
    pub(super) rows: Vec<Row>,
    pub(super) bars: Vec<Bar>,
}

/// What earlier reports hold; repetitions are numbered on.
pub(super) fn earlier(files: &[PathBuf]) -> Result<Measured> {
    let mut all = Measured::default();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let report: Value = serde_json::from_str(&text).with_context(|| format!("{} is no report", file.display()))?;
        let runs: Vec<Run> = serde_json::from_value(report["runs"].clone())
            .with_context(|| format!("{} holds no runs", file.display()))?;
        // Reports of before say nothing of it.
        let settings = report.get("settings").cloned().unwrap_or_else(|| json!([]));
        let settings: Vec<Setting> = serde_json::from_value(settings)
            .with_context(|| format!("{} does not say what it was measured on", file.display()))?;
        settings.into_iter().for_each(|setting| all.add_setting(setting));
        for mut run in runs {
            let same = |other: &&Run| other.system == run.system && other.trace == run.trace;
            run.repeat = all.runs.iter().filter(same).count();
            all.runs.push(run);
        }
    }
    Ok(all)
}

impl Measured {
    pub(super) fn add_setting(&mut self, setting: Setting) {
        if !self.settings.contains(&setting) {
            self.settings.push(setting);
        }
    }
}

/// The figures of each system over some runs: Foretype first, then by name, whoever happened to begin.
fn rows<'a>(runs: impl Iterator<Item = &'a Run> + Clone) -> Vec<Row> {
    let mut systems: Vec<&String> = runs.clone().map(|run| &run.system).collect();
    systems.sort_by_key(|name| (*name != "Foretype", *name));
    systems.dedup();
    let row = |system: &String| {
        let own: Vec<_> = runs.clone().filter(|run| run.system == *system).collect();
        Row { values: medians(&own), system: system.clone() }
    };
    systems.into_iter().map(row).collect()
}

impl Report {
    pub(super) fn new(measured: Measured) -> Self {
        let rows = rows(measured.runs.iter());
        let mut bars = bars::bars(&rows);
        let repeats = measured.runs.iter().map(|run| run.repeat + 1).max().unwrap_or(0);
        if repeats > 1 {
            let of_repeat =
                |repeat| bars::bars(&self::rows(measured.runs.iter().filter(move |run| run.repeat == repeat)));
            bars::spread(&mut bars, &(0..repeats).map(of_repeat).collect::<Vec<_>>());
        }
        Self { bars, rows, measured }
    }

    /// All times of key to first text of a system.
    pub(super) fn first_texts(&self, system: &str) -> Vec<f64> {
        first_texts(&self.measured.runs.iter().filter(|run| run.system == system).collect::<Vec<_>>())
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
        let settings = self.settings().into_iter().map(|line| line + "\n");
        let gap = || "\n".to_owned();
        [headlines.collect(), gap(), table.iter().map(line).collect(), gap(), bars.collect(), gap(), settings.collect()]
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
        let settings: String = self.settings().iter().map(|setting| format!("* {setting}\n")).collect();
        [headlines.as_str(), "\n", &line(&table[0]), &rule, &body, "\n", &bars, "\n", &settings].concat()
    }

    /// What it was measured on, in a line for each setting, and what is not the same in all of them.
    fn settings(&self) -> Vec<String> {
        let settings = &self.measured.settings;
        let mut lines: Vec<_> = settings.iter().map(|setting| format!("measured on {}", setting.words())).collect();
        let differences = differences(settings);
        if !differences.is_empty() {
            lines.push(format!("these runs are put together although they differ in: {}", differences.join(", ")));
        }
        lines
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
            "settings": self.measured.settings,
            "runs": self.measured.runs,
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
    let range = bar.range.map_or_else(String::new, |[least, most]| format!(" [{least:.3} to {most:.3}]"));
    let ratio = bar.ratio.map_or_else(String::new, |ratio| format!(", ratio {ratio:.3}{range}"));
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

    fn report(runs: Vec<Run>) -> Report {
        Report::new(Measured { runs, ..Measured::default() })
    }

    #[test]
    fn headlines_are_ratios() {
        let found = report(vec![run("llama-server infill", 500.0), run("Foretype", 20.0)]);
        assert_eq!(found.rows[0].system, "Foretype");
        let expected = "Foretype against llama-server infill: first text 25x sooner";
        assert_eq!(found.headlines(), [expected]);
        // One of two keys with text at once, beside both.
        let half = Run {
            keys: vec![Key { first: Some(500.0), ..Key::default() }, Key { first: Some(9.0), ..Key::default() }],
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
        let setting = Setting { threads: 2, ..Setting::default() };
        let found = Report::new(Measured { runs: vec![run("Foretype", 20.0)], settings: vec![setting.clone()] });
        std::fs::write(&path, found.json().to_string()).expect("writable");
        let again = earlier(&[path.clone(), path.clone()]).expect("reports");
        assert_eq!(again.runs.iter().map(|run| run.repeat).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((&again.runs[0], &again.settings), (&found.measured.runs[0], &vec![setting]));
        // As reports were before they told what they were measured on.
        let mut old = found.json();
        old.as_object_mut().expect("an object").remove("settings");
        std::fs::write(&path, old.to_string()).expect("writable");
        assert_eq!(earlier(&[path]).expect("a report").settings, []);
    }

    #[test]
    fn runs_of_several_settings_are_marked() {
        let settings = [2, 4].map(|threads| Setting { threads, model: "a.gguf".into(), ..Setting::default() });
        let found = Report::new(Measured { runs: vec![run("Foretype", 20.0)], settings: settings.to_vec() });
        let text = found.text();
        assert!(text.contains("measured on a.gguf, 4 threads"), "{text}");
        assert!(text.contains("although they differ in: threads"), "{text}");
    }

    #[test]
    fn ratios_tell_how_far_repetitions_lie_apart() {
        let of = |repeat, system, first| Run { repeat, ..run(system, first) };
        let peer = "llama-server infill";
        let runs = vec![of(0, "Foretype", 20.0), of(0, peer, 500.0), of(1, "Foretype", 30.0), of(1, peer, 500.0)];
        let text = report(runs).text();
        assert!(text.contains("ratio 0.050 [0.040 to 0.060]"), "{text}");
    }

    #[test]
    fn unknown_figures_take_no_room() {
        let report = report(vec![run("Foretype", 20.0)]);
        assert!(!report.text().contains("draft") && report.markdown().contains("| key to first text, p50 | 20.0 ms |"));
    }
}
