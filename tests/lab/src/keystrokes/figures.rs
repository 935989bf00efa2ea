//! From what happened after each key to the figures that are reported. Each figure is one row of [`FIGURES`].
//!
//! A key to which the answer was that there is nothing to suggest has been answered, but has no text: it is left out of the
//! times, and its share is a figure of its own. A key that was overtaken before any text came never got text: it counts as
//! infinitely late, and a percentile that falls on it is `never`.

use super::super::median;
use super::replay::{Key, Run};

/// Something that is reported of each system.
pub(super) struct Figure {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// What a reader sees.
    pub(super) label: &'static str,
    pub(super) unit: Unit,
    /// The figure of the runs of one repetition. Infinite stands for never, `None` for unknown.
    of: fn(&[&Run]) -> Option<f64>,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Percent,
    Count,
    Seconds,
    Megabytes,
}

const fn figure(name: &'static str, label: &'static str, unit: Unit, of: fn(&[&Run]) -> Option<f64>) -> Figure {
    Figure { name, label, unit, of }
}

/// All figures, in the order of the table.
pub(super) static FIGURES: &[Figure] = &[
    figure("first_p50", "key to first text, p50", Unit::Milliseconds, |runs| percentile(times(runs, FIRST), 0.50)),
    figure("first_p95", "key to first text, p95", Unit::Milliseconds, |runs| percentile(times(runs, FIRST), 0.95)),
    figure("first_p99", "key to first text, p99", Unit::Milliseconds, |runs| percentile(times(runs, FIRST), 0.99)),
    figure("full_p50", "key to full line, p50", Unit::Milliseconds, |runs| percentile(times(runs, FULL), 0.50)),
    figure("full_p95", "key to full line, p95", Unit::Milliseconds, |runs| percentile(times(runs, FULL), 0.95)),
    figure("full_p99", "key to full line, p99", Unit::Milliseconds, |runs| percentile(times(runs, FULL), 0.99)),
    figure("wait_p50", "key to the next text at all, p50", Unit::Milliseconds, |runs| percentile(waits(runs), 0.50)),
    figure("wait_p95", "key to the next text at all, p95", Unit::Milliseconds, |runs| percentile(waits(runs), 0.95)),
    figure("new_p50", "first text of keys off the shown text, p50", Unit::Milliseconds, |runs| {
        percentile(times(runs, OFF_TEXT), 0.50)
    }),
    figure("followed_p50", "first text of keys into the shown text, p50", Unit::Milliseconds, |runs| {
        percentile(times(runs, ON_TEXT), 0.50)
    }),
    figure("followed_p95", "first text of keys into the shown text, p95", Unit::Milliseconds, |runs| {
        percentile(times(runs, ON_TEXT), 0.95)
    }),
    figure("within_100", "keys with text within 100 ms", Unit::Percent, |runs| within(runs, 100.0)),
    figure("within_200", "keys with text within 200 ms", Unit::Percent, |runs| within(runs, 200.0)),
    figure("overtaken", "keys overtaken before any text", Unit::Percent, |runs| {
        share(runs, |key| key.first.is_none() && key.nothing.is_none())
    }),
    figure("nothing", "keys answered with nothing", Unit::Percent, |runs| share(runs, is_nothing)),
    figure("prompt", "prompt tokens evaluated a key", Unit::Count, |runs| per_key(runs, |run| run.prompt)),
    figure("prompt_text", "prompt tokens for 100 characters", Unit::Count, |runs| per_text(runs, |run| run.prompt)),
    figure("written", "tokens written a key", Unit::Count, |runs| per_key(runs, |run| run.written)),
    figure("drafted", "draft tokens a key", Unit::Count, |runs| per_key(runs, |run| run.drafted)),
    figure("confirmed", "of these right", Unit::Percent, |runs| {
        let drafted = sum(runs, |run| run.drafted).filter(|count| *count > 0.0)?;
        Some(sum(runs, |run| run.confirmed)? / drafted * 100.0)
    }),
    figure("processor", "processor time for 100 keys", Unit::Seconds, |runs| {
        per_key(runs, |run| run.processor).map(|seconds| seconds * 100.0)
    }),
    figure("processor_text", "processor time for 100 characters", Unit::Seconds, |runs| {
        per_text(runs, |run| run.processor)
    }),
    figure("elsewhere", "processor time of others", Unit::Percent, |runs| {
        Some(sum(runs, |run| run.elsewhere)? / runs.len() as f64 * 100.0)
    }),
    figure("peak", "peak memory", Unit::Megabytes, |runs| {
        runs.iter().map(|run| run.peak).reduce(|one, other| Some(one?.max(other?)))?
    }),
    figure("stale", "stale suggestions", Unit::Count, |runs| sum(runs, |run| Some(run.stale as f64))),
    figure("completed", "characters from suggestions", Unit::Percent, |runs| {
        let taken: usize = keys(runs).map(|key| key.taken).sum();
        let wanted = sum(runs, |run| Some(run.wanted as f64)).filter(|count| *count > 0.0)?;
        Some(taken as f64 / wanted * 100.0)
    }),
    figure("keys", "keys pressed", Unit::Count, |runs| Some(keys(runs).count() as f64)),
];

