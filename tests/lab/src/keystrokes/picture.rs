//! The picture: for each system the share of keys that had text after so many milliseconds, on a logarithmic axis, and
//! what Foretype is as a ratio.

mod png;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::report::{COMPARED, Report, times};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 560.0;
/// The frame of the curves: left, top, right, bottom.
const FRAME: [f64; 4] = [70.0, 92.0, 640.0, 490.0];
/// The axis, in powers of ten of milliseconds.
const AXIS: (i32, i32) = (-1, 4);
/// Foretype's colour and those of the others; also told apart without colours, by their order and their dashes.
const OURS: &str = "#0b6e4f";
const THEIRS: [&str; 7] = ["#c1432e", "#e08e45", "#4a6fa5", "#86a8d1", "#6d5a8c", "#a793c2", "#555555"];

/// Writes `name`.svg and `name`.png.
pub(super) fn draw(report: &Report, name: &Path) -> Result<()> {
    let svg = svg(report);
    let [vector, pixels] = ["svg", "png"].map(|end| name.with_extension(end));
    std::fs::write(&vector, &svg).with_context(|| format!("cannot write {}", vector.display()))?;
    png::write(&svg, &pixels)
}

fn svg(report: &Report) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" font-size=\"13\" fill=\"#222222\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fcfcfa\"/>\n"
    );
    let (head, below) = title(report);
    text(&mut out, (FRAME[0], 36.0), "start", "font-size=\"13\" font-weight=\"bold\"", &head);
    text(&mut out, (FRAME[0], 60.0), "start", "fill=\"#555555\"", &below);
    axes(&mut out);
    let count = report.rows.len();
    for (at, row) in report.rows.iter().enumerate().rev() {
        curve(&mut out, &report.first_texts(&row.system), at);
    }
    (0..count).for_each(|at| legend(&mut out, report, at));
    out + "</svg>\n"
}

/// Ratios against the peer that is used as shipped, else against the first.
fn title(report: &Report) -> (String, String) {
    let below =
        "Share of all keys with fitting text after so long; overtaken keys never have it. Tokens and CPU: for the same text.".into();
    let ours = report.rows.first().filter(|row| row.system == "Foretype");
    let shipped = |row: &&super::report::Row| row.system == super::bars::AS_SHIPPED;
    let peer = report.rows.iter().find(shipped).or_else(|| report.rows.get(1));
    let Some((ours, peer)) = ours.zip(peer) else { return ("Key to first text".into(), below) };
    let parts: Vec<_> = COMPARED.iter().filter_map(|compared| compared.words(ours, peer)).take(2).collect();
    (format!("Against {}: {}", peer.system, parts.join(", ")), below)
}

/// Where a time lies on the axis.
fn across(milliseconds: f64) -> f64 {
    let (low, high) = (f64::from(AXIS.0), f64::from(AXIS.1));
    let share = ((milliseconds.max(1e-9).log10() - low) / (high - low)).clamp(0.0, 1.0);
    FRAME[0] + share * (FRAME[2] - FRAME[0])
}

/// Where a share lies.
fn up(share: f64) -> f64 {
    FRAME[3] - share * (FRAME[3] - FRAME[1])
}

fn axes(out: &mut String) {
    let line = |out: &mut String, [x1, y1, x2, y2]: [f64; 4]| {
        let _ = writeln!(
            out,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\" stroke-width=\"1\"/>"
        );
    };
    for power in AXIS.0..=AXIS.1 {
        let x = across(10f64.powi(power));
        line(out, [x, FRAME[1], x, FRAME[3]]);
        let label = match power {
            ..0 => "0.1 ms".to_owned(),
            0..3 => format!("{} ms", 10f64.powi(power)),
            _ => format!("{} s", 10f64.powi(power - 3)),
        };
        text(out, (x, FRAME[3] + 20.0), "middle", "fill=\"#555555\"", &label);
    }
    for step in 0..=4 {
        let y = up(f64::from(step) / 4.0);
        line(out, [FRAME[0], y, FRAME[2], y]);
        text(out, (FRAME[0] - 8.0, y + 4.0), "end", "fill=\"#555555\"", &format!("{} %", step * 25));
    }
    text(
        out,
        ((FRAME[0] + FRAME[2]) / 2.0, FRAME[3] + 44.0),
        "middle",
        "fill=\"#555555\"",
        "from the key to the first text (logarithmic)",
    );
}

