//! Figures of a replay: the typed samples summarized for the author of a plugin.

use foretype_model::evaluate::bootstrap::{self, ConfidenceInterval};
use serde_json::{Value, json};

use crate::evaluate::table::Table;
use crate::evaluate::typing::TypingEffort;

/// Result of typing one sample on one side.
#[derive(Debug, Clone, Default)]
pub(super) struct TypingRun {
    /// Keystrokes and suggestions.
    pub(super) typing: TypingEffort,
    /// Prompt tokens that the model evaluated.
    pub(super) evaluated: usize,
    /// Time of the plugin's functions at each keystroke in milliseconds.
    pub(super) plugin_ms: Vec<f64>,
}

/// Results of one sample on both sides.
#[derive(Debug, Clone)]
pub(super) struct PairedRun {
    /// Name of the sample.
    pub(super) id: String,
    /// Result without the plugin.
    pub(super) without: TypingRun,
    /// Result with the plugin.
    pub(super) with: TypingRun,
}

/// Measurement of a plugin.
pub(in crate::cli::plugin) struct ReplayReport {
    /// Name of the plugin.
    pub(super) name: String,
    /// Notes below the table.
    pub(super) notes: Vec<String>,
    /// Random seed of the confidence intervals.
    pub(super) seed: u64,
    /// Time limit of a call while the user types, in milliseconds.
    pub(super) limit_ms: u64,
    /// Results of all samples.
    pub(super) pairs: Vec<PairedRun>,
}

/// Metric that is compared between both sides.
struct MetricRow {
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    value: fn(&[&TypingRun]) -> Option<f64>,
}

/// Compared metrics. The plugin's own time exists on one side only and is not among them.
const METRIC_ROWS: &[MetricRow] = &[
    MetricRow { name: "completed", label: "characters from suggestions", unit: " %", value: completed_percent },
    MetricRow { name: "evaluated_per_key", label: "prompt tokens evaluated per key", unit: "", value: tokens_per_key },
    MetricRow {
        name: "evaluated_per_100",
        label: "prompt tokens per 100 characters",
        unit: "",
        value: tokens_per_100_characters,
    },
];

/// Reported percentiles of the plugin's time per keystroke.
const TIME_PERCENTILES: [(&str, &str, f64); 2] =
    [("plugin_ms_p50", "plugin time per key, p50", 0.50), ("plugin_ms_p95", "plugin time per key, p95", 0.95)];

fn sum(typed: &[&TypingRun], of: fn(&TypingRun) -> usize) -> f64 {
    typed.iter().map(|typed| of(typed)).sum::<usize>() as f64
}

fn ratio(above: f64, below: f64) -> Option<f64> {
    if below > 0.0 { Some(above / below) } else { None }
}

fn completed_percent(typed: &[&TypingRun]) -> Option<f64> {
    ratio(sum(typed, |it| it.typing.suggested) * 100.0, sum(typed, |it| it.typing.characters))
}

fn tokens_per_key(typed: &[&TypingRun]) -> Option<f64> {
    ratio(sum(typed, |it| it.evaluated), sum(typed, |it| it.typing.keys))
}

fn tokens_per_100_characters(typed: &[&TypingRun]) -> Option<f64> {
    ratio(sum(typed, |it| it.evaluated) * 100.0, sum(typed, |it| it.typing.characters))
}

/// Metric without and with the plugin, and the confidence interval of the difference.
struct MetricComparison {
    without: f64,
    with: f64,
    interval: Option<ConfidenceInterval>,
}

impl MetricRow {
    fn compare(&self, report: &ReplayReport) -> Option<MetricComparison> {
        let (without, with) = report.runs();
        let drawn = |typed: &[&&TypingRun]| (self.value)(&typed.iter().map(|typed| **typed).collect::<Vec<_>>());
        let interval = bootstrap::paired_difference(&without, &with, report.seed, drawn);
        Some(MetricComparison { without: (self.value)(&without)?, with: (self.value)(&with)?, interval })
    }

    fn cells(&self, report: &ReplayReport) -> Option<Vec<String>> {
        let MetricComparison { without, with, interval } = self.compare(report)?;
        let interval = interval.map(|it| format!(" [{:+.2}, {:+.2}]", it.low, it.high)).unwrap_or_default();
        let unit = self.unit;
        let difference = format!("{:+.2}{interval}", with - without);
        Some(vec![self.label.to_owned(), format!("{without:.2}{unit}"), format!("{with:.2}{unit}"), difference])
    }
}

impl ReplayReport {
    fn runs(&self) -> (Vec<&TypingRun>, Vec<&TypingRun>) {
        self.pairs.iter().map(|pair| (&pair.without, &pair.with)).unzip()
    }

    /// Returns the plugin's time at each keystroke in milliseconds, in ascending order.
    fn times(&self) -> Vec<f64> {
        let mut times: Vec<_> = self.pairs.iter().flat_map(|pair| pair.with.plugin_ms.iter().copied()).collect();
        times.sort_by(f64::total_cmp);
        times
    }

