//! The picture: for each system the share of keys that had text after so many milliseconds, on a logarithmic axis, and
//! what Foretype is as a ratio.

mod png;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::report::{HEADLINE_METRICS, KeystrokeReport, format_factor};

const CHART_WIDTH: f64 = 960.0;
const CHART_HEIGHT: f64 = 560.0;
/// The frame of the curves: left, top, right, bottom.
const PLOT_AREA: [f64; 4] = [70.0, 92.0, 640.0, 490.0];
/// The axis, in powers of ten of milliseconds.
const AXIS_DECADES: (i32, i32) = (-1, 4);
/// Foretype's colour and those of the others; also told apart without colours, by their order and their dashes.
const FORETYPE_COLOUR: &str = "#0b6e4f";
const PEER_COLOURS: [&str; 7] = ["#c1432e", "#e08e45", "#4a6fa5", "#86a8d1", "#6d5a8c", "#a793c2", "#555555"];

/// Writes `name`.svg and `name`.png.
pub(super) fn write_chart(report: &KeystrokeReport, name: &Path) -> Result<()> {
    let svg = svg(report);
    let [vector, pixels] = ["svg", "png"].map(|end| name.with_extension(end));
    std::fs::write(&vector, &svg).with_context(|| format!("cannot write {}", vector.display()))?;
    png::write(&svg, &pixels)
}

fn svg(report: &KeystrokeReport) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{CHART_WIDTH}\" height=\"{CHART_HEIGHT}\" viewBox=\"0 0 {CHART_WIDTH} {CHART_HEIGHT}\" \
         font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" font-size=\"13\" fill=\"#222222\">\n\
         <rect width=\"{CHART_WIDTH}\" height=\"{CHART_HEIGHT}\" fill=\"#fcfcfa\"/>\n"
    );
    let (head, below) = headline(report);
    draw_text(&mut out, (PLOT_AREA[0], 36.0), "start", "font-size=\"13\" font-weight=\"bold\"", &head);
    draw_text(&mut out, (PLOT_AREA[0], 60.0), "start", "fill=\"#555555\"", &below);
    draw_axes(&mut out);
    let count = report.systems.len();
    for (at, row) in report.systems.iter().enumerate().rev() {
        draw_curve(&mut out, &report.first_texts(&row.system), at);
    }
    (0..count).for_each(|at| draw_legend(&mut out, report, at));
    out + "</svg>\n"
}

/// Ratios against the peer that is used as shipped, else against the first.
fn headline(report: &KeystrokeReport) -> (String, String) {
    let below =
        "Share of all keys with fitting text after so long; overtaken keys never have it. Tokens and CPU: for the same text.".into();
    let ours = report.systems.first().filter(|row| row.system == "Foretype");
    let shipped = |row: &&super::report::SystemMetrics| row.system == super::thresholds::AS_SHIPPED_SYSTEM;
    let peer = report.systems.iter().find(shipped).or_else(|| report.systems.get(1));
    let Some((ours, peer)) = ours.zip(peer) else { return ("Key to first text".into(), below) };
    let parts: Vec<_> = HEADLINE_METRICS.iter().filter_map(|compared| compared.comparison(ours, peer)).take(2).collect();
    (format!("Against {}: {}", peer.system, parts.join(", ")), below)
}

/// Where a time lies on the axis.
fn x_position(milliseconds: f64) -> f64 {
    let (low, high) = (f64::from(AXIS_DECADES.0), f64::from(AXIS_DECADES.1));
    let share = ((milliseconds.max(1e-9).log10() - low) / (high - low)).clamp(0.0, 1.0);
    PLOT_AREA[0] + share * (PLOT_AREA[2] - PLOT_AREA[0])
}

/// Where a share lies.
fn y_position(share: f64) -> f64 {
    PLOT_AREA[3] - share * (PLOT_AREA[3] - PLOT_AREA[1])
}

fn draw_axes(out: &mut String) {
    let line = |out: &mut String, [x1, y1, x2, y2]: [f64; 4]| {
        let _ = writeln!(
            out,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\" stroke-width=\"1\"/>"
        );
    };
    for power in AXIS_DECADES.0..=AXIS_DECADES.1 {
        let x = x_position(10f64.powi(power));
        line(out, [x, PLOT_AREA[1], x, PLOT_AREA[3]]);
        let label = match power {
            ..0 => "0.1 ms".to_owned(),
            0..3 => format!("{} ms", 10f64.powi(power)),
            _ => format!("{} s", 10f64.powi(power - 3)),
        };
        draw_text(out, (x, PLOT_AREA[3] + 20.0), "middle", "fill=\"#555555\"", &label);
    }
    for step in 0..=4 {
        let y = y_position(f64::from(step) / 4.0);
        line(out, [PLOT_AREA[0], y, PLOT_AREA[2], y]);
        draw_text(out, (PLOT_AREA[0] - 8.0, y + 4.0), "end", "fill=\"#555555\"", &format!("{} %", step * 25));
    }
    draw_text(
        out,
        ((PLOT_AREA[0] + PLOT_AREA[2]) / 2.0, PLOT_AREA[3] + 44.0),
        "middle",
        "fill=\"#555555\"",
        "from the key to the first text (logarithmic)",
    );
}

