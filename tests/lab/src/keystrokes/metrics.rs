//! From what happened after each key to the figures that are reported. Each figure is one row of [`FIGURES`].
//!
//! A key to which the answer was that there is nothing to suggest has been answered, but has no text: it is left out of the
//! times, and its share is a figure of its own. A key that was overtaken before any text came never got text: it counts as
//! infinitely late, and a percentile that falls on it is `never`.

use crate::statistics::median;
use super::replay::{KeyRecord, ReplayRun};

/// Something that is reported of each system.
pub(super) struct KeystrokeMetric {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// What a reader sees.
    pub(super) label: &'static str,
    pub(super) unit: MetricUnit,
    /// The figure of the runs of one repetition. Infinite stands for never, `None` for unknown.
    compute: fn(&[&ReplayRun]) -> Option<f64>,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricUnit {
    Milliseconds,
    Percent,
    Count,
    Seconds,
    Megabytes,
}

const fn metric(name: &'static str, label: &'static str, unit: MetricUnit, of: fn(&[&ReplayRun]) -> Option<f64>) -> KeystrokeMetric {
    KeystrokeMetric { name, label, unit, compute: of }
}

/// All figures, in the order of the table.
pub(super) static METRICS: &[KeystrokeMetric] = &[
    metric("first_p50", "key to first text, p50", MetricUnit::Milliseconds, |runs| percentile(times(runs, FIRST_TEXT_TIME), 0.50)),
    metric("first_p95", "key to first text, p95", MetricUnit::Milliseconds, |runs| percentile(times(runs, FIRST_TEXT_TIME), 0.95)),
    metric("first_p99", "key to first text, p99", MetricUnit::Milliseconds, |runs| percentile(times(runs, FIRST_TEXT_TIME), 0.99)),
    metric("full_p50", "key to full line, p50", MetricUnit::Milliseconds, |runs| percentile(times(runs, FULL_LINE_TIME), 0.50)),
    metric("full_p95", "key to full line, p95", MetricUnit::Milliseconds, |runs| percentile(times(runs, FULL_LINE_TIME), 0.95)),
    metric("full_p99", "key to full line, p99", MetricUnit::Milliseconds, |runs| percentile(times(runs, FULL_LINE_TIME), 0.99)),
    metric("wait_p50", "key to the next text at all, p50", MetricUnit::Milliseconds, |runs| percentile(wait_times(runs), 0.50)),
    metric("wait_p95", "key to the next text at all, p95", MetricUnit::Milliseconds, |runs| percentile(wait_times(runs), 0.95)),
    metric("new_p50", "first text of keys off the shown text, p50", MetricUnit::Milliseconds, |runs| {
        percentile(times(runs, TIME_OFF_SUGGESTION), 0.50)
    }),
    metric("followed_p50", "first text of keys into the shown text, p50", MetricUnit::Milliseconds, |runs| {
        percentile(times(runs, TIME_ON_SUGGESTION), 0.50)
    }),
    metric("followed_p95", "first text of keys into the shown text, p95", MetricUnit::Milliseconds, |runs| {
        percentile(times(runs, TIME_ON_SUGGESTION), 0.95)
    }),
    metric("within_100", "keys with text within 100 ms", MetricUnit::Percent, |runs| share_within(runs, 100.0)),
    metric("within_200", "keys with text within 200 ms", MetricUnit::Percent, |runs| share_within(runs, 200.0)),
    metric("overtaken", "keys overtaken before any text", MetricUnit::Percent, |runs| {
        share_of_keys(runs, |key| key.first_text_ms.is_none() && key.no_suggestion_ms.is_none())
    }),
    metric("nothing", "keys answered with nothing", MetricUnit::Percent, |runs| share_of_keys(runs, is_answered_with_nothing)),
    metric("prompt", "prompt tokens evaluated a key", MetricUnit::Count, |runs| per_key(runs, |run| run.prompt_tokens)),
    metric("prompt_text", "prompt tokens for 100 characters", MetricUnit::Count, |runs| per_100_characters(runs, |run| run.prompt_tokens)),
    metric("written", "tokens written a key", MetricUnit::Count, |runs| per_key(runs, |run| run.generated_tokens)),
    metric("drafted", "draft tokens a key", MetricUnit::Count, |runs| per_key(runs, |run| run.draft_tokens)),
    metric("confirmed", "of these right", MetricUnit::Percent, |runs| {
        let drafted = sum(runs, |run| run.draft_tokens).filter(|count| *count > 0.0)?;
        Some(sum(runs, |run| run.accepted_tokens)? / drafted * 100.0)
    }),
    metric("processor", "processor time for 100 keys", MetricUnit::Seconds, |runs| {
        per_key(runs, |run| run.cpu_seconds).map(|seconds| seconds * 100.0)
    }),
    metric("processor_text", "processor time for 100 characters", MetricUnit::Seconds, |runs| {
        per_100_characters(runs, |run| run.cpu_seconds)
    }),
    metric("elsewhere", "processor time of others", MetricUnit::Percent, |runs| {
        Some(sum(runs, |run| run.other_cpu_share)? / runs.len() as f64 * 100.0)
    }),
    metric("peak", "peak memory", MetricUnit::Megabytes, |runs| {
        runs.iter().map(|run| run.peak_megabytes).reduce(|one, other| Some(one?.max(other?)))?
    }),
    metric("stale", "stale suggestions", MetricUnit::Count, |runs| sum(runs, |run| Some(run.stale as f64))),
    metric("completed", "characters from suggestions", MetricUnit::Percent, |runs| {
        let taken: usize = keys(runs).map(|key| key.accepted_characters).sum();
        let wanted = sum(runs, |run| Some(run.target_characters as f64)).filter(|count| *count > 0.0)?;
        Some(taken as f64 / wanted * 100.0)
    }),
    metric("keys", "keys pressed", MetricUnit::Count, |runs| Some(keys(runs).count() as f64)),
];

/// Which time of which keys; the outer `None` leaves a key out.
type KeyTime = fn(&KeyRecord) -> Option<Option<f64>>;
const FIRST_TEXT_TIME: KeyTime = |key| (!is_answered_with_nothing(key)).then_some(key.first_text_ms);
const FULL_LINE_TIME: KeyTime = |key| (!is_answered_with_nothing(key)).then_some(key.full_line_ms);
const TIME_OFF_SUGGESTION: KeyTime = |key| (!is_answered_with_nothing(key) && !key.follows_suggestion).then_some(key.first_text_ms);
const TIME_ON_SUGGESTION: KeyTime = |key| (!is_answered_with_nothing(key) && key.follows_suggestion).then_some(key.first_text_ms);

fn is_answered_with_nothing(key: &KeyRecord) -> bool {
    key.first_text_ms.is_none() && key.no_suggestion_ms.is_some()
}

fn keys<'a>(runs: &'a [&ReplayRun]) -> impl Iterator<Item = &'a KeyRecord> {
    runs.iter().flat_map(|run| &run.keys)
}

