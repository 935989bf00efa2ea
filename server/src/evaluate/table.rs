//! Tables of metrics, for a terminal and in Markdown.

use super::items::EvaluationReport;
use super::metrics::METRICS;

/// A table. Every row has as many cells as the head.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Title above the table. Empty for none.
    pub(crate) title: String,
    /// Names of the columns.
    pub(crate) head: Vec<String>,
    /// Cells, row by row.
    pub(crate) rows: Vec<Vec<String>>,
}

/// A table of all items and, if there are several kinds, one of each kind. Two systems get a column with their
/// difference.
pub(crate) fn tables(report: &EvaluationReport) -> Vec<Table> {
    let mut tables = vec![table(report, None)];
    let kinds = report.kinds();
    if kinds.len() > 1 {
        tables.extend(kinds.into_iter().map(|kind| table(report, Some(kind))));
    }
    tables
}

fn table(report: &EvaluationReport, kind: Option<&str>) -> Table {
    let count = report.systems.first().map_or(0, |system| system.items_of_kind(kind).len());
    let mut head = vec![format!("{} ({count})", kind.unwrap_or("all"))];
    head.extend(report.systems.iter().map(|system| system.name.clone()));
    if report.systems.len() == 2 {
        head.push("second less first".into());
    }
    Table { title: String::new(), head, rows: rows(report, kind) }
}

fn rows(report: &EvaluationReport, kind: Option<&str>) -> Vec<Vec<String>> {
    let items: Vec<_> = report.systems.iter().map(|system| system.items_of_kind(kind)).collect();
    let mut rows = Vec::new();
    for metric in METRICS {
        let estimates: Vec<_> = items.iter().map(|items| metric.estimate(items, report.seed)).collect();
        if estimates.iter().all(Option::is_none) {
            continue;
        }
        let mut cells = vec![metric.label.to_owned()];
        cells.extend(estimates.iter().map(|estimate| metric.format(*estimate)));
        if let [first, second] = items.as_slice() {
            cells.push(metric.format_difference(metric.difference(first, second, report.seed)));
        }
        rows.push(cells);
    }
    rows
}

impl Table {
    /// Plain text with aligned columns.
    pub(crate) fn text(&self) -> String {
        let lines = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| lines().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let title = if self.title.is_empty() { String::new() } else { format!("{}\n", self.title) };
        title + &lines().map(line).collect::<String>()
    }

    /// Markdown.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
        let title = if self.title.is_empty() { String::new() } else { format!("### {}\n\n", self.title) };
        let rule = line(&vec!["---".to_owned(); self.head.len()]);
        title + &line(&self.head) + &rule + &self.rows.iter().map(|row| line(row)).collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::items::{EvaluatedSystem, EvaluationItem, ItemScores};
    use super::*;

    fn report(systems: &[(&str, &[bool])]) -> EvaluationReport {
        let item = |(at, exact): (usize, &bool)| EvaluationItem {
            id: at.to_string(),
            kind: if at == 0 { "line" } else { "call" }.into(),
            scores: ItemScores { exact: *exact, ..ItemScores::default() },
            ..EvaluationItem::default()
        };
        let system = |(name, right): &(&str, &[bool])| EvaluatedSystem {
            name: (*name).into(),
            items: right.iter().enumerate().map(item).collect(),
        };
        EvaluationReport::new("t".into(), "m".into(), Vec::new(), 1, systems.iter().map(system).collect())
    }

    #[test]
    fn each_kind_has_a_table_and_two_systems_have_a_difference_column() {
        let tables = tables(&report(&[("a", &[true, false]), ("b", &[true, true])]));
        let heads: Vec<_> = tables.iter().map(|table| table.head[0].as_str()).collect();
        assert_eq!(heads, ["all (2)", "line (1)", "call (1)"]);
        let exact = |at: usize| tables[at].rows.iter().find(|row| row[0] == "exact match").expect("a row").clone();
        assert!(exact(0)[1].starts_with("50.0 %") && exact(0)[2].starts_with("100.0 %"));
        assert!(exact(2)[3].starts_with("+100.0"), "{:?}", exact(2));
        let unmeasured = tables[0].rows.iter().any(|row| row[0].contains("pass@1"));
        assert!(!unmeasured, "an unmeasured metric has no row");
    }

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell() {
        let table = Table {
            title: String::new(),
            head: vec!["all (2)".into(), "a".into()],
            rows: vec![vec!["exact match".into(), "50.0 %".into()]],
        };
        assert_eq!(table.text(), "all (2)           a\nexact match  50.0 %\n");
        assert_eq!(table.markdown(), "| all (2) | a |\n| --- | --- |\n| exact match | 50.0 % |\n");
    }
}
