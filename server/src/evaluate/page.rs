//! HTML page of a report: bar plots, tables, and failures side by side. It loads nothing from elsewhere.

use std::fmt::Write as _;

use super::items::{EvaluationItem, EvaluationReport};
use super::metrics::{METRICS, Metric, MetricUnit};
use super::table;

/// Failures on the page. The JSON report has all of them.
const MAX_SHOWN_FAILURES: usize = 200;
/// Width of the labels, width of the axis and height of a bar in a plot, in pixels.
const LABEL_WIDTH: f64 = 290.0;
const AXIS_WIDTH: f64 = 420.0;
const BAR_HEIGHT: f64 = 20.0;

const STYLE_SHEET: &str = "\
:root { color-scheme: light dark; --ink: #222; --paper: #fcfcfa; --faint: #777; --line: #ccc;
  --good: #dcefe4; --bad: #f6e0db;
  --c0: #0b6e4f; --c1: #c1432e; --c2: #4a6fa5; --c3: #b07a1e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e4e0; --paper: #1b1c1e; --faint: #999; --line: #444;
  --good: #1f3a2d; --bad: #452a25; --c0: #3fae86; --c1: #e0725f; --c2: #86a8d1; --c3: #d9a84e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; display: block;
  overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .8rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: var(--ink); }
pre { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; padding: .5rem;
  border: 1px solid var(--line); }
.faint { color: var(--faint); }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: .5rem; }
.expected { background: var(--good); } .wrong { background: var(--bad); }
details { margin: .5rem 0; } summary { cursor: pointer; }
";

/// Renders the page.
pub(super) fn html_page(report: &EvaluationReport) -> String {
    let title = escape(&report.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE_SHEET}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n<ul>\n",
        escape(&report.model)
    );
    for note in &report.notes {
        let _ = writeln!(out, "<li>{}</li>", escape(note));
    }
    out += "</ul>\n";
    for metric in METRICS.iter().filter(|metric| metric.unit == MetricUnit::Percent) {
        write_plot(&mut out, report, metric);
    }
    out += "<h2>Figures</h2>\n";
    for table in table::tables(report) {
        write_table(&mut out, &table);
    }
    write_failures(&mut out, report);
    out + "</body>\n</html>\n"
}

/// Escapes a text for HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

/// Plot of one metric: per kind and system one bar, with its confidence interval as a whisker.
fn write_plot(out: &mut String, report: &EvaluationReport, metric: &Metric) {
    let kinds: Vec<_> = std::iter::once(None).chain(report.kinds().into_iter().map(Some)).collect();
    let kinds = if kinds.len() == 2 { &kinds[..1] } else { &kinds[..] };
    let mut bars = String::new();
    let mut y = 8.0;
    for kind in kinds {
        let _ = writeln!(
            bars,
            "<text x=\"0\" y=\"{:.1}\" font-weight=\"bold\">{}</text>",
            y + 14.0,
            escape(kind.unwrap_or("all"))
        );
        for (number, system) in report.systems.iter().enumerate() {
            if let Some(figure) = metric.estimate(&system.items_of_kind(*kind), report.seed) {
                let interval = figure.interval.map(|it| (it.low, it.high));
                let label = if report.systems.len() > 1 { system.name.as_str() } else { "" };
                write_bar(&mut bars, y, number, label, (figure.value, interval), &metric.format(Some(figure)));
                y += BAR_HEIGHT;
            }
        }
        y += 10.0;
    }
    if bars.contains("<rect") {
        let width = LABEL_WIDTH + AXIS_WIDTH + 170.0;
        let label = escape(metric.label);
        let _ = writeln!(
            out,
            "<h2>{label}</h2>\n\
             <svg viewBox=\"0 0 {width} {y:.0}\" width=\"{width}\" role=\"img\" aria-label=\"{label}\">\n{bars}</svg>"
        );
    }
}

