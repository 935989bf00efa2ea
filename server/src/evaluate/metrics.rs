//! From items to figures. Each metric is one row of [`METRICS`].

use foretype_model::evaluate::bootstrap::{self, Interval};

use super::items::Item;

/// Something that is reported of a list of items.
pub(super) struct Metric {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// What a reader sees.
    pub(super) label: &'static str,
    pub(super) unit: Unit,
    /// Whether more is better.
    pub(super) more_is_better: bool,
    /// The figure of these items; `None` where it was not measured.
    of: fn(&[&Item]) -> Option<f64>,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Percent,
    Bits,
    Milliseconds,
}

/// A figure and where it lies with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(super) struct Figure {
    pub(super) value: f64,
    pub(super) interval: Option<Interval>,
}

const fn percent(name: &'static str, label: &'static str, of: fn(&[&Item]) -> Option<f64>) -> Metric {
    Metric { name, label, unit: Unit::Percent, more_is_better: true, of }
}

const fn time(name: &'static str, label: &'static str, of: fn(&[&Item]) -> Option<f64>) -> Metric {
    Metric { name, label, unit: Unit::Milliseconds, more_is_better: false, of }
}

/// All metrics, in the order of the table.
pub(super) static METRICS: &[Metric] = &[
    percent("passed", "tests passed (pass@1)", |items| {
        mean(items, |item| Some(f64::from(u8::from(item.scores.passed?))))
    }),
    percent("exact", "exact match", |items| mean(items, |item| Some(f64::from(u8::from(item.scores.exact))))),
    percent("edit", "edit similarity", |items| mean(items, |item| Some(item.scores.edit))),
    percent("identifiers", "identifier F1", |items| mean(items, |item| Some(item.scores.identifiers))),
    percent("chrf", "chrF", |items| mean(items, |item| Some(item.scores.chrf))),
    percent("bleu", "BLEU-4, smoothed", |items| mean(items, |item| item.scores.bleu)),
    percent("well_formed", "docstrings well-formed", |items| mean(items, |item| share(item.scores.form?.well_formed))),
    percent("parameters", "parameters right", |items| mean(items, |item| share(item.scores.form?.parameters?))),
    percent("unchanged", "code unchanged", |items| mean(items, |item| share(item.scores.form?.unchanged))),
    percent("shown", "holes with a suggestion", |items| {
        mean(items, |item| Some(f64::from(u8::from(!item.answer.trim().is_empty()))))
    }),
    percent("parses", "suggestions that parse", |items| {
        mean(items, |item| Some(f64::from(u8::from(item.scores.parses?))))
    }),
    percent("completed", "characters from suggestions", |items| {
        ratio(items, 100.0, |item| item.scores.typing.map(|typing| (typing.suggested as f64, typing.characters as f64)))
    }),
    Metric {
        name: "bits_per_byte",
        label: "bits per byte",
        unit: Unit::Bits,
        more_is_better: false,
        of: |items| ratio(items, 1.0, |item| item.scores.cost.map(|cost| (cost.bits, cost.bytes as f64))),
    },
    time("p50", "time to the answer, p50", |items| percentile(items, 0.50)),
    time("p95", "time to the answer, p95", |items| percentile(items, 0.95)),
];

fn share(right: bool) -> Option<f64> {
    Some(f64::from(u8::from(right)))
}

/// The mean in percent, of the items that have it.
fn mean(items: &[&Item], of: fn(&Item) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = items.iter().filter_map(|item| of(item)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64 * 100.0)
}

/// One sum over another, so that long items count more.
fn ratio(items: &[&Item], scale: f64, of: fn(&Item) -> Option<(f64, f64)>) -> Option<f64> {
    let sum = |sums: (f64, f64), own: (f64, f64)| (sums.0 + own.0, sums.1 + own.1);
    let (above, below) = items.iter().filter_map(|item| of(item)).fold((0.0, 0.0), sum);
    (below > 0.0).then(|| above / below * scale)
}

/// The smallest time that at least this share of all are not above.
fn percentile(items: &[&Item], share: f64) -> Option<f64> {
    let mut times: Vec<f64> = items.iter().map(|item| item.scores.milliseconds).collect();
    times.sort_by(f64::total_cmp);
    let rank = (times.len() as f64 * share).ceil() as usize;
    times.get(rank.max(1) - 1).copied()
}

impl Metric {
    /// The metric of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// The figure of some items with its interval.
    pub(super) fn figure(&self, items: &[&Item], seed: u64) -> Option<Figure> {
        let value = (self.of)(items)?;
        Some(Figure { value, interval: bootstrap::interval(items, seed, |drawn| self.drawn(drawn)) })
    }

