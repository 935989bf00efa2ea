//! From items to figures. Each metric is one row of [`METRICS`].

use foretype_model::evaluate::bootstrap::{self, ConfidenceInterval};

use super::items::EvaluationItem;

/// Something that is reported of a list of items.
pub struct Metric {
    /// Its name in JSON.
    pub name: &'static str,
    /// What a reader sees.
    pub label: &'static str,
    pub unit: MetricUnit,
    /// Whether more is better.
    pub more_is_better: bool,
    /// The figure of these items; `None` where it was not measured.
    of: fn(&[&EvaluationItem]) -> Option<f64>,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricUnit {
    Percent,
    Bits,
    Milliseconds,
}

/// A figure and where it lies with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    pub value: f64,
    pub interval: Option<ConfidenceInterval>,
}

const fn percent_metric(name: &'static str, label: &'static str, of: fn(&[&EvaluationItem]) -> Option<f64>) -> Metric {
    Metric { name, label, unit: MetricUnit::Percent, more_is_better: true, of }
}

const fn time_metric(name: &'static str, label: &'static str, of: fn(&[&EvaluationItem]) -> Option<f64>) -> Metric {
    Metric { name, label, unit: MetricUnit::Milliseconds, more_is_better: false, of }
}

/// All metrics, in the order of the table.
pub static METRICS: &[Metric] = &[
    percent_metric("passed", "tests passed (pass@1)", |items| {
        mean(items, |item| Some(f64::from(u8::from(item.scores.passed?))))
    }),
    percent_metric("exact", "exact match", |items| mean(items, |item| Some(f64::from(u8::from(item.scores.exact))))),
    percent_metric("edit", "edit similarity", |items| mean(items, |item| Some(item.scores.edit))),
    percent_metric("identifiers", "identifier F1", |items| mean(items, |item| Some(item.scores.identifiers))),
    percent_metric("chrf", "chrF", |items| mean(items, |item| Some(item.scores.chrf))),
    percent_metric("bleu", "BLEU-4, smoothed", |items| mean(items, |item| item.scores.bleu)),
    percent_metric("well_formed", "docstrings well-formed", |items| mean(items, |item| as_share(item.scores.form?.well_formed))),
    percent_metric("parameters", "parameters right", |items| mean(items, |item| as_share(item.scores.form?.parameters?))),
    percent_metric("unchanged", "code unchanged", |items| mean(items, |item| as_share(item.scores.form?.unchanged))),
    percent_metric("shown", "holes with a suggestion", |items| {
        mean(items, |item| Some(f64::from(u8::from(!item.answer.trim().is_empty()))))
    }),
    percent_metric("parses", "suggestions that parse", |items| {
        mean(items, |item| Some(f64::from(u8::from(item.scores.parses?))))
    }),
    percent_metric("completed", "characters from suggestions", |items| {
        ratio(items, 100.0, |item| item.scores.typing.map(|typing| (typing.suggested as f64, typing.characters as f64)))
    }),
    Metric {
        name: "bits_per_byte",
        label: "bits per byte",
        unit: MetricUnit::Bits,
        more_is_better: false,
        of: |items| ratio(items, 1.0, |item| item.scores.cost.map(|cost| (cost.bits, cost.bytes as f64))),
    },
    time_metric("p50", "time to the answer, p50", |items| percentile(items, 0.50)),
    time_metric("p95", "time to the answer, p95", |items| percentile(items, 0.95)),
];

fn as_share(right: bool) -> Option<f64> {
    Some(f64::from(u8::from(right)))
}

/// The mean in percent, of the items that have it.
fn mean(items: &[&EvaluationItem], of: fn(&EvaluationItem) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = items.iter().filter_map(|item| of(item)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64 * 100.0)
}

/// One sum over another, so that long items count more.
fn ratio(items: &[&EvaluationItem], scale: f64, of: fn(&EvaluationItem) -> Option<(f64, f64)>) -> Option<f64> {
    let sum = |sums: (f64, f64), own: (f64, f64)| (sums.0 + own.0, sums.1 + own.1);
    let (above, below) = items.iter().filter_map(|item| of(item)).fold((0.0, 0.0), sum);
    (below > 0.0).then(|| above / below * scale)
}

/// The smallest time that at least this share of all are not above.
fn percentile(items: &[&EvaluationItem], share: f64) -> Option<f64> {
    let mut times: Vec<f64> = items.iter().map(|item| item.scores.milliseconds).collect();
    times.sort_by(f64::total_cmp);
    let rank = (times.len() as f64 * share).ceil() as usize;
    times.get(rank.max(1) - 1).copied()
}