/// One bar with its label on the left and its value on the right.
fn write_bar(
    out: &mut String,
    y: f64,
    number: usize,
    label: &str,
    (value, interval): (f64, Option<(f64, f64)>),
    words: &str,
) {
    let x = |percent: f64| LABEL_WIDTH + AXIS_WIDTH * percent.clamp(0.0, 100.0) / 100.0;
    let (colour, middle) = (number % 4, y + BAR_HEIGHT / 2.0 - 1.0);
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
        LABEL_WIDTH - 8.0,
        y + 14.0,
        escape(label)
    );
    let _ = writeln!(
        out,
        "<rect x=\"{LABEL_WIDTH:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"var(--c{colour})\" \
         opacity=\"0.75\"/>",
        x(value) - LABEL_WIDTH,
        BAR_HEIGHT - 3.0
    );
    if let Some((low, high)) = interval {
        let (low, high) = (x(low), x(high));
        let _ = writeln!(
            out,
            "<path d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {:.1}v8M{high:.1} {:.1}v8\" stroke=\"var(--ink)\" \
             fill=\"none\"/>",
            middle - 4.0,
            middle - 4.0
        );
    }
    let end = interval.map_or(value, |(_, high)| high.max(value));
    let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x(end) + 8.0, y + 14.0, escape(words));
}

/// A table of metrics.
fn write_table(out: &mut String, table: &table::Table) {
    let cells = |tag: &str, row: &[String]| {
        row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
    };
    let _ = writeln!(out, "<table>\n<tr>{}</tr>", cells("th", &table.head));
    for row in &table.rows {
        let _ = writeln!(out, "<tr>{}</tr>", cells("td", row));
    }
    *out += "</table>\n";
}

/// Items that at least one system got wrong.
fn write_failures(out: &mut String, report: &EvaluationReport) {
    let Some(first) = report.systems.first() else { return };
    let answers = |index: usize| -> Vec<(&str, &EvaluationItem)> {
        report.systems.iter().filter_map(|system| Some((system.name.as_str(), system.items.get(index)?))).collect()
    };
    let is_wrong = |item: &EvaluationItem| !item.scores.passed.unwrap_or(item.scores.exact);
    let has_failed = |index: &usize| answers(*index).iter().any(|(_, item)| is_wrong(item));
    let failed: Vec<usize> = (0..first.items.len()).filter(has_failed).collect();
    let shown = failed.len().min(MAX_SHOWN_FAILURES);
    let _ = writeln!(
        out,
        "<h2>Failures</h2>\n<p>{shown} of {} failures; {} holes in all.</p>",
        failed.len(),
        first.items.len()
    );
    for index in failed.into_iter().take(MAX_SHOWN_FAILURES) {
        let item = &first.items[index];
        let _ = writeln!(out, "<details>\n<summary>{}</summary>", escape(&item.id));
        let _ = writeln!(
            out,
            "<pre class=\"faint\">{}▁{}</pre>\n<div class=\"sides\">",
            escape(&item.above),
            escape(&item.below)
        );
        write_answer(out, "expected", "expected", &item.expected);
        for (name, item) in answers(index) {
            write_answer(out, if is_wrong(item) { "wrong" } else { "expected" }, name, &item.answer);
        }
        *out += "</div>\n</details>\n";
    }
}

/// One text with a caption. `class` is `expected` or `wrong`.
fn write_answer(out: &mut String, class: &str, name: &str, text: &str) {
    let shown = if text.trim().is_empty() { "(nothing)" } else { text };
    let _ = writeln!(
        out,
        "<div><div class=\"faint\">{}</div><pre class=\"{class}\">{}</pre></div>",
        escape(name),
        escape(shown)
    );
}

#[cfg(test)]
mod tests {
    use super::super::items::{EvaluatedSystem, ItemScores};
    use super::*;

    fn report(answer: &str) -> EvaluationReport {
        let item = EvaluationItem {
            id: "<b>.py:1:1 line".into(),
            kind: "line".into(),
            expected: "a < b".into(),
            answer: answer.into(),
            scores: ItemScores::new("a < b", answer, 5.0),
            ..EvaluationItem::default()
        };
        let systems = vec![EvaluatedSystem { name: "with & without".into(), items: vec![item] }];
        EvaluationReport::new("holes in <x>".into(), "m".into(), vec!["a note".into()], 1, systems)
    }

    #[test]
    fn text_from_files_is_escaped() {
        let page = html_page(&report("<script>alert('x')</script>"));
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{page}");
        assert!(page.contains("holes in &lt;x&gt;") && page.contains("&lt;b&gt;.py") && page.contains("a &lt; b"));
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        let page = html_page(&report("a > b"));
        assert!(page.contains("<svg") && page.contains("prefers-color-scheme: dark") && page.contains("a note"));
        for outside in ["http:", "https:", "src=", "<link", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn only_failures_are_shown_side_by_side() {
        assert!(html_page(&report("a > b")).contains("1 of 1 failures"));
        assert!(html_page(&report("a < b")).contains("0 of 0 failures"));
    }
}
