//! Metrics over items (exact match, edit similarity and others), with bootstrap confidence intervals. Each metric is
//! one row of [`METRICS`].

use foretype_model::evaluate::bootstrap::{self, ConfidenceInterval};

use super::items::EvaluationItem;

/// Value for a list of items. `None` if it was not measured.
type MetricFn = fn(&[&EvaluationItem]) -> Option<f64>;

/// A figure that is reported for a list of items.
pub(crate) struct Metric {
    /// Name in JSON.
    pub(crate) name: &'static str,
    /// Label in tables.
    pub(crate) label: &'static str,
    /// Unit of the value.
    pub(crate) unit: MetricUnit,
    /// True if larger values are better.
    pub(crate) more_is_better: bool,
    compute: MetricFn,
}

/// Unit of a metric, which decides how values are formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricUnit {
    /// Percent, with one digit after the point.
    Percent,
    /// Bits, with three digits after the point.
    Bits,
    /// Whole milliseconds.
    Milliseconds,
}

/// A value with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Estimate {
    /// Value for all items.
    pub(crate) value: f64,
    /// Confidence interval. `None` if there are too few items.
    pub(crate) interval: Option<ConfidenceInterval>,
}

const fn percent_metric(name: &'static str, label: &'static str, compute: MetricFn) -> Metric {
    Metric { name, label, unit: MetricUnit::Percent, more_is_better: true, compute }
}

const fn time_metric(name: &'static str, label: &'static str, compute: MetricFn) -> Metric {
    Metric { name, label, unit: MetricUnit::Milliseconds, more_is_better: false, compute }
}

/// All metrics, in the order of tables.
pub(crate) static METRICS: &[Metric] = &[
    percent_metric("passed", "tests passed (pass@1)", |items| mean(items, |item| as_share(item.scores.passed?))),
    percent_metric("exact", "exact match", |items| mean(items, |item| as_share(item.scores.exact))),
    percent_metric("edit", "edit similarity", |items| mean(items, |item| Some(item.scores.edit))),
    percent_metric("identifiers", "identifier F1", |items| mean(items, |item| Some(item.scores.identifiers))),
    percent_metric("chrf", "chrF", |items| mean(items, |item| Some(item.scores.chrf))),
    percent_metric("bleu", "BLEU-4, smoothed", |items| mean(items, |item| item.scores.bleu)),
    percent_metric("well_formed", "docstrings well-formed", |items| {
        mean(items, |item| as_share(item.scores.form?.well_formed))
    }),
    percent_metric("parameters", "parameters right", |items| {
        mean(items, |item| as_share(item.scores.form?.parameters?))
    }),
    percent_metric("unchanged", "code unchanged", |items| mean(items, |item| as_share(item.scores.form?.unchanged))),
    percent_metric("shown", "holes with a suggestion", |items| {
        mean(items, |item| as_share(!item.answer.trim().is_empty()))
    }),
    percent_metric("parses", "suggestions that parse", |items| mean(items, |item| as_share(item.scores.parses?))),
    percent_metric("completed", "characters from suggestions", |items| {
        ratio(items, 100.0, |item| item.scores.typing.map(|typing| (typing.suggested as f64, typing.characters as f64)))
    }),
    Metric {
        name: "bits_per_byte",
        label: "bits per byte",
        unit: MetricUnit::Bits,
        more_is_better: false,
        compute: |items| ratio(items, 1.0, |item| item.scores.cost.map(|cost| (cost.bits, cost.bytes as f64))),
    },
    time_metric("p50", "time to the answer, p50", |items| percentile(items, 0.50)),
    time_metric("p95", "time to the answer, p95", |items| percentile(items, 0.95)),
];

/// 1 for true, 0 for false.
fn as_share(condition: bool) -> Option<f64> {
    Some(f64::from(u8::from(condition)))
}

/// Mean in percent over the items that have the value.
fn mean(items: &[&EvaluationItem], score: fn(&EvaluationItem) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = items.iter().filter_map(|item| score(item)).collect();
    if values.is_empty() {
        return None;
    }
    Some(values.iter().sum::<f64>() / values.len() as f64 * 100.0)
}

/// Ratio of two sums over the items, so that long items weigh more.
fn ratio(items: &[&EvaluationItem], scale: f64, terms: fn(&EvaluationItem) -> Option<(f64, f64)>) -> Option<f64> {
    let (mut numerator, mut denominator) = (0.0, 0.0);
    for (above, below) in items.iter().filter_map(|item| terms(item)) {
        numerator += above;
        denominator += below;
    }
    if denominator > 0.0 { Some(numerator / denominator * scale) } else { None }
}

/// Nearest-rank percentile of the times.
fn percentile(items: &[&EvaluationItem], share: f64) -> Option<f64> {
    let mut times: Vec<f64> = items.iter().map(|item| item.scores.milliseconds).collect();
    times.sort_by(f64::total_cmp);
    let rank = (times.len() as f64 * share).ceil() as usize;
    times.get(rank.max(1) - 1).copied()
}

