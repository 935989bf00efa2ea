//! Chart of the benchmark: per system the share of keys that have text within a time, on a logarithmic axis, and in the
//! legend its metrics as multiples of Foretype's.
//!
//! The SVG is written by hand. A plotting library would draw the axes, but not the step curves, the legend with two
//! lines per system and the title, which are most of this file.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use resvg::{tiny_skia, usvg};

use super::metrics::SystemMetrics;
use super::report::{HEADLINE_METRICS, KeystrokeReport, format_factor};
use super::thresholds::AS_SHIPPED_SYSTEM;

/// Size of the chart in units of the drawing.
const CHART_WIDTH: f64 = 960.0;
const CHART_HEIGHT: f64 = 560.0;
/// Area of the curves: left, top, right, bottom.
const PLOT_AREA: [f64; 4] = [70.0, 92.0, 640.0, 490.0];
/// Ends of the time axis, as powers of ten of milliseconds.
const AXIS_DECADES: (i32, i32) = (-1, 4);
/// Distance between the entries of the legend.
const LEGEND_LINE_HEIGHT: f64 = 44.0;
/// Pixels per unit of the drawing in the PNG.
const PIXELS_PER_UNIT: f32 = 2.0;
/// Colour of Foretype's curve.
const FORETYPE_COLOUR: &str = "#0b6e4f";
/// Colours of the other curves. Their order and dashes distinguish them without colours.
const PEER_COLOURS: [&str; 7] = ["#c1432e", "#e08e45", "#4a6fa5", "#86a8d1", "#6d5a8c", "#a793c2", "#555555"];

/// Writes `name`.svg and `name`.png.
///
/// # Errors
/// If a file cannot be written, or if this machine has no font for the PNG.
pub(super) fn write_chart(report: &KeystrokeReport, name: &Path) -> Result<()> {
    let svg = svg(report);
    let [svg_path, png_path] = ["svg", "png"].map(|extension| name.with_extension(extension));
    std::fs::write(&svg_path, &svg).with_context(|| format!("cannot write {}", svg_path.display()))?;
    write_png(&svg, &png_path)
}

/// Renders a drawing with the fonts of this machine.
fn write_png(svg: &str, path: &Path) -> Result<()> {
    let mut options = usvg::Options::default();
    options.fontdb_mut().load_system_fonts();
    ensure!(!options.fontdb.is_empty(), "this machine has no font: only the SVG is written");
    let tree = usvg::Tree::from_str(svg, &options).context("the drawing cannot be parsed")?;
    let size = tree.size();
    let (width, height) = ((size.width() * PIXELS_PER_UNIT) as u32, (size.height() * PIXELS_PER_UNIT) as u32);
    let mut pixels = tiny_skia::Pixmap::new(width, height).context("the drawing is empty")?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(PIXELS_PER_UNIT, PIXELS_PER_UNIT), &mut pixels.as_mut());
    pixels.save_png(path).with_context(|| format!("cannot write {}", path.display()))
}

fn svg(report: &KeystrokeReport) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{CHART_WIDTH}\" height=\"{CHART_HEIGHT}\" \
         viewBox=\"0 0 {CHART_WIDTH} {CHART_HEIGHT}\" \
         font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" font-size=\"13\" fill=\"#222222\">\n\
         <rect width=\"{CHART_WIDTH}\" height=\"{CHART_HEIGHT}\" fill=\"#fcfcfa\"/>\n"
    );
    draw_text(&mut out, (PLOT_AREA[0], 36.0), "start", "font-size=\"13\" font-weight=\"bold\"", &title(report));
    draw_text(&mut out, (PLOT_AREA[0], 60.0), "start", "fill=\"#555555\"", SUBTITLE);
    draw_axes(&mut out);
    // Foretype is the first system and its curve the topmost one.
    for (index, metrics) in report.systems.iter().enumerate().rev() {
        draw_curve(&mut out, &report.first_text_times(&metrics.system), index);
    }
    for index in 0..report.systems.len() {
        draw_legend(&mut out, report, index);
    }
    out + "</svg>\n"
}

const SUBTITLE: &str = "Share of all keys with fitting text within this time; superseded keys never get any. \
                        Tokens and CPU: for the same text.";