/// The empirical distribution of the times, as steps.
fn draw_curve(out: &mut String, times: &[f64], at: usize) {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let count = times.len() as f64;
    let mut path = format!("M{:.1} {:.1}", PLOT_AREA[0], y_position(0.0));
    for (rank, time) in times.iter().enumerate().filter(|(_, time)| time.is_finite()) {
        let _ = write!(path, "H{:.1}V{:.1}", x_position(*time), y_position((rank + 1) as f64 / count));
    }
    let (colour, width, dashes) = line_style(at);
    let _ = writeln!(
        out,
        "<path d=\"{path}H{:.1}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{dashes}/>",
        PLOT_AREA[2]
    );
}

/// Colour, width and dashes of the system with this number.
fn line_style(at: usize) -> (&'static str, f64, &'static str) {
    match at.checked_sub(1) {
        None => (FORETYPE_COLOUR, 3.5, ""),
        Some(other) => {
            let dashes = if other % 2 == 1 { " stroke-dasharray=\"6 4\"" } else { "" };
            (PEER_COLOURS[other % PEER_COLOURS.len()], 2.0, dashes)
        }
    }
}

/// A system's name and its figures as multiples of Foretype's.
fn draw_legend(out: &mut String, report: &KeystrokeReport, at: usize) {
    let (left, top) = (PLOT_AREA[2] + 24.0, PLOT_AREA[1] + 14.0 + at as f64 * 44.0);
    let (colour, width, dashes) = line_style(at);
    let row = &report.systems[at];
    let _ = writeln!(
        out,
        "<line x1=\"{left}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"{dashes}/>",
        top - 4.0,
        left + 26.0,
        top - 4.0
    );
    let weight = if at == 0 { "font-weight=\"bold\"" } else { "" };
    draw_text(out, (left + 34.0, top), "start", weight, &row.system);
    let ratio = |name: &str| {
        let (theirs, ours) = (row.value(name)?, report.systems[0].value(name)?);
        Some(theirs / ours).filter(|ratio| ratio.is_finite())
    };
    let completed = row.value("completed").map(|share| format!("{share:.0} % completed"));
    let parts: Vec<_> = if at == 0 {
        completed.into_iter().collect()
    } else {
        let tokens = ratio("prompt_text").map(|ratio| format!("tokens {}", format_factor(ratio)));
        let processor = ratio("processor_text").map(|ratio| format!("CPU {}", format_factor(ratio)));
        [tokens, processor, completed].into_iter().flatten().collect()
    };
    draw_text(out, (left + 34.0, top + 16.0), "start", "font-size=\"11\" fill=\"#555555\"", &parts.join(" · "));
}

fn draw_text(out: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::super::replay::{KeyRecord, ReplayRun};
    use super::super::report::Measurements;
    use super::*;

    fn report() -> KeystrokeReport {
        let run = |system: &str, first: f64| {
            let key = |first| KeyRecord { first_text_ms: first, ..KeyRecord::default() };
            let keys = vec![key(Some(first)), key(Some(first * 2.0)), key(None)];
            ReplayRun { system: system.into(), keys, prompt_tokens: Some(first), ..ReplayRun::default() }
        };
        let runs = vec![run("Foretype", 10.0), run("a <b> & c", 250.0)];
        KeystrokeReport::new(Measurements { runs, ..Measurements::default() })
    }

    #[test]
    fn the_picture_has_a_curve_for_each_system_and_a_ratio_in_its_headline() {
        let svg = svg(&report());
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains(": first text 25x sooner<") && svg.contains("a &lt;b&gt; &amp; c"));
    }

    #[test]
    fn the_axis_is_logarithmic_and_ends_at_its_ends() {
        let step = x_position(10.0) - x_position(1.0);
        assert!((x_position(100.0) - x_position(10.0) - step).abs() < 1e-9);
        assert_eq!((x_position(0.0), x_position(1e9)), (PLOT_AREA[0], PLOT_AREA[2]));
    }
}
