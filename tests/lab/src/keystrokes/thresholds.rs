//! What is demanded of Foretype against llama-server, and whether it holds.

use super::contenders::{ANSWERING_SYSTEM, PLUGIN_SYSTEM_PREFIX};
use super::metrics::{METRICS, MetricUnit};
use super::report::SystemMetrics;

/// How llama-server is used as shipped.
pub(super) const AS_SHIPPED_SYSTEM: &str = "llama-server infill";
const LLAMA_SYSTEM_PREFIX: &str = "llama-server ";

/// One demand.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(super) struct Threshold {
    /// In words.
    pub(super) demand: String,
    /// Foretype's figure and the one it is measured by.
    pub(super) ours: String,
    pub(super) theirs: String,
    /// Ours divided by theirs, where both are finite.
    pub(super) ratio: Option<f64>,
    /// The least and the largest of it over the repetitions, where there are several.
    pub(super) range: Option<[f64; 2]>,
    /// `None` where it cannot be told.
    pub(super) passed: Option<bool>,
}

/// Whom Foretype is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Baseline {
    AsShipped,
    /// The variant that is best in this figure.
    Best,
    /// A number.
    Fixed(u32),
}

/// Milliseconds that nobody sees: a screen shows less than one picture in it, and the way to a server alone takes as long.
const IMPERCEPTIBLE_MS: f64 = 1.0;

/// Figure, in words, whom by, and the largest ratio; for [`By::Fixed`] the largest value is the number itself.
const THRESHOLDS: &[(&str, &str, Baseline, f64)] = &[
    ("prompt", "prompt tokens a key at most 1/20 of as shipped", Baseline::AsShipped, 1.0 / 20.0),
    ("prompt", "prompt tokens a key no more than the best variant", Baseline::Best, 1.0),
    ("prompt_text", "prompt tokens for the same text at most 1/20 of as shipped", Baseline::AsShipped, 1.0 / 20.0),
    ("prompt_text", "prompt tokens for the same text no more than the best variant", Baseline::Best, 1.0),
    ("first_p50", "key to first text, p50, at most 1/10 of as shipped", Baseline::AsShipped, 0.1),
    ("first_p50", "key to first text, p50, at most 1/2 of the best variant", Baseline::Best, 0.5),
    ("first_p95", "key to first text, p95, at most 1/4 of as shipped", Baseline::AsShipped, 0.25),
    ("wait_p50", "key to the next text at all, p50, at most 1/10 of as shipped", Baseline::AsShipped, 0.1),
    ("wait_p50", "key to the next text at all, p50, at most 1/2 of the best variant", Baseline::Best, 0.5),
    ("wait_p95", "key to the next text at all, p95, at most 1/4 of as shipped", Baseline::AsShipped, 0.25),
    ("processor", "processor time a key at most 1/5 of as shipped", Baseline::AsShipped, 0.2),
    ("processor", "processor time a key at most 1/5 of the best variant", Baseline::Best, 0.2),
    ("processor_text", "processor time for the same text at most 1/5 of as shipped", Baseline::AsShipped, 0.2),
    ("processor_text", "processor time for the same text at most 1/5 of the best variant", Baseline::Best, 0.2),
    ("completed", "characters from suggestions no fewer than any variant", Baseline::Best, 1.0),
    ("stale", "no stale suggestions", Baseline::Fixed(0), 0.0),
    ("followed_p50", "a key into the shown text answered within 1 ms", Baseline::Fixed(1), 1.0),
];

/// All demands, as far as the systems in question were measured.
pub(super) fn check_thresholds(rows: &[SystemMetrics]) -> Vec<Threshold> {
    let Some(ours) = rows.iter().find(|row| row.system == "Foretype") else { return Vec::new() };
    let llama: Vec<_> = rows.iter().filter(|row| row.system.starts_with(LLAMA_SYSTEM_PREFIX)).collect();
    let bars = THRESHOLDS.iter().filter_map(|(name, demand, by, limit)| check_threshold(ours, &llama, name, demand, *by, *limit));
    bars.chain(rows.iter().filter_map(|row| check_burdened(ours, row))).collect()
}

/// Adds how far the ratios lie apart; `repeats` has the bars of each repetition alone.
pub(super) fn add_ranges(bars: &mut [Threshold], repeats: &[Vec<Threshold>]) {
    for bar in bars {
        let same = repeats.iter().flatten().filter(|other| other.demand == bar.demand);
        bar.range = same.filter_map(|other| other.ratio).fold(None, |range, ratio| {
            let [least, most] = range.unwrap_or([ratio; 2]);
            Some([ratio.min(least), ratio.max(most)])
        });
    }
}

/// What a plugin may add to the time from the key to the first text, at the most: a tenth, whatever it does.
const MAX_PLUGIN_RATIO: f64 = 1.1;
/// What an answer that is written meanwhile may make of that time.
const MAX_ANSWERING_RATIO: f64 = 2.0;

