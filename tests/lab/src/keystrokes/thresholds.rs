//! Acceptance thresholds: how much better than llama-server Foretype must be, and whether it is.

use super::contenders::{ANSWERING_SYSTEM, PLUGIN_SYSTEM_PREFIX};
use super::metrics::{METRICS, MetricUnit, SystemMetrics};

/// Name of llama-server with llama.vim's protocol as shipped.
pub(super) const AS_SHIPPED_SYSTEM: &str = "llama-server infill";
/// Beginning of the names of all variants of llama-server.
const LLAMA_SYSTEM_PREFIX: &str = "llama-server ";

/// Times up to this many milliseconds pass every threshold: a display shows less than one frame in it, and the way to a
/// server alone takes as long.
const IMPERCEPTIBLE_MS: f64 = 1.0;
/// Limit for the time from a key to the first text with a plugin, relative to the time without.
const MAX_PLUGIN_RATIO: f64 = 1.1;
/// Limit for the time from a key to the first text under chat load, relative to the time without.
const MAX_ANSWERING_RATIO: f64 = 2.0;

/// A threshold and the result of the comparison.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(super) struct Threshold {
    /// Description of the threshold.
    pub(super) demand: String,
    /// Formatted value of Foretype.
    pub(super) ours: String,
    /// Formatted value of the baseline.
    pub(super) theirs: String,
    /// Foretype's value divided by the baseline's. `None` if one of them is unknown or infinite.
    pub(super) ratio: Option<f64>,
    /// Smallest and largest ratio over the repetitions. `None` if there is only one.
    pub(super) range: Option<[f64; 2]>,
    /// `None` if the values cannot be compared.
    pub(super) passed: Option<bool>,
}

/// Value that Foretype is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Baseline {
    /// llama-server as shipped.
    AsShipped,
    /// The best variant of llama-server in this metric.
    BestVariant,
    /// A fixed value.
    Fixed(u32),
}

/// Definition of a threshold: name of the metric, description, baseline and limit for the ratio to the baseline. The
/// limit does not count for [`Baseline::Fixed`].
type ThresholdRule = (&'static str, &'static str, Baseline, f64);

const THRESHOLDS: &[ThresholdRule] = &[
    ("prompt", "prompt tokens per key at most 1/20 of as shipped", Baseline::AsShipped, 1.0 / 20.0),
    ("prompt", "prompt tokens per key no more than the best variant", Baseline::BestVariant, 1.0),
    ("prompt_text", "prompt tokens for the same text at most 1/20 of as shipped", Baseline::AsShipped, 1.0 / 20.0),
    ("prompt_text", "prompt tokens for the same text no more than the best variant", Baseline::BestVariant, 1.0),
    ("first_p50", "key to first text, p50, at most 1/10 of as shipped", Baseline::AsShipped, 0.1),
    ("first_p50", "key to first text, p50, at most 1/2 of the best variant", Baseline::BestVariant, 0.5),
    ("first_p95", "key to first text, p95, at most 1/4 of as shipped", Baseline::AsShipped, 0.25),
    ("wait_p50", "key to next text, p50, at most 1/10 of as shipped", Baseline::AsShipped, 0.1),
    ("wait_p50", "key to next text, p50, at most 1/2 of the best variant", Baseline::BestVariant, 0.5),
    ("wait_p95", "key to next text, p95, at most 1/4 of as shipped", Baseline::AsShipped, 0.25),
    ("processor", "CPU time per key at most 1/5 of as shipped", Baseline::AsShipped, 0.2),
    ("processor", "CPU time per key at most 1/5 of the best variant", Baseline::BestVariant, 0.2),
    ("processor_text", "CPU time for the same text at most 1/5 of as shipped", Baseline::AsShipped, 0.2),
    ("processor_text", "CPU time for the same text at most 1/5 of the best variant", Baseline::BestVariant, 0.2),
    ("completed", "characters from suggestions no fewer than any variant", Baseline::BestVariant, 1.0),
    ("stale", "no stale suggestions", Baseline::Fixed(0), 0.0),
    ("followed_p50", "key along the suggestion answered within 1 ms", Baseline::Fixed(1), 1.0),
];

/// Checks all thresholds for which the systems were measured.
pub(super) fn check_thresholds(systems: &[SystemMetrics]) -> Vec<Threshold> {
    let Some(foretype) = systems.iter().find(|it| it.system == "Foretype") else { return Vec::new() };
    let llama: Vec<_> = systems.iter().filter(|it| it.system.starts_with(LLAMA_SYSTEM_PREFIX)).collect();
    let mut thresholds: Vec<_> = THRESHOLDS.iter().filter_map(|rule| check_rule(foretype, &llama, rule)).collect();
    thresholds.extend(systems.iter().filter_map(|loaded| check_load(foretype, loaded)));
    thresholds
}

/// Adds the ranges of the ratios. `repetitions` has the thresholds of each repetition alone.
pub(super) fn add_ranges(thresholds: &mut [Threshold], repetitions: &[Vec<Threshold>]) {
    for threshold in thresholds {
        let same = repetitions.iter().flatten().filter(|other| other.demand == threshold.demand);
        for ratio in same.filter_map(|other| other.ratio) {
            let [least, most] = threshold.range.unwrap_or([ratio; 2]);
            threshold.range = Some([ratio.min(least), ratio.max(most)]);
        }
    }
}

