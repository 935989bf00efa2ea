//! `foretype evaluate compare`: tests whether two reports of the same items differ by more than chance.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use serde_json::json;

use crate::evaluate::items::{EvaluatedSystem, EvaluationItem, EvaluationReport};
use crate::evaluate::metrics::{Estimate, METRICS, Metric};
use crate::evaluate::table::Table;

/// Arguments of `foretype evaluate compare`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A report that `--json` wrote
    first: PathBuf,
    /// Another report of the same items
    second: PathBuf,
    /// Fail if the second report is worse by more than this many points: of passed tests if there are any, else of
    /// exact match
    #[arg(long, value_name = "POINTS", default_value_t = 2.0, value_parser = parse_points)]
    flag_worse: f64,
    /// Seed of the confidence intervals
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print the tables as Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

fn parse_points(text: &str) -> Result<f64, String> {
    let points = text.parse::<f64>().ok().filter(|points| (0.0..=100.0).contains(points));
    points.ok_or_else(|| "use a number of points from 0 to 100".into())
}

/// Two systems with the same items in the same order.
struct SystemPair {
    name: String,
    first: Vec<EvaluationItem>,
    second: Vec<EvaluationItem>,
}

/// Runs the comparison and prints it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let (first, second) = (EvaluationReport::load(&args.first)?, EvaluationReport::load(&args.second)?);
    let pairs = pair_systems((&first, args.first.as_path()), (&second, args.second.as_path()))?;
    if args.json {
        let pairs: Vec<_> = pairs.iter().map(|pair| pair.json(args.seed)).collect();
        crate::cli::output::print_json(&pairs)?;
    } else {
        println!("first:  {}, {} ({})", first.title, first.model, args.first.display());
        println!("second: {}, {} ({})\n", second.title, second.model, args.second.display());
        for table in pairs.iter().flat_map(|pair| pair.tables(&first.kinds(), args.seed)) {
            println!("{}", if args.markdown { table.markdown() } else { table.text() });
        }
    }
    let regressions: Vec<String> = pairs.iter().filter_map(|pair| pair.regression(args)).collect();
    for sentence in &regressions {
        eprintln!("{sentence}");
    }
    Ok(if regressions.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Pairs systems by name. If each report has only one system, these form a pair whatever their names are.
fn pair_systems(first: (&EvaluationReport, &Path), second: (&EvaluationReport, &Path)) -> Result<Vec<SystemPair>> {
    let pair = |one: &EvaluatedSystem, other: &EvaluatedSystem| {
        let name = if one.name == other.name { one.name.clone() } else { format!("{} / {}", one.name, other.name) };
        SystemPair::new(name, one, other, (first.1, second.1))
    };
    if let ([one], [other]) = (first.0.systems.as_slice(), second.0.systems.as_slice()) {
        return Ok(vec![pair(one, other)?]);
    }
    let named = |name: &str| second.0.systems.iter().find(|system| system.name == name);
    let both = first.0.systems.iter().filter_map(|one| Some((one, named(&one.name)?)));
    let pairs: Vec<SystemPair> = both.map(|(one, other)| pair(one, other)).collect::<Result<_>>()?;
    if pairs.is_empty() {
        let names =
            |report: &EvaluationReport| report.systems.iter().map(|it| it.name.clone()).collect::<Vec<_>>().join("; ");
        bail!("the reports have no system in common: {} and {}", names(first.0), names(second.0));
    }
    Ok(pairs)
}

const MISMATCH_ADVICE: &str =
    "evaluate both on the same files with the same --seed, --kinds, --files and number of holes";

impl SystemPair {
    fn new(name: String, one: &EvaluatedSystem, other: &EvaluatedSystem, files: (&Path, &Path)) -> Result<Self> {
        let mut only_in_second: HashMap<&str, &EvaluationItem> =
            other.items.iter().map(|item| (item.id.as_str(), item)).collect();
        ensure!(
            !one.items.is_empty() && !only_in_second.is_empty(),
            "there is nothing to compare: a report has no items"
        );
        let (mut first, mut second, mut only_in_first) = (Vec::new(), Vec::new(), Vec::new());
        for item in &one.items {
            match only_in_second.remove(item.id.as_str()) {
                Some(same) if same.expected == item.expected => {
                    first.push(item.clone());
                    second.push(same.clone());
                }
                Some(_) => bail!("{} has a different text in {}: {MISMATCH_ADVICE}", item.id, files.1.display()),
                None => only_in_first.push(item.id.as_str()),
            }
        }
        if let Some(example) = only_in_first.first().copied().or_else(|| only_in_second.keys().min().copied()) {
            bail!(
                "the reports have different items: {} are only in {} and {} only in {}, for example {example}; \
                 {MISMATCH_ADVICE}",
                only_in_first.len(),
                files.0.display(),
                only_in_second.len(),
                files.1.display()
            );
        }
        Ok(Self { name, first, second })
    }

    fn items_of_kind(&self, kind: Option<&str>) -> (Vec<&EvaluationItem>, Vec<&EvaluationItem>) {
        let own = |item: &&EvaluationItem| kind.is_none_or(|kind| item.kind == kind);
        (self.first.iter().filter(own).collect(), self.second.iter().filter(own).collect())
    }

    /// A table of all items and, if there are several kinds, one of each kind.
    fn tables(&self, kinds: &[&str], seed: u64) -> Vec<Table> {
        let mut tables = vec![self.table(None, seed)];
        if kinds.len() > 1 {
            tables.extend(kinds.iter().map(|kind| self.table(Some(kind), seed)));
        }
        tables
    }

    fn table(&self, kind: Option<&str>, seed: u64) -> Table {
        let (first, second) = self.items_of_kind(kind);
        let row = |metric: &Metric| {
            let difference = metric.difference(&first, &second, seed)?;
            Some(vec![
                metric.label.to_owned(),
                metric.format(metric.estimate(&first, seed)),
                metric.format(metric.estimate(&second, seed)),
                metric.format_difference(Some(difference)),
                verdict(metric, difference).to_owned(),
            ])
        };
        let count = format!("{} ({})", kind.unwrap_or("all"), first.len());
        Table {
            title: self.name.clone(),
            head: [count.as_str(), "first", "second", "difference", "is it real?"].map(String::from).into(),
            rows: METRICS.iter().filter_map(row).collect(),
        }
    }

    fn json(&self, seed: u64) -> serde_json::Value {
        let (first, second) = self.items_of_kind(None);
        let row = |metric: &Metric| {
            let difference = metric.difference(&first, &second, seed)?;
            let row = json!({
                "first": metric.estimate(&first, seed),
                "second": metric.estimate(&second, seed),
                "difference": difference,
                "real": is_real(difference),
                "verdict": verdict(metric, difference),
            });
            Some((metric.name.to_owned(), row))
        };
        let metrics: serde_json::Map<_, _> = METRICS.iter().filter_map(row).collect();
        json!({ "system": self.name, "items": first.len(), "metrics": metrics })
    }

    /// Returns a sentence if the second system is worse by more than `--flag-worse` allows.
    fn regression(&self, args: &Args) -> Option<String> {
        let (first, second) = self.items_of_kind(None);
        let measured =
            |name: &&str| Some((Metric::by_name(name)?, Metric::by_name(name)?.estimate(&first, args.seed)?));
        let (metric, _) = ["passed", "exact"].iter().find_map(measured)?;
        let difference = metric.difference(&first, &second, args.seed)?;
        let (points, label, limit) = (-difference.value, metric.label, args.flag_worse);
        if points <= limit {
            return None;
        }
        Some(format!("WORSE: {}: {label} fell by {points:.1} points, more than the {limit} allowed", self.name))
    }
}

/// Returns true if zero lies outside the confidence interval.
fn is_real(difference: Estimate) -> bool {
    difference.interval.is_some_and(|interval| interval.excludes_zero())
}

fn verdict(metric: &Metric, difference: Estimate) -> &'static str {
    match (is_real(difference), (difference.value > 0.0) == metric.more_is_better) {
        (false, _) => "no, it may be chance",
        (true, true) => "yes, the second is better",
        (true, false) => "yes, the second is worse",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::items::ItemScores;

    fn system(name: &str, right: &[bool]) -> EvaluatedSystem {
        let item = |(at, exact): (usize, &bool)| EvaluationItem {
            id: format!("a.py:{at}"),
            kind: "line".into(),
            expected: at.to_string(),
            scores: ItemScores { exact: *exact, ..ItemScores::default() },
            ..EvaluationItem::default()
        };
        EvaluatedSystem { name: name.into(), items: right.iter().enumerate().map(item).collect() }
    }

    fn pair(first: &[bool], second: &[bool]) -> Result<SystemPair> {
        let files = (Path::new("one.json"), Path::new("two.json"));
        SystemPair::new("anchored".into(), &system("a", first), &system("b", second), files)
    }

    fn row(pair: &SystemPair) -> Vec<String> {
        let table = pair.table(None, 1);
        table.rows.into_iter().find(|row| row[0] == "exact match").expect("it is always measured")
    }

    #[test]
    fn a_difference_is_marked_as_real_or_chance() {
        let share = |right: usize| (0..100).map(|at| at < right).collect::<Vec<_>>();
        assert!(row(&pair(&share(40), &share(60)).expect("the same items"))[4].contains("the second is better"));
        assert!(row(&pair(&share(60), &share(40)).expect("the same items"))[4].contains("the second is worse"));
        assert!(row(&pair(&share(40), &share(41)).expect("the same items"))[4].contains("chance"));
    }

    #[test]
    fn items_are_matched_by_id_and_not_by_order() {
        let (one, mut other) = (system("a", &[true, false]), system("b", &[true, false]));
        other.items.reverse();
        let files = (Path::new("one.json"), Path::new("two.json"));
        let pair = SystemPair::new("a".into(), &one, &other, files).expect("the same items");
        assert!(row(&pair)[3].starts_with("+0.0"), "{:?}", row(&pair));
    }

    #[test]
    fn reports_of_different_items_are_rejected_with_an_example() {
        let error =
            |first: &[bool], second: &[bool]| pair(first, second).map(|_| ()).expect_err("not the same").to_string();
        let message = error(&[true; 3], &[true; 2]);
        assert!(message.contains("1 are only in one.json") && message.contains("a.py:2"), "{message}");
        assert!(error(&[true; 2], &[true; 3]).contains("a.py:2") && error(&[], &[]).contains("nothing"));
        let (one, mut other) = (system("a", &[true]), system("a", &[true]));
        other.items[0].expected = "changed".into();
        let files = (Path::new("one.json"), Path::new("two.json"));
        assert!(SystemPair::new("a".into(), &one, &other, files).is_err());
    }
}