impl Metric {
    /// Metric with this name.
    pub(crate) fn by_name(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// Value for some items with its confidence interval.
    pub(crate) fn estimate(&self, items: &[&EvaluationItem], seed: u64) -> Option<Estimate> {
        let value = (self.compute)(items)?;
        let interval = bootstrap::confidence_interval(items, seed, |sample| self.value_of_sample(sample));
        Some(Estimate { value, interval })
    }

    /// Value for `second` minus the value for `first`. The lists are paired: items at the same index are the same item.
    pub(crate) fn difference(
        &self,
        first: &[&EvaluationItem],
        second: &[&EvaluationItem],
        seed: u64,
    ) -> Option<Estimate> {
        let value = (self.compute)(second)? - (self.compute)(first)?;
        let interval = bootstrap::paired_difference(first, second, seed, |sample| self.value_of_sample(sample));
        Some(Estimate { value, interval })
    }

    fn value_of_sample(&self, items: &[&&EvaluationItem]) -> Option<f64> {
        (self.compute)(&items.iter().map(|item| **item).collect::<Vec<_>>())
    }

    /// Formats an estimate with its interval.
    pub(crate) fn format(&self, estimate: Option<Estimate>) -> String {
        let Some(Estimate { value, interval }) = estimate else { return "-".to_owned() };
        let number = |value| self.unit.format_number(value);
        let interval = interval.map(|it| format!(" [{}, {}]", number(it.low), number(it.high)));
        self.unit.format(value) + &interval.unwrap_or_default()
    }

    /// Formats a difference with its sign, in points if the metric is in percent.
    pub(crate) fn format_difference(&self, difference: Option<Estimate>) -> String {
        let Some(Estimate { value, interval }) = difference else { return "-".to_owned() };
        let number = |value: f64| {
            let number = self.unit.format_number(value);
            if number.starts_with('-') { number } else { format!("+{number}") }
        };
        let interval = interval.map(|it| format!(" [{}, {}]", number(it.low), number(it.high)));
        number(value) + &interval.unwrap_or_default()
    }
}

impl MetricUnit {
    /// Formats a number without its unit.
    fn format_number(self, value: f64) -> String {
        let digits = match self {
            Self::Percent => 1,
            Self::Bits => 3,
            Self::Milliseconds => 0,
        };
        // Values that round to zero have no sign.
        let number = format!("{value:.digits$}");
        let is_zero = !number.contains(|c: char| c.is_ascii_digit() && c != '0');
        if is_zero { number.replace('-', "") } else { number }
    }

    /// Formats a number with its unit.
    fn format(self, value: f64) -> String {
        let number = self.format_number(value);
        match self {
            Self::Percent => format!("{number} %"),
            Self::Bits => number,
            Self::Milliseconds => format!("{number} ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::items::{EncodingCost, ItemScores};
    use super::super::typing::TypingEffort;
    use super::*;

    fn item(exact: bool, milliseconds: f64) -> EvaluationItem {
        EvaluationItem {
            scores: ItemScores { exact, milliseconds, ..ItemScores::default() },
            ..EvaluationItem::default()
        }
    }

    fn value(name: &str, items: &[EvaluationItem]) -> Option<f64> {
        let items: Vec<_> = items.iter().collect();
        Metric::by_name(name).expect("a metric").estimate(&items, 1).map(|figure| figure.value)
    }

    #[test]
    fn means_are_over_the_items_that_have_the_score() {
        let mut items: Vec<EvaluationItem> = [true, false, false, true].map(|exact| item(exact, 1.0)).into();
        assert_eq!(value("exact", &items), Some(50.0));
        assert_eq!((value("passed", &items), value("exact", &[])), (None, None));
        items[0].scores.parses = Some(true);
        items[1].scores.parses = Some(false);
        assert_eq!(value("parses", &items), Some(50.0));
    }

    #[test]
    fn long_items_weigh_more_in_a_ratio() {
        let mut items = [item(true, 1.0), item(true, 1.0)];
        items[0].scores.cost = Some(EncodingCost { bits: 30.0, bytes: 10 });
        items[1].scores.cost = Some(EncodingCost { bits: 10.0, bytes: 30 });
        assert_eq!(value("bits_per_byte", &items), Some(1.0));
        items[0].scores.typing = Some(TypingEffort { characters: 30, suggested: 30, keys: 1 });
        items[1].scores.typing = Some(TypingEffort { characters: 10, suggested: 0, keys: 10 });
        assert_eq!(value("completed", &items), Some(75.0));
    }

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let items: Vec<EvaluationItem> = (1..=20).map(|ms| item(true, f64::from(ms))).collect();
        assert_eq!((value("p50", &items), value("p95", &items)), (Some(10.0), Some(19.0)));
    }

    #[test]
    fn estimates_are_formatted_with_unit_and_interval() {
        let figure = |value, low, high| Some(Estimate { value, interval: Some(ConfidenceInterval { low, high }) });
        let exact = Metric::by_name("exact").expect("a metric");
        assert_eq!(exact.format(figure(41.04, 31.0, 50.0)), "41.0 % [31.0, 50.0]");
        assert_eq!(exact.format_difference(figure(3.0, -1.25, 7.0)), "+3.0 [-1.2, +7.0]");
        assert_eq!(exact.format_difference(figure(-0.01, -0.04, 0.0)), "+0.0 [+0.0, +0.0]");
        assert_eq!(exact.format(None), "-");
    }
}