/// Which time of which keys; the outer `None` leaves a key out.
type Pick = fn(&Key) -> Option<Option<f64>>;
const FIRST: Pick = |key| (!is_nothing(key)).then_some(key.first);
const FULL: Pick = |key| (!is_nothing(key)).then_some(key.full);
const OFF_TEXT: Pick = |key| (!is_nothing(key) && !key.followed).then_some(key.first);
const ON_TEXT: Pick = |key| (!is_nothing(key) && key.followed).then_some(key.first);

fn is_nothing(key: &Key) -> bool {
    key.first.is_none() && key.nothing.is_some()
}

fn keys<'a>(runs: &'a [&Run]) -> impl Iterator<Item = &'a Key> {
    runs.iter().flat_map(|run| &run.keys)
}

fn times(runs: &[&Run], pick: Pick) -> Vec<f64> {
    keys(runs).filter_map(pick).map(|time| time.unwrap_or(f64::INFINITY)).collect()
}

/// The times of key to first text, for the picture: of all keys, as [`within`] counts them, so one that is answered with nothing never has text.
pub(super) fn first_texts(runs: &[&Run]) -> Vec<f64> {
    times(runs, |key| Some(key.first))
}

/// From each key to the next text for it or for a later key of the run.
fn waits(runs: &[&Run]) -> Vec<f64> {
    let mut waits = Vec::new();
    for run in runs {
        let mut next = f64::INFINITY;
        for key in run.keys.iter().rev() {
            next = key.first.map_or(next, |first| key.at + first);
            if !is_nothing(key) {
                waits.push(next - key.at);
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

fn share(runs: &[&Run], is: fn(&Key) -> bool) -> Option<f64> {
    let all = keys(runs).count();
    (all > 0).then(|| keys(runs).filter(|key| is(key)).count() as f64 / all as f64 * 100.0)
}

fn within(runs: &[&Run], limit: f64) -> Option<f64> {
    let all = keys(runs).count();
    let timely = keys(runs).filter(|key| key.first.is_some_and(|first| first <= limit)).count();
    (all > 0).then(|| timely as f64 / all as f64 * 100.0)
}

fn sum(runs: &[&Run], of: fn(&Run) -> Option<f64>) -> Option<f64> {
    runs.iter().map(|run| of(run)).sum()
}

fn per_key(runs: &[&Run], of: fn(&Run) -> Option<f64>) -> Option<f64> {
    let all = keys(runs).count();
    Some(sum(runs, of)? / all as f64).filter(|_| all > 0)
}

/// For 100 characters of what was to be written: the same for all systems, however many keys that took.
fn per_text(runs: &[&Run], of: fn(&Run) -> Option<f64>) -> Option<f64> {
    let wanted = sum(runs, |run| Some(run.wanted as f64)).filter(|count| *count > 0.0)?;
    Some(sum(runs, of)? / wanted * 100.0)
}

/// The figures of one system: medians over the repetitions, in the order of [`FIGURES`].
pub(super) fn medians(runs: &[&Run]) -> Vec<Option<f64>> {
    let mut repeats: Vec<_> = runs.iter().map(|run| run.repeat).collect();
    repeats.sort_unstable();
    repeats.dedup();
    let of = |figure: &Figure| {
        let of_repeat = |repeat: &usize| {
            let runs: Vec<_> = runs.iter().filter(|run| run.repeat == *repeat).copied().collect();
            (figure.of)(&runs)
        };
        median(repeats.iter().filter_map(of_repeat).collect())
    };
    FIGURES.iter().map(of).collect()
}

impl Unit {
    /// A value as people read it.
    pub(super) fn write(self, value: Option<f64>) -> String {
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
        let key = |first, nothing| Key { first, nothing, ..Key::default() };
        let run = Run {
            keys: vec![key(Some(5.0), None), key(None, None), key(None, Some(1.0)), key(Some(7.0), None)],
            ..Run::default()
        };
        assert_eq!(times(&[&run], FIRST), [5.0, f64::INFINITY, 7.0]);
        assert_eq!(percentile(times(&[&run], FIRST), 0.5), Some(7.0));
        assert_eq!(within(&[&run], 6.0), Some(25.0));
    }

    #[test]
    fn waiting_goes_on_over_overtaken_keys() {
        let key = |at, first| Key { at, first, ..Key::default() };
        let run = Run { keys: vec![key(0.0, None), key(100.0, None), key(200.0, Some(50.0))], ..Run::default() };
        assert_eq!(waits(&[&run]), [50.0, 150.0, 250.0]);
    }

    #[test]
    fn medians_are_over_repetitions() {
        let run = |repeat, first| Run {
            repeat,
            keys: vec![Key { first, ..Key::default() }],
            prompt: Some(3.0),
            ..Run::default()
        };
        let runs = [run(0, Some(1.0)), run(1, Some(9.0)), run(2, None)];
        let figures = medians(&runs.iter().collect::<Vec<_>>());
        let at = |name| figures[FIGURES.iter().position(|figure| figure.name == name).expect("a figure")];
        assert_eq!((at("first_p50"), at("prompt"), at("processor")), (Some(9.0), Some(3.0), None));
    }

    #[test]
    fn values_are_written_for_people() {
        for (unit, value, expected) in [
            (Unit::Milliseconds, Some(0.5), "0.50 ms"),
            (Unit::Milliseconds, Some(f64::INFINITY), "never"),
            (Unit::Count, Some(253.0), "253"),
            (Unit::Percent, Some(12.34), "12.3 %"),
            (Unit::Seconds, None, "-"),
        ] {
            assert_eq!(unit.write(value), expected);
        }
    }
}
