//! Metrics over the keys of a system's runs. Each metric is one row of [`METRICS`].
//!
//! A key that was answered with "nothing to suggest" has been answered, but has no text. It is left out of the times,
//! and the share of such keys is a metric of its own. A key that was superseded before any text arrived counts as
//! infinitely late; a percentile that falls on it is formatted as `never`.

use super::replay::{KeyRecord, ReplayRun};
use crate::statistics::median;

/// Value for the runs of one repetition. Infinity stands for never, `None` for unknown.
type MetricFn = fn(&[&ReplayRun]) -> Option<f64>;

/// A figure that is reported for each system.
pub(super) struct KeystrokeMetric {
    /// Name in JSON.
    pub(super) name: &'static str,
    /// Label in tables.
    pub(super) label: &'static str,
    /// Unit of the value.
    pub(super) unit: MetricUnit,
    compute: MetricFn,
}

/// Unit of a metric, which decides how values are formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricUnit {
    Milliseconds,
    Percent,
    Count,
    Seconds,
    Megabytes,
}

const fn metric(name: &'static str, label: &'static str, unit: MetricUnit, compute: MetricFn) -> KeystrokeMetric {
    KeystrokeMetric { name, label, unit, compute }
}

const fn time(name: &'static str, label: &'static str, compute: MetricFn) -> KeystrokeMetric {
    metric(name, label, MetricUnit::Milliseconds, compute)
}

const fn share(name: &'static str, label: &'static str, compute: MetricFn) -> KeystrokeMetric {
    metric(name, label, MetricUnit::Percent, compute)
}

const fn count(name: &'static str, label: &'static str, compute: MetricFn) -> KeystrokeMetric {
    metric(name, label, MetricUnit::Count, compute)
}

const fn seconds(name: &'static str, label: &'static str, compute: MetricFn) -> KeystrokeMetric {
    metric(name, label, MetricUnit::Seconds, compute)
}

/// All metrics, in the order of the table.
pub(super) static METRICS: &[KeystrokeMetric] = &[
    time("first_p50", "key to first text, p50", |runs| percentile(times(runs, first_text_time), 0.50)),
    time("first_p95", "key to first text, p95", |runs| percentile(times(runs, first_text_time), 0.95)),
    time("first_p99", "key to first text, p99", |runs| percentile(times(runs, first_text_time), 0.99)),
    time("full_p50", "key to full line, p50", |runs| percentile(times(runs, full_line_time), 0.50)),
    time("full_p95", "key to full line, p95", |runs| percentile(times(runs, full_line_time), 0.95)),
    time("full_p99", "key to full line, p99", |runs| percentile(times(runs, full_line_time), 0.99)),
    time("wait_p50", "key to next text, p50", |runs| percentile(wait_times(runs), 0.50)),
    time("wait_p95", "key to next text, p95", |runs| percentile(wait_times(runs), 0.95)),
    time("new_p50", "first text after a key off the suggestion, p50", |runs| {
        percentile(times(runs, time_off_suggestion), 0.50)
    }),
    time("followed_p50", "first text after a key along the suggestion, p50", |runs| {
        percentile(times(runs, time_along_suggestion), 0.50)
    }),
    time("followed_p95", "first text after a key along the suggestion, p95", |runs| {
        percentile(times(runs, time_along_suggestion), 0.95)
    }),
    share("within_100", "keys with text within 100 ms", |runs| share_within(runs, 100.0)),
    share("within_200", "keys with text within 200 ms", |runs| share_within(runs, 200.0)),
    share("overtaken", "keys superseded before any text", |runs| {
        share_of_keys(runs, |key| key.first_text_ms.is_none() && key.no_suggestion_ms.is_none())
    }),
    share("nothing", "keys answered with nothing", |runs| share_of_keys(runs, is_answered_with_nothing)),
    count("prompt", "prompt tokens evaluated per key", |runs| per_key(runs, |run| run.prompt_tokens)),
    count("prompt_text", "prompt tokens per 100 characters", |runs| per_100_characters(runs, |run| run.prompt_tokens)),
    count("written", "tokens generated per key", |runs| per_key(runs, |run| run.generated_tokens)),
    count("drafted", "draft tokens per key", |runs| per_key(runs, |run| run.draft_tokens)),
    share("confirmed", "draft tokens accepted", |runs| {
        let draft_tokens = sum(runs, |run| run.draft_tokens)?;
        let accepted_tokens = sum(runs, |run| run.accepted_tokens)?;
        if draft_tokens > 0.0 { Some(accepted_tokens / draft_tokens * 100.0) } else { None }
    }),
    seconds("processor", "CPU time per 100 keys", |runs| {
        per_key(runs, |run| run.cpu_seconds).map(|seconds| seconds * 100.0)
    }),
    seconds("processor_text", "CPU time per 100 characters", |runs| per_100_characters(runs, |run| run.cpu_seconds)),
    share("elsewhere", "CPU time of other processes", |runs| {
        Some(sum(runs, |run| run.other_cpu_share)? / runs.len() as f64 * 100.0)
    }),
    metric("peak", "peak memory", MetricUnit::Megabytes, |runs| {
        runs.iter().map(|run| run.peak_megabytes).reduce(|one, other| Some(one?.max(other?)))?
    }),
    count("stale", "stale suggestions", |runs| sum(runs, |run| Some(run.stale as f64))),
    share("completed", "characters from suggestions", |runs| {
        let accepted: usize = keys(runs).map(|key| key.accepted_characters).sum();
        Some(accepted as f64 / target_characters(runs)? * 100.0)
    }),
    count("keys", "keys pressed", |runs| Some(keys(runs).count() as f64)),
];