    /// Returns the number of keystrokes at which the plugin would have exceeded its limit in an editor.
    fn count_late(&self, times: &[f64]) -> usize {
        times.iter().filter(|ms| **ms > self.limit_ms as f64).count()
    }

    /// Returns the table for a terminal.
    pub(in crate::cli::plugin) fn text(&self) -> String {
        let characters: usize = self.pairs.iter().map(|pair| pair.with.typing.characters).sum();
        let times = self.times();
        let time = |(_, label, share): &(&str, &str, f64)| {
            let value = percentile(&times, *share).map(|ms| format!("{ms:.2} ms"));
            vec![(*label).to_owned(), "-".to_owned(), value.unwrap_or_default(), String::new()]
        };
        let late = format!("{} of {}", self.count_late(&times), times.len());
        let late = vec![format!("keys over {} ms", self.limit_ms), "-".to_owned(), late, String::new()];
        let rows =
            METRIC_ROWS.iter().filter_map(|row| row.cells(self)).chain(TIME_PERCENTILES.iter().map(time)).chain([late]);
        let table = Table {
            title: format!("{}: {characters} characters typed in {} samples", self.name, self.pairs.len()),
            head: ["", "without", "with", "difference [95 %]"].map(String::from).into(),
            rows: rows.collect(),
        };
        let notes: String = self.notes.iter().map(|note| format!("{note}\n")).collect();
        format!("{}\n{notes}", table.text())
    }

    /// Returns the figures as JSON.
    pub(in crate::cli::plugin) fn json(&self) -> Value {
        let figure = |row: &MetricRow| {
            let MetricComparison { without, with, interval } = row.compare(self)?;
            let value = json!({ "without": without, "with": with, "difference": with - without, "interval": interval });
            Some((row.name.to_owned(), value))
        };
        let times = self.times();
        let mut figures: serde_json::Map<_, _> = METRIC_ROWS.iter().filter_map(figure).collect();
        figures.extend(
            TIME_PERCENTILES.iter().map(|(name, _, share)| ((*name).to_owned(), json!(percentile(&times, *share)))),
        );
        figures.extend([("late_keys".to_owned(), json!(self.count_late(&times)))]);
        let way = |typed: &TypingRun| json!({ "typing": typed.typing, "evaluated": typed.evaluated, "plugin_ms": typed.plugin_ms });
        let place =
            |pair: &PairedRun| json!({ "place": pair.id, "without": way(&pair.without), "with": way(&pair.with) });
        let places: Vec<_> = self.pairs.iter().map(place).collect();
        json!({ "plugin": self.name, "figures": figures, "notes": self.notes, "seed": self.seed, "places": places })
    }
}

/// Returns the percentile of sorted values by the nearest-rank method.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(suggested: usize, evaluated: usize, plugin_ms: &[f64]) -> TypingRun {
        let typing = TypingEffort { characters: 10, suggested, keys: 5 };
        TypingRun { typing, evaluated, plugin_ms: plugin_ms.to_vec() }
    }

    fn report(pairs: &[(TypingRun, TypingRun)]) -> ReplayReport {
        let pair = |(without, with): &(TypingRun, TypingRun)| PairedRun {
            id: "a".into(),
            without: without.clone(),
            with: with.clone(),
        };
        let pairs = pairs.iter().map(pair).collect();
        ReplayReport { name: "p".into(), notes: vec!["again".into()], seed: 1, limit_ms: 20, pairs }
    }

    #[test]
    fn differences_are_paired_by_sample() {
        let pair = (typed(4, 10, &[]), typed(6, 25, &[2.0, 0.0, 0.0, 0.0, 0.0]));
        let figures = report(&[pair.clone(), pair]).json()["figures"].clone();
        assert_eq!(figures["completed"]["difference"], 20.0);
        assert_eq!(figures["completed"]["interval"], json!({ "low": 20.0, "high": 20.0 }), "all samples agree");
        assert_eq!(
            (&figures["evaluated_per_key"]["difference"], &figures["evaluated_per_100"]["with"]),
            (&json!(3.0), &json!(250.0))
        );
        assert_eq!((&figures["plugin_ms_p50"], &figures["plugin_ms_p95"]), (&json!(0.0), &json!(2.0)));
    }

    #[test]
    fn late_keystrokes_are_counted() {
        let report = report(&[(typed(4, 10, &[]), typed(5, 10, &[20.1, 0.0, 20.0]))]);
        assert_eq!(report.json()["figures"]["late_keys"], 1);
        assert!(report.text().contains("keys over 20 ms"), "{}", report.text());
    }

    #[test]
    fn the_table_ends_with_the_notes() {
        let text = report(&[(typed(4, 10, &[]), typed(5, 10, &[1.5]))]).text();
        assert!(text.starts_with("p: 10 characters typed in 1 samples\n"), "{text}");
        assert!(text.contains("40.00 %  50.00 %  +10.00 [+10.00, +10.00]") && text.ends_with("\nagain\n"), "{text}");
        assert!(text.contains("1.50 ms") && text.contains("0 of 1"), "{text}");
    }
}