impl Metric {
    /// The metric of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// The figure of some items with its interval.
    pub fn estimate(&self, items: &[&EvaluationItem], seed: u64) -> Option<Estimate> {
        let value = (self.of)(items)?;
        Some(Estimate { value, interval: bootstrap::confidence_interval(items, seed, |drawn| self.value_of_sample(drawn)) })
    }

    /// What the second list has more than the first. Items at the same place are the same item.
    pub fn difference(&self, first: &[&EvaluationItem], second: &[&EvaluationItem], seed: u64) -> Option<Estimate> {
        let value = (self.of)(second)? - (self.of)(first)?;
        Some(Estimate { value, interval: bootstrap::paired_difference(first, second, seed, |drawn| self.value_of_sample(drawn)) })
    }

    fn value_of_sample(&self, items: &[&&EvaluationItem]) -> Option<f64> {
        (self.of)(&items.iter().map(|item| **item).collect::<Vec<_>>())
    }

    /// A figure as people read it.
    pub fn format(&self, figure: Option<Estimate>) -> String {
        let Some(figure) = figure else { return "-".to_owned() };
        let number = |value| self.unit.format_number(value);
        let interval = figure.interval.map(|it| format!(" [{}, {}]", number(it.low), number(it.high)));
        [self.unit.format(figure.value), interval.unwrap_or_default()].concat()
    }

    /// A difference as people read it: with its sign, in points where the metric is in percent.
    pub fn format_difference(&self, figure: Option<Estimate>) -> String {
        let Some(figure) = figure else { return "-".to_owned() };
        let number = |value: f64| {
            let number = self.unit.format_number(value);
            if number.starts_with('-') { number } else { format!("+{number}") }
        };
        let interval = figure.interval.map(|it| format!(" [{}, {}]", number(it.low), number(it.high)));
        [number(figure.value), interval.unwrap_or_default()].concat()
    }
}

impl MetricUnit {
    fn format_number(self, value: f64) -> String {
        let digits = match self {
            Self::Percent => 1,
            Self::Bits => 3,
            Self::Milliseconds => 0,
        };
        // What rounds to nothing has no sign.
        let number = format!("{value:.digits$}");
        if number.chars().any(|c| c.is_ascii_digit() && c != '0') { number } else { number.replace('-', "") }
    }

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
        EvaluationItem { scores: ItemScores { exact, milliseconds, ..ItemScores::default() }, ..EvaluationItem::default() }
    }

    fn value(name: &str, items: &[EvaluationItem]) -> Option<f64> {
        let items: Vec<_> = items.iter().collect();
        Metric::by_name(name).expect("a metric").estimate(&items, 1).map(|figure| figure.value)
    }

    #[test]
    fn shares_are_of_the_items_that_have_the_measure() {
        let mut items: Vec<EvaluationItem> = [true, false, false, true].map(|exact| item(exact, 1.0)).into();
        assert_eq!(value("exact", &items), Some(50.0));
        assert_eq!((value("passed", &items), value("exact", &[])), (None, None));
        items[0].scores.parses = Some(true);
        items[1].scores.parses = Some(false);
        assert_eq!(value("parses", &items), Some(50.0));
    }

    #[test]
    fn long_items_count_more_where_a_metric_is_a_ratio() {
        let mut items = [item(true, 1.0), item(true, 1.0)];
        items[0].scores.cost = Some(EncodingCost { bits: 30.0, bytes: 10 });
        items[1].scores.cost = Some(EncodingCost { bits: 10.0, bytes: 30 });
        assert_eq!(value("bits_per_byte", &items), Some(1.0));
        items[0].scores.typing = Some(TypingEffort { characters: 30, suggested: 30, keys: 1 });
        items[1].scores.typing = Some(TypingEffort { characters: 10, suggested: 0, keys: 10 });
        assert_eq!(value("completed", &items), Some(75.0));
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let items: Vec<EvaluationItem> = (1..=20).map(|ms| item(true, f64::from(ms))).collect();
        assert_eq!((value("p50", &items), value("p95", &items)), (Some(10.0), Some(19.0)));
    }

    #[test]
    fn figures_are_written_for_people() {
        let figure = |value, low, high| Some(Estimate { value, interval: Some(ConfidenceInterval { low, high }) });
        let exact = Metric::by_name("exact").expect("a metric");
        assert_eq!(exact.format(figure(41.04, 31.0, 50.0)), "41.0 % [31.0, 50.0]");
        assert_eq!(exact.format_difference(figure(3.0, -1.25, 7.0)), "+3.0 [-1.2, +7.0]");
        assert_eq!(exact.format_difference(figure(-0.01, -0.04, 0.0)), "+0.0 [+0.0, +0.0]");
        assert_eq!(exact.format(None), "-");
    }
}