/// Ratios of Foretype to llama-server as shipped, or to the first other system.
fn title(report: &KeystrokeReport) -> String {
    let foretype = report.systems.first().filter(|it| it.system == "Foretype");
    let as_shipped = |it: &&SystemMetrics| it.system == AS_SHIPPED_SYSTEM;
    let peer = report.systems.iter().find(as_shipped).or_else(|| report.systems.get(1));
    let Some((foretype, peer)) = foretype.zip(peer) else { return "Key to first text".to_owned() };
    let comparisons = HEADLINE_METRICS.iter().filter_map(|metric| metric.comparison(foretype, peer));
    format!("Against {}: {}", peer.system, comparisons.take(2).collect::<Vec<_>>().join(", "))
}

/// Horizontal position of a time, at most at the ends of the axis.
fn x_position(milliseconds: f64) -> f64 {
    let (low, high) = (f64::from(AXIS_DECADES.0), f64::from(AXIS_DECADES.1));
    let share = ((milliseconds.max(1e-9).log10() - low) / (high - low)).clamp(0.0, 1.0);
    PLOT_AREA[0] + share * (PLOT_AREA[2] - PLOT_AREA[0])
}

/// Vertical position of a share from 0 to 1.
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

/// Cumulative distribution of the times, as a step curve.
fn draw_curve(out: &mut String, times: &[f64], index: usize) {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let count = times.len() as f64;
    let mut path = format!("M{:.1} {:.1}", PLOT_AREA[0], y_position(0.0));
    for (rank, time) in times.iter().enumerate().filter(|(_, time)| time.is_finite()) {
        let _ = write!(path, "H{:.1}V{:.1}", x_position(*time), y_position((rank + 1) as f64 / count));
    }
    let (colour, width, dashes) = line_style(index);
    let _ = writeln!(
        out,
        "<path d=\"{path}H{:.1}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{dashes}/>",
        PLOT_AREA[2]
    );
}

/// Colour, width and dashes of the curve of a system. System 0 is Foretype.
fn line_style(index: usize) -> (&'static str, f64, &'static str) {
    let Some(peer) = index.checked_sub(1) else { return (FORETYPE_COLOUR, 3.5, "") };
    let dashes = if peer % 2 == 1 { " stroke-dasharray=\"6 4\"" } else { "" };
    (PEER_COLOURS[peer % PEER_COLOURS.len()], 2.0, dashes)
}

/// Name of a system and its metrics as multiples of Foretype's.
fn draw_legend(out: &mut String, report: &KeystrokeReport, index: usize) {
    let (left, top) = (PLOT_AREA[2] + 24.0, PLOT_AREA[1] + 14.0 + index as f64 * LEGEND_LINE_HEIGHT);
    let (y, right) = (top - 4.0, left + 26.0);
    let (colour, width, dashes) = line_style(index);
    let metrics = &report.systems[index];
    let _ = writeln!(
        out,
        "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" \
         stroke-width=\"{width}\"{dashes}/>"
    );
    let weight = if index == 0 { "font-weight=\"bold\"" } else { "" };
    draw_text(out, (left + 34.0, top), "start", weight, &metrics.system);
    let ratio = |name: &str| {
        let (theirs, ours) = (metrics.value(name)?, report.systems[0].value(name)?);
        Some(theirs / ours).filter(|ratio| ratio.is_finite())
    };
    let completed = metrics.value("completed").map(|share| format!("{share:.0} % completed"));
    let parts: Vec<_> = if index == 0 {
        completed.into_iter().collect()
    } else {
        let tokens = ratio("prompt_text").map(|ratio| format!("tokens {}", format_factor(ratio)));
        let processor = ratio("processor_text").map(|ratio| format!("CPU {}", format_factor(ratio)));
        [tokens, processor, completed].into_iter().flatten().collect()
    };
    draw_text(out, (left + 34.0, top + 16.0), "start", "font-size=\"11\" fill=\"#555555\"", &parts.join(" · "));
}

/// Writes a text with additional SVG attributes.
fn draw_text(out: &mut String, (x, y): (f64, f64), anchor: &str, attributes: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {attributes}>{text}</text>");
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
    fn the_chart_has_a_curve_per_system_and_a_ratio_in_its_title() {
        let svg = svg(&report());
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains(": first text 25x sooner<") && svg.contains("a &lt;b&gt; &amp; c"));
    }

    #[test]
    fn the_axis_is_logarithmic_and_clamps_times() {
        let step = x_position(10.0) - x_position(1.0);
        assert!((x_position(100.0) - x_position(10.0) - step).abs() < 1e-9);
        assert_eq!((x_position(0.0), x_position(1e9)), (PLOT_AREA[0], PLOT_AREA[2]));
    }
}