/// The demand on Foretype with a plugin or beside an answer, measured by Foretype without.
fn check_burdened(without: &SystemMetrics, row: &SystemMetrics) -> Option<Threshold> {
    let (what, most) = match row.system.strip_prefix(PLUGIN_SYSTEM_PREFIX) {
        Some(name) => (format!("with the plugin {name}"), MAX_PLUGIN_RATIO),
        None if row.system == ANSWERING_SYSTEM => ("beside an answer".to_owned(), MAX_ANSWERING_RATIO),
        None => return None,
    };
    let (with, without) = (row.value("first_p95"), without.value("first_p95"));
    let both = with.zip(without).filter(|(_, without)| without.is_finite());
    Some(Threshold {
        demand: format!("key to first text, p95, {what} at most {most:.1} of without"),
        ours: MetricUnit::Milliseconds.format(with),
        theirs: MetricUnit::Milliseconds.format(without),
        ratio: both.map(|(with, without)| with / without).filter(|ratio| ratio.is_finite()),
        range: None,
        passed: both.map(|(with, without)| with <= IMPERCEPTIBLE_MS || with <= without * most),
    })
}

fn check_threshold(ours: &SystemMetrics, llama: &[&SystemMetrics], name: &str, demand: &str, by: Baseline, limit: f64) -> Option<Threshold> {
    // Of characters from suggestions the most are best, of all else the least.
    let more_is_better = name == "completed";
    let values = llama.iter().filter_map(|row| row.value(name));
    let theirs = match by {
        Baseline::AsShipped => llama.iter().find(|row| row.system == AS_SHIPPED_SYSTEM)?.value(name),
        Baseline::Best if more_is_better => values.reduce(f64::max),
        Baseline::Best => values.reduce(f64::min),
        Baseline::Fixed(number) => Some(number.into()),
    };
    let own = ours.value(name);
    let unit = METRICS.iter().find(|figure| figure.name == name).map_or(MetricUnit::Count, |figure| figure.unit);
    let passed = own.zip(theirs).and_then(|(own, theirs)| match by {
        Baseline::Fixed(_) => Some(own <= theirs),
        _ if unit == MetricUnit::Milliseconds && own <= IMPERCEPTIBLE_MS => Some(true),
        _ if own.is_infinite() && theirs.is_infinite() => None,
        _ if more_is_better => Some(own >= theirs * limit),
        _ => Some(own <= theirs * limit),
    });
    let ratio = own.zip(theirs).map(|(own, theirs)| own / theirs).filter(|ratio| ratio.is_finite());
    Some(Threshold {
        demand: demand.to_owned(),
        ours: unit.format(own),
        theirs: unit.format(theirs),
        ratio,
        range: None,
        passed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(system: &str, figure: &str, value: f64) -> SystemMetrics {
        let values = METRICS.iter().map(|other| (other.name == figure).then_some(value));
        SystemMetrics { system: system.to_owned(), values: values.collect() }
    }

    fn passed(figure: &str, ours: f64, shipped: f64, other: f64) -> Vec<Option<bool>> {
        let rows = [
            row("Foretype", figure, ours),
            row(AS_SHIPPED_SYSTEM, figure, shipped),
            row("llama-server middle", figure, other),
        ];
        check_thresholds(&rows).into_iter().filter(|bar| bar.ours != "-").map(|bar| bar.passed).collect()
    }

    #[test]
    fn demands_are_on_ratios() {
        assert_eq!(passed("prompt", 2.0, 250.0, 3.0), [Some(true), Some(true)]);
        assert_eq!(passed("prompt", 2.0, 30.0, 1.0), [Some(false), Some(false)]);
        assert_eq!(passed("completed", 40.0, 30.0, 40.0), [Some(true)]);
        assert_eq!(passed("completed", 40.0, 30.0, 41.0), [Some(false)]);
        assert_eq!(passed("stale", 0.0, 5.0, 5.0), [Some(true)]);
        assert_eq!(passed("wait_p50", 0.6, 1.0, 0.1), [Some(true), Some(true)], "both are there at once");
        assert_eq!(passed("wait_p50", 1.6, 1.0, 0.1), [Some(false), Some(false)]);
    }

    #[test]
    fn a_plugin_may_add_a_tenth() {
        let passed = |with, without| {
            let rows = [row("Foretype", "first_p95", without), row("Foretype with p", "first_p95", with)];
            check_thresholds(&rows).into_iter().find(|bar| bar.demand.contains("the plugin p")).and_then(|bar| bar.passed)
        };
        assert_eq!(
            [passed(109.0, 100.0), passed(112.0, 100.0), passed(0.9, 0.1)],
            [Some(true), Some(false), Some(true)]
        );
        assert_eq!((passed(f64::INFINITY, 100.0), passed(90.0, f64::INFINITY)), (Some(false), None));
    }

    #[test]
    fn an_answer_may_double_it() {
        let passed = |beside| {
            let rows = [row("Foretype", "first_p95", 100.0), row(ANSWERING_SYSTEM, "first_p95", beside)];
            check_thresholds(&rows).into_iter().find(|bar| bar.demand.contains("beside an answer")).and_then(|bar| bar.passed)
        };
        assert_eq!([passed(199.0), passed(201.0)], [Some(true), Some(false)]);
    }

    #[test]
    fn never_is_worse_than_any_time_and_not_comparable_with_itself() {
        assert_eq!(passed("first_p95", 90.0, f64::INFINITY, 1.0), [Some(true)]);
        assert_eq!(passed("first_p95", f64::INFINITY, f64::INFINITY, 1.0), [None]);
        assert_eq!(passed("first_p95", f64::INFINITY, 90.0, 1.0), [Some(false)]);
    }
}