/// Metrics of one system.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SystemMetrics {
    pub(super) system: String,
    /// Values in the order of [`METRICS`].
    pub(super) values: Vec<Option<f64>>,
}

impl SystemMetrics {
    /// Value of the metric with this name.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        let index = METRICS.iter().position(|metric| metric.name == name)?;
        *self.values.get(index)?
    }
}

/// Metrics of each system over some runs: Foretype first, then the other systems by name.
pub(super) fn metrics_by_system<'a>(runs: impl Iterator<Item = &'a ReplayRun> + Clone) -> Vec<SystemMetrics> {
    let mut systems: Vec<&String> = runs.clone().map(|run| &run.system).collect();
    systems.sort_by_key(|name| (*name != "Foretype", *name));
    systems.dedup();
    let metrics_of = |system: &String| {
        let own: Vec<_> = runs.clone().filter(|run| run.system == *system).collect();
        SystemMetrics { values: medians(&own), system: system.clone() }
    };
    systems.into_iter().map(metrics_of).collect()
}

/// Values of one system in the order of [`METRICS`]: medians over the repetitions.
fn medians(runs: &[&ReplayRun]) -> Vec<Option<f64>> {
    let mut repetitions: Vec<_> = runs.iter().map(|run| run.repeat).collect();
    repetitions.sort_unstable();
    repetitions.dedup();
    let median_of = |metric: &KeystrokeMetric| {
        let value_of = |repeat: &usize| {
            let runs: Vec<_> = runs.iter().filter(|run| run.repeat == *repeat).copied().collect();
            (metric.compute)(&runs)
        };
        median(repetitions.iter().filter_map(value_of).collect())
    };
    METRICS.iter().map(median_of).collect()
}

/// Time of a key. The outer `None` leaves the key out, the inner one counts it as infinitely late.
type KeyTime = fn(&KeyRecord) -> Option<Option<f64>>;

fn first_text_time(key: &KeyRecord) -> Option<Option<f64>> {
    if is_answered_with_nothing(key) { None } else { Some(key.first_text_ms) }
}

fn full_line_time(key: &KeyRecord) -> Option<Option<f64>> {
    if is_answered_with_nothing(key) { None } else { Some(key.full_line_ms) }
}

fn time_off_suggestion(key: &KeyRecord) -> Option<Option<f64>> {
    if key.follows_suggestion { None } else { first_text_time(key) }
}

fn time_along_suggestion(key: &KeyRecord) -> Option<Option<f64>> {
    if key.follows_suggestion { first_text_time(key) } else { None }
}

fn is_answered_with_nothing(key: &KeyRecord) -> bool {
    key.first_text_ms.is_none() && key.no_suggestion_ms.is_some()
}

fn keys<'a>(runs: &'a [&ReplayRun]) -> impl Iterator<Item = &'a KeyRecord> {
    runs.iter().flat_map(|run| &run.keys)
}

fn times(runs: &[&ReplayRun], time: KeyTime) -> Vec<f64> {
    keys(runs).filter_map(time).map(|time| time.unwrap_or(f64::INFINITY)).collect()
}

/// Times from key to first text for the chart. All keys count, as in [`share_within`]: a key that is answered with
/// nothing never gets text.
pub(super) fn first_text_times(runs: &[&ReplayRun]) -> Vec<f64> {
    times(runs, |key| Some(key.first_text_ms))
}

/// Times from each key to the next text for it or for a later key of the run.
fn wait_times(runs: &[&ReplayRun]) -> Vec<f64> {
    let mut wait_times = Vec::new();
    for run in runs {
        let mut next_text_at = f64::INFINITY;
        for key in run.keys.iter().rev() {
            if let Some(first_text_ms) = key.first_text_ms {
                next_text_at = key.at_ms + first_text_ms;
            }
            if !is_answered_with_nothing(key) {
                wait_times.push(next_text_at - key.at_ms);
            }
        }
    }
    wait_times
}

/// Nearest-rank percentile. `None` without values.
fn percentile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

fn share_of_keys(runs: &[&ReplayRun], condition: fn(&KeyRecord) -> bool) -> Option<f64> {
    percent(keys(runs).filter(|key| condition(key)).count(), keys(runs).count())
}