    /// What the second list has more than the first. Items at the same place are the same item.
    pub(super) fn difference(&self, first: &[&Item], second: &[&Item], seed: u64) -> Option<Figure> {
        let value = (self.of)(second)? - (self.of)(first)?;
        Some(Figure { value, interval: bootstrap::paired(first, second, seed, |drawn| self.drawn(drawn)) })
    }

    fn drawn(&self, items: &[&&Item]) -> Option<f64> {
        (self.of)(&items.iter().map(|item| **item).collect::<Vec<_>>())
    }

    /// A figure as people read it.
    pub(super) fn write(&self, figure: Option<Figure>) -> String {
        let Some(figure) = figure else { return "-".to_owned() };
        let number = |value| self.unit.number(value);
        let interval = figure.interval.map(|it| format!(" [{}, {}]", number(it.low), number(it.high)));
        [self.unit.write(figure.value), interval.unwrap_or_default()].concat()
    }

    /// A difference as people read it: with its sign, in points where the metric is in percent.
    pub(super) fn write_difference(&self, figure: Option<Figure>) -> String {
        let Some(figure) = figure else { return "-".to_owned() };
        let number = |value: f64| {
            let number = self.unit.number(value);
            if number.starts_with('-') { number } else { format!("+{number}") }
        };
        let interval = figure.interval.map(|it| format!(" [{}, {}]", number(it.low), number(it.high)));
        [number(figure.value), interval.unwrap_or_default()].concat()
    }
}

impl Unit {
    fn number(self, value: f64) -> String {
        let digits = match self {
            Self::Percent => 1,
            Self::Bits => 3,
            Self::Milliseconds => 0,
        };
        // What rounds to nothing has no sign.
        let number = format!("{value:.digits$}");
        if number.chars().any(|c| c.is_ascii_digit() && c != '0') { number } else { number.replace('-', "") }
    }

    fn write(self, value: f64) -> String {
        let number = self.number(value);
        match self {
            Self::Percent => format!("{number} %"),
            Self::Bits => number,
            Self::Milliseconds => format!("{number} ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::items::{Cost, Scores};
    use super::*;
    use crate::cli::typing::Typing;

    fn item(exact: bool, milliseconds: f64) -> Item {
        Item { scores: Scores { exact, milliseconds, ..Scores::default() }, ..Item::default() }
    }

    fn value(name: &str, items: &[Item]) -> Option<f64> {
        let items: Vec<_> = items.iter().collect();
        Metric::named(name).expect("a metric").figure(&items, 1).map(|figure| figure.value)
    }

    #[test]
    fn shares_are_of_the_items_that_have_the_measure() {
        let mut items: Vec<Item> = [true, false, false, true].map(|exact| item(exact, 1.0)).into();
        assert_eq!(value("exact", &items), Some(50.0));
        assert_eq!((value("passed", &items), value("exact", &[])), (None, None));
        items[0].scores.parses = Some(true);
        items[1].scores.parses = Some(false);
        assert_eq!(value("parses", &items), Some(50.0));
    }

    #[test]
    fn long_items_count_more_where_a_metric_is_a_ratio() {
        let mut items = [item(true, 1.0), item(true, 1.0)];
        items[0].scores.cost = Some(Cost { bits: 30.0, bytes: 10 });
        items[1].scores.cost = Some(Cost { bits: 10.0, bytes: 30 });
        assert_eq!(value("bits_per_byte", &items), Some(1.0));
        items[0].scores.typing = Some(Typing { characters: 30, suggested: 30, keys: 1 });
        items[1].scores.typing = Some(Typing { characters: 10, suggested: 0, keys: 10 });
        assert_eq!(value("completed", &items), Some(75.0));
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let items: Vec<Item> = (1..=20).map(|ms| item(true, f64::from(ms))).collect();
        assert_eq!((value("p50", &items), value("p95", &items)), (Some(10.0), Some(19.0)));
    }

    #[test]
    fn figures_are_written_for_people() {
        let figure = |value, low, high| Some(Figure { value, interval: Some(Interval { low, high }) });
        let exact = Metric::named("exact").expect("a metric");
        assert_eq!(exact.write(figure(41.04, 31.0, 50.0)), "41.0 % [31.0, 50.0]");
        assert_eq!(exact.write_difference(figure(3.0, -1.25, 7.0)), "+3.0 [-1.2, +7.0]");
        assert_eq!(exact.write_difference(figure(-0.01, -0.04, 0.0)), "+0.0 [+0.0, +0.0]");
        assert_eq!(exact.write(None), "-");
    }
}