/// Compares Foretype with a plugin or under chat load with Foretype alone.
fn check_load(foretype: &SystemMetrics, loaded: &SystemMetrics) -> Option<Threshold> {
    let (condition, limit) = match loaded.system.strip_prefix(PLUGIN_SYSTEM_PREFIX) {
        Some(name) => (format!("with the plugin {name}"), MAX_PLUGIN_RATIO),
        None if loaded.system == ANSWERING_SYSTEM => ("under chat load".to_owned(), MAX_ANSWERING_RATIO),
        None => return None,
    };
    let (with, without) = (loaded.value("first_p95"), foretype.value("first_p95"));
    let both = with.zip(without).filter(|(_, without)| without.is_finite());
    Some(Threshold {
        demand: format!("key to first text, p95, {condition} at most {limit:.1} of without"),
        ours: MetricUnit::Milliseconds.format(with),
        theirs: MetricUnit::Milliseconds.format(without),
        ratio: both.map(|(with, without)| with / without).filter(|ratio| ratio.is_finite()),
        range: None,
        passed: both.map(|(with, without)| with <= IMPERCEPTIBLE_MS || with <= without * limit),
    })
}

/// Compares Foretype with llama-server. `None` if llama-server was not measured as shipped and the rule needs that.
fn check_rule(foretype: &SystemMetrics, llama: &[&SystemMetrics], rule: &ThresholdRule) -> Option<Threshold> {
    let (name, demand, baseline, limit) = *rule;
    // More characters from suggestions are better. Of everything else, less is better.
    let more_is_better = name == "completed";
    let values = llama.iter().filter_map(|it| it.value(name));
    let theirs = match baseline {
        Baseline::AsShipped => llama.iter().find(|it| it.system == AS_SHIPPED_SYSTEM)?.value(name),
        Baseline::BestVariant if more_is_better => values.reduce(f64::max),
        Baseline::BestVariant => values.reduce(f64::min),
        Baseline::Fixed(value) => Some(value.into()),
    };
    let ours = foretype.value(name);
    let unit = METRICS.iter().find(|metric| metric.name == name).map_or(MetricUnit::Count, |metric| metric.unit);
    let passed = ours.zip(theirs).and_then(|(ours, theirs)| match baseline {
        Baseline::Fixed(_) => Some(ours <= theirs),
        _ if unit == MetricUnit::Milliseconds && ours <= IMPERCEPTIBLE_MS => Some(true),
        _ if ours.is_infinite() && theirs.is_infinite() => None,
        _ if more_is_better => Some(ours >= theirs * limit),
        _ => Some(ours <= theirs * limit),
    });
    Some(Threshold {
        demand: demand.to_owned(),
        ours: unit.format(ours),
        theirs: unit.format(theirs),
        ratio: ours.zip(theirs).map(|(ours, theirs)| ours / theirs).filter(|ratio| ratio.is_finite()),
        range: None,
        passed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system of which only one metric is known.
    fn system(name: &str, metric: &str, value: f64) -> SystemMetrics {
        let values = METRICS.iter().map(|other| if other.name == metric { Some(value) } else { None });
        SystemMetrics { system: name.to_owned(), values: values.collect() }
    }

    /// Result of the threshold whose description contains `words`.
    fn passed_for(systems: &[SystemMetrics], words: &str) -> Option<bool> {
        check_thresholds(systems).into_iter().find(|threshold| threshold.demand.contains(words))?.passed
    }

    fn passed(metric: &str, ours: f64, shipped: f64, other: f64) -> Vec<Option<bool>> {
        let systems = [
            system("Foretype", metric, ours),
            system(AS_SHIPPED_SYSTEM, metric, shipped),
            system("llama-server middle", metric, other),
        ];
        check_thresholds(&systems).into_iter().filter(|it| it.ours != "-").map(|it| it.passed).collect()
    }

    #[test]
    fn thresholds_compare_ratios() {
        assert_eq!(passed("prompt", 2.0, 250.0, 3.0), [Some(true), Some(true)]);
        assert_eq!(passed("prompt", 2.0, 30.0, 1.0), [Some(false), Some(false)]);
        assert_eq!(passed("completed", 40.0, 30.0, 40.0), [Some(true)]);
        assert_eq!(passed("completed", 40.0, 30.0, 41.0), [Some(false)]);
        assert_eq!(passed("stale", 0.0, 5.0, 5.0), [Some(true)]);
        assert_eq!(passed("wait_p50", 0.6, 1.0, 0.1), [Some(true), Some(true)], "imperceptible times pass");
        assert_eq!(passed("wait_p50", 1.6, 1.0, 0.1), [Some(false), Some(false)]);
    }

    #[test]
    fn a_plugin_may_add_a_tenth_to_the_time() {
        let passed = |with, without| {
            let systems = [system("Foretype", "first_p95", without), system("Foretype with p", "first_p95", with)];
            passed_for(&systems, "the plugin p")
        };
        assert_eq!(
            [passed(109.0, 100.0), passed(112.0, 100.0), passed(0.9, 0.1)],
            [Some(true), Some(false), Some(true)]
        );
        assert_eq!((passed(f64::INFINITY, 100.0), passed(90.0, f64::INFINITY)), (Some(false), None));
    }

    #[test]
    fn chat_load_may_double_the_time() {
        let passed = |loaded| {
            let systems = [system("Foretype", "first_p95", 100.0), system(ANSWERING_SYSTEM, "first_p95", loaded)];
            passed_for(&systems, "under chat load")
        };
        assert_eq!([passed(199.0), passed(201.0)], [Some(true), Some(false)]);
    }

    #[test]
    fn an_infinite_time_fails_and_two_infinite_times_cannot_be_compared() {
        assert_eq!(passed("first_p95", 90.0, f64::INFINITY, 1.0), [Some(true)]);
        assert_eq!(passed("first_p95", f64::INFINITY, f64::INFINITY, 1.0), [None]);
        assert_eq!(passed("first_p95", f64::INFINITY, 90.0, 1.0), [Some(false)]);
    }
}