fn times(runs: &[&ReplayRun], pick: KeyTime) -> Vec<f64> {
    keys(runs).filter_map(pick).map(|time| time.unwrap_or(f64::INFINITY)).collect()
}

/// The times of key to first text, for the picture: of all keys, as [`within`] counts them, so one that is answered with nothing never has text.
pub(super) fn first_text_times(runs: &[&ReplayRun]) -> Vec<f64> {
    times(runs, |key| Some(key.first_text_ms))
}

/// From each key to the next text for it or for a later key of the run.
fn wait_times(runs: &[&ReplayRun]) -> Vec<f64> {
    let mut waits = Vec::new();
    for run in runs {
        let mut next = f64::INFINITY;
        for key in run.keys.iter().rev() {
            next = key.first_text_ms.map_or(next, |first| key.at_ms + first);
            if !is_answered_with_nothing(key) {
                waits.push(next - key.at_ms);
            }
        }
    }
    waits
}

/// The smallest value that at least this share of all are not above. `None` of none.
fn percentile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

fn share_of_keys(runs: &[&ReplayRun], is: fn(&KeyRecord) -> bool) -> Option<f64> {
    let all = keys(runs).count();
    (all > 0).then(|| keys(runs).filter(|key| is(key)).count() as f64 / all as f64 * 100.0)
}