fn share_within(runs: &[&ReplayRun], limit_ms: f64) -> Option<f64> {
    let in_time = |key: &&KeyRecord| key.first_text_ms.is_some_and(|first| first <= limit_ms);
    percent(keys(runs).filter(in_time).count(), keys(runs).count())
}

fn percent(count: usize, all: usize) -> Option<f64> {
    if all == 0 { None } else { Some(count as f64 / all as f64 * 100.0) }
}

/// Sum over the runs. `None` if it is unknown for one of them.
fn sum(runs: &[&ReplayRun], value: fn(&ReplayRun) -> Option<f64>) -> Option<f64> {
    runs.iter().map(|run| value(run)).sum()
}

fn per_key(runs: &[&ReplayRun], value: fn(&ReplayRun) -> Option<f64>) -> Option<f64> {
    let key_count = keys(runs).count();
    if key_count == 0 { None } else { Some(sum(runs, value)? / key_count as f64) }
}

/// Value per 100 characters of the target text, which is the same for all systems, however many keys it took.
fn per_100_characters(runs: &[&ReplayRun], value: fn(&ReplayRun) -> Option<f64>) -> Option<f64> {
    Some(sum(runs, value)? / target_characters(runs)? * 100.0)
}

/// Characters that the typist writes in all runs. `None` if there are none.
fn target_characters(runs: &[&ReplayRun]) -> Option<f64> {
    let count: usize = runs.iter().map(|run| run.target_characters).sum();
    if count == 0 { None } else { Some(count as f64) }
}

impl MetricUnit {
    /// Formats a value with its unit.
    pub(super) fn format(self, value: Option<f64>) -> String {
        let Some(value) = value else { return "-".to_owned() };
        let digits = if value.abs() < 10.0 { 2 } else { usize::from(value.abs() < 100.0) };
        match self {
            _ if value.is_infinite() => "never".to_owned(),
            Self::Milliseconds => format!("{value:.digits$} ms"),
            Self::Percent => format!("{value:.1} %"),
            Self::Count if value.fract() == 0.0 => format!("{value:.0}"),
            Self::Count => format!("{value:.digits$}"),
            Self::Seconds => format!("{value:.digits$} s"),
            Self::Megabytes => format!("{value:.0} MB"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let values = || (1..=20).map(f64::from).collect::<Vec<_>>();
        for (share, expected) in [(0.5, 10.0), (0.95, 19.0), (0.99, 20.0), (0.0, 1.0)] {
            assert_eq!(percentile(values(), share), Some(expected), "{share}");
        }
        assert_eq!(percentile(Vec::new(), 0.5), None);
    }

    #[test]
    fn a_key_without_text_is_infinitely_late_and_one_without_suggestion_is_left_out() {
        let key =
            |first, nothing| KeyRecord { first_text_ms: first, no_suggestion_ms: nothing, ..KeyRecord::default() };
        let run = ReplayRun {
            keys: vec![key(Some(5.0), None), key(None, None), key(None, Some(1.0)), key(Some(7.0), None)],
            ..ReplayRun::default()
        };
        assert_eq!(times(&[&run], first_text_time), [5.0, f64::INFINITY, 7.0]);
        assert_eq!(percentile(times(&[&run], first_text_time), 0.5), Some(7.0));
        assert_eq!(share_within(&[&run], 6.0), Some(25.0));
    }

    #[test]
    fn wait_times_extend_over_superseded_keys() {
        let key = |at, first| KeyRecord { at_ms: at, first_text_ms: first, ..KeyRecord::default() };
        let keys = vec![key(0.0, None), key(100.0, None), key(200.0, Some(50.0))];
        let run = ReplayRun { keys, ..ReplayRun::default() };
        assert_eq!(wait_times(&[&run]), [50.0, 150.0, 250.0]);
    }

    #[test]
    fn medians_are_over_repetitions() {
        let run = |repeat, first_text_ms| ReplayRun {
            repeat,
            keys: vec![KeyRecord { first_text_ms, ..KeyRecord::default() }],
            prompt_tokens: Some(3.0),
            ..ReplayRun::default()
        };
        let runs = [run(0, Some(1.0)), run(1, Some(9.0)), run(2, None)];
        let metrics = metrics_by_system(runs.iter()).remove(0);
        let value = |name| metrics.value(name);
        assert_eq!((value("first_p50"), value("prompt"), value("processor")), (Some(9.0), Some(3.0), None));
    }

    #[test]
    fn values_are_formatted_with_their_unit() {
        for (unit, value, expected) in [
            (MetricUnit::Milliseconds, Some(0.5), "0.50 ms"),
            (MetricUnit::Milliseconds, Some(f64::INFINITY), "never"),
            (MetricUnit::Count, Some(253.0), "253"),
            (MetricUnit::Percent, Some(12.34), "12.3 %"),
            (MetricUnit::Seconds, None, "-"),
        ] {
            assert_eq!(unit.format(value), expected);
        }
    }
}