/// The empirical distribution of the times, as steps.
fn curve(out: &mut String, times: &[f64], at: usize) {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let count = times.len() as f64;
    let mut path = format!("M{:.1} {:.1}", FRAME[0], up(0.0));
    for (rank, time) in times.iter().enumerate().filter(|(_, time)| time.is_finite()) {
        let _ = write!(path, "H{:.1}V{:.1}", across(*time), up((rank + 1) as f64 / count));
    }
    let (colour, width, dashes) = look(at);
    let _ = writeln!(
        out,
        "<path d=\"{path}H{:.1}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{dashes}/>",
        FRAME[2]
    );
}

/// Colour, width and dashes of the system with this number.
fn look(at: usize) -> (&'static str, f64, &'static str) {
    match at.checked_sub(1) {
        None => (OURS, 3.5, ""),
        Some(other) => {
            let dashes = if other % 2 == 1 { " stroke-dasharray=\"6 4\"" } else { "" };
            (THEIRS[other % THEIRS.len()], 2.0, dashes)
        }
    }
}

/// A system's name and its figures as multiples of Foretype's.
fn legend(out: &mut String, report: &Report, at: usize) {
    let (left, top) = (FRAME[2] + 24.0, FRAME[1] + 14.0 + at as f64 * 44.0);
    let (colour, width, dashes) = look(at);
    let row = &report.rows[at];
    let _ = writeln!(
        out,
        "<line x1=\"{left}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"{dashes}/>",
        top - 4.0,
        left + 26.0,
        top - 4.0
    );
    let weight = if at == 0 { "font-weight=\"bold\"" } else { "" };
    text(out, (left + 34.0, top), "start", weight, &row.system);
    let ratio = |name: &str| {
        let (theirs, ours) = (row.value(name)?, report.rows[0].value(name)?);
        Some(theirs / ours).filter(|ratio| ratio.is_finite())
    };
    let completed = row.value("completed").map(|share| format!("{share:.0} % completed"));
    let parts: Vec<_> = if at == 0 {
        completed.into_iter().collect()
    } else {
        let tokens = ratio("prompt_text").map(|ratio| format!("tokens {}", times(ratio)));
        let processor = ratio("processor_text").map(|ratio| format!("CPU {}", times(ratio)));
        [tokens, processor, completed].into_iter().flatten().collect()
    };
    text(out, (left + 34.0, top + 16.0), "start", "font-size=\"11\" fill=\"#555555\"", &parts.join(" · "));
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::super::replay::{Key, Run};
    use super::super::report::Measured;
    use super::*;

    fn report() -> Report {
        let run = |system: &str, first: f64| {
            let key = |first| Key { first, ..Key::default() };
            let keys = vec![key(Some(first)), key(Some(first * 2.0)), key(None)];
            Run { system: system.into(), keys, prompt: Some(first), ..Run::default() }
        };
        let runs = vec![run("Foretype", 10.0), run("a <b> & c", 250.0)];
        Report::new(Measured { runs, ..Measured::default() })
    }

    #[test]
    fn the_picture_has_a_curve_for_each_system_and_a_ratio_in_its_headline() {
        let svg = svg(&report());
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains(": first text 25x sooner<") && svg.contains("a &lt;b&gt; &amp; c"));
    }

    #[test]
    fn the_axis_is_logarithmic_and_ends_at_its_ends() {
        let step = across(10.0) - across(1.0);
        assert!((across(100.0) - across(10.0) - step).abs() < 1e-9);
        assert_eq!((across(0.0), across(1e9)), (FRAME[0], FRAME[2]));
    }
}