fn share_within(runs: &[&ReplayRun], limit: f64) -> Option<f64> {
    let all = keys(runs).count();
    let timely = keys(runs).filter(|key| key.first_text_ms.is_some_and(|first| first <= limit)).count();
    (all > 0).then(|| timely as f64 / all as f64 * 100.0)
}

fn sum(runs: &[&ReplayRun], of: fn(&ReplayRun) -> Option<f64>) -> Option<f64> {
    runs.iter().map(|run| of(run)).sum()
}

fn per_key(runs: &[&ReplayRun], of: fn(&ReplayRun) -> Option<f64>) -> Option<f64> {
    let all = keys(runs).count();
    Some(sum(runs, of)? / all as f64).filter(|_| all > 0)
}

/// For 100 characters of what was to be written: the same for all systems, however many keys that took.
fn per_100_characters(runs: &[&ReplayRun], of: fn(&ReplayRun) -> Option<f64>) -> Option<f64> {
    let wanted = sum(runs, |run| Some(run.target_characters as f64)).filter(|count| *count > 0.0)?;
    Some(sum(runs, of)? / wanted * 100.0)
}

/// The figures of one system: medians over the repetitions, in the order of [`FIGURES`].
pub(super) fn medians(runs: &[&ReplayRun]) -> Vec<Option<f64>> {
    let mut repeats: Vec<_> = runs.iter().map(|run| run.repeat).collect();
    repeats.sort_unstable();
    repeats.dedup();
    let of = |figure: &KeystrokeMetric| {
        let of_repeat = |repeat: &usize| {
            let runs: Vec<_> = runs.iter().filter(|run| run.repeat == *repeat).copied().collect();
            (figure.compute)(&runs)
        };
        median(repeats.iter().filter_map(of_repeat).collect())
    };
    METRICS.iter().map(of).collect()
}

impl MetricUnit {
    /// A value as people read it.
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
    fn percentiles_are_of_the_nearest_rank() {
        let values = || (1..=20).map(f64::from).collect::<Vec<_>>();
        for (share, expected) in [(0.5, 10.0), (0.95, 19.0), (0.99, 20.0), (0.0, 1.0)] {
            assert_eq!(percentile(values(), share), Some(expected), "{share}");
        }
        assert_eq!(percentile(Vec::new(), 0.5), None);
    }

    #[test]
    fn a_key_without_text_is_infinitely_late_and_a_key_with_nothing_to_say_is_left_out() {
        let key = |first, nothing| KeyRecord { first_text_ms: first, no_suggestion_ms: nothing, ..KeyRecord::default() };
        let run = ReplayRun {
            keys: vec![key(Some(5.0), None), key(None, None), key(None, Some(1.0)), key(Some(7.0), None)],
            ..ReplayRun::default()
        };
        assert_eq!(times(&[&run], FIRST_TEXT_TIME), [5.0, f64::INFINITY, 7.0]);
        assert_eq!(percentile(times(&[&run], FIRST_TEXT_TIME), 0.5), Some(7.0));
        assert_eq!(share_within(&[&run], 6.0), Some(25.0));
    }

    #[test]
    fn waiting_goes_on_over_overtaken_keys() {
        let key = |at, first| KeyRecord { at_ms: at, first_text_ms: first, ..KeyRecord::default() };
        let run = ReplayRun { keys: vec![key(0.0, None), key(100.0, None), key(200.0, Some(50.0))], ..ReplayRun::default() };
        assert_eq!(wait_times(&[&run]), [50.0, 150.0, 250.0]);
    }

    #[test]
    fn medians_are_over_repetitions() {
        let run = |repeat, first| ReplayRun {
            repeat,
            keys: vec![KeyRecord { first_text_ms, ..KeyRecord::default() }],
            prompt_tokens: Some(3.0),
            ..ReplayRun::default()
        };
        let runs = [run(0, Some(1.0)), run(1, Some(9.0)), run(2, None)];
        let figures = medians(&runs.iter().collect::<Vec<_>>());
        let at = |name| figures[METRICS.iter().position(|figure| figure.name == name).expect("a figure")];
        assert_eq!((at("first_p50"), at("prompt"), at("processor")), (Some(9.0), Some(3.0), None));
    }

    #[test]
    fn values_are_written_for_people() {
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
