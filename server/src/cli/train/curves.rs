//! The picture of a run: the loss of every step and of the held-out text, and the learning rate below.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use foretype_model::train::run::Metrics;
use serde::Deserialize;

/// Arguments of `foretype train curves`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Lines of JSON with `step`, `loss`, `rate` (the share of its peak) and, now and then, `held_out`
    metrics: PathBuf,
    /// Where the picture goes
    #[arg(short, long, default_value = "curves.svg")]
    output: PathBuf,
}

/// What of a step is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Point {
    step: usize,
    loss: f64,
    rate: f64,
    #[serde(default)]
    held_out: Option<f64>,
}

impl From<Metrics> for Point {
    fn from(metrics: Metrics) -> Self {
        let Metrics { step, held_out, .. } = metrics;
        Self { step: step.step, loss: step.loss, rate: step.rate, held_out }
    }
}

/// Runs `foretype train curves`.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let points = read(&args.metrics)?;
    std::fs::write(&args.output, svg(&points)).with_context(|| format!("cannot write {}", args.output.display()))?;
    println!("{}", args.output.display());
    Ok(ExitCode::SUCCESS)
}

/// The steps of a file. Where a run was taken up again, steps stand there twice: the last ones count.
fn read(path: &Path) -> Result<Vec<Point>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let mut points: Vec<Point> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let point: Point =
            serde_json::from_str(line).with_context(|| format!("{name}:{number} is no step of a run"))?;
        points.truncate(points.partition_point(|before| before.step < point.step));
        points.push(point);
    }
    ensure!(!points.is_empty(), "{name} has no steps");
    Ok(points)
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// The frame of the losses: left, top, right, bottom.
const FRAME: [f64; 4] = [60.0, 40.0, 700.0, 290.0];
/// The frame of the rate.
const BELOW: [f64; 4] = [60.0, 320.0, 700.0, 370.0];
/// Steps over which the smooth curve averages, as a share of all.
const SMOOTH: f64 = 0.02;

/// As an SVG file.
pub(super) fn svg(points: &[Point]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" font-size=\"12\" fill=\"#222222\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fcfcfa\"/>\n"
    );
    let losses: Vec<(f64, f64)> = points.iter().map(|point| (point.step as f64, point.loss)).collect();
    let held_out: Vec<(f64, f64)> =
        points.iter().filter_map(|point| Some((point.step as f64, point.held_out?))).collect();
    let rates: Vec<(f64, f64)> = points.iter().map(|point| (point.step as f64, point.rate)).collect();
    let all = losses.iter().chain(&held_out).map(|(_, loss)| *loss);
    let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), loss| (low.min(loss), high.max(loss)));
    let last = losses.last().map_or(1.0, |(step, _)| *step).max(1.0);
    let (low, high) = if low < high { (low, high) } else { (low.min(0.0), low.max(0.0) + 1.0) };
    let losses_on = Axes { frame: FRAME, last, low, high };
    losses_on.draw(&mut out, &losses, "#b9d6cc", 1.0);
    losses_on.draw(&mut out, &smooth(&losses), "#0b6e4f", 2.0);
    losses_on.draw(&mut out, &held_out, "#c1432e", 2.0);
    losses_on.marks(&mut out);
    Axes { frame: BELOW, last, low: 0.0, high: 1.0 }.draw(&mut out, &rates, "#4a6fa5", 1.5);
    let words = [
        (FRAME[0], 24.0, "#0b6e4f", "loss, nats a token"),
        (FRAME[0] + 190.0, 24.0, "#c1432e", "held-out"),
        (BELOW[0], BELOW[1] - 8.0, "#4a6fa5", "learning rate, share of its peak"),
    ];
    for (x, y, colour, text) in words {
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{text}</text>");
    }
    let (x, y) = (FRAME[2], HEIGHT - 8.0);
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">step {last}</text>");
    out + "</svg>\n"
}

/// The mean of the steps around each.
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let reach = (points.len() as f64 * SMOOTH).ceil() as usize;
    let mean = |at: usize| {
        let around = &points[at.saturating_sub(reach)..(at + reach + 1).min(points.len())];
        (points[at].0, around.iter().map(|(_, y)| y).sum::<f64>() / around.len() as f64)
    };
    (0..points.len()).map(mean).collect()
}

/// Where numbers lie in a frame.
struct Axes {
    frame: [f64; 4],
    last: f64,
    low: f64,
    high: f64,
}

impl Axes {
    fn place(&self, (step, value): (f64, f64)) -> (f64, f64) {
        let [left, top, right, bottom] = self.frame;
        let across = left + step / self.last * (right - left);
        (across, bottom - (value - self.low) / (self.high - self.low) * (bottom - top))
    }

    fn draw(&self, out: &mut String, points: &[(f64, f64)], colour: &str, width: f64) {
        let [left, top, right, bottom] = self.frame;
        let (w, h) = (right - left, bottom - top);
        let _ = write!(
            out,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{w}\" height=\"{h}\" fill=\"none\" stroke=\"#cccccc\"/>"
        );
        let _ = write!(out, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" points=\"");
        for point in points {
            let (x, y) = self.place(*point);
            let _ = write!(out, "{x:.1},{y:.1} ");
        }
        out.push_str("\"/>\n");
    }

    /// Five values at the left.
    fn marks(&self, out: &mut String) {
        for part in 0..=4 {
            let value = self.low + (self.high - self.low) * f64::from(part) / 4.0;
            let (_, y) = self.place((0.0, value));
            let x = self.frame[0] - 6.0;
            let _ = writeln!(out, "<text x=\"{x}\" y=\"{:.1}\" text-anchor=\"end\">{value:.2}</text>", y + 4.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(losses: &[f64]) -> Vec<Point> {
        let one = |(step, loss): (usize, &f64)| Point {
            step,
            loss: *loss,
            rate: 1.0,
            held_out: step.is_multiple_of(2).then_some(*loss),
        };
        (1..).zip(losses).map(one).collect()
    }

    #[test]
    fn of_steps_that_were_taken_twice_the_last_count() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metrics.jsonl");
        let line = |step, loss| format!("{{\"step\": {step}, \"loss\": {loss}, \"tokens\": 9, \"rate\": 1.0}}\n");
        std::fs::write(&path, [line(1, 5), line(2, 4), line(3, 9), line(3, 2), line(4, 1)].concat()).expect("writable");
        let read = read(&path).expect("steps");
        assert_eq!(read.iter().map(|point| point.loss).collect::<Vec<_>>(), [5.0, 4.0, 2.0, 1.0]);
        std::fs::write(&path, "{\"step\": 1}").expect("writable");
        assert!(super::read(&path).expect_err("no loss").to_string().contains("metrics.jsonl:1"));
    }

    #[test]
    fn a_picture_stays_inside_its_frame() {
        let picture = svg(&steps(&[4.0, 3.0, 2.5, 2.4]));
        let polyline = picture.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a curve");
        for point in polyline.split_whitespace() {
            let (x, y) = point.split_once(',').expect("a pair");
            let (x, y): (f64, f64) = (x.parse().expect("a number"), y.parse().expect("a number"));
            assert!((FRAME[0]..=FRAME[2]).contains(&x) && (FRAME[1]..=FRAME[3]).contains(&y), "{point}");
        }
        assert_eq!(picture.matches("<polyline").count(), 4);
    }

    #[test]
    fn a_run_of_one_step_or_none_has_a_picture() {
        assert!(!svg(&steps(&[2.0])).contains("NaN") && !svg(&[]).contains("NaN"));
    }
}
