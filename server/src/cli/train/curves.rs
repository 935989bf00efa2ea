//! Chart of a training run: the loss of each step and of the held-out text, and below it the learning rate.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use foretype_model::train::run::StepMetrics;
use serde::Deserialize;

/// Arguments of `foretype train curves`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File to read: lines of JSON with `step`, `loss`, `rate` (as a share of its peak) and optionally `held_out`
    metrics: PathBuf,
    /// SVG file to write
    #[arg(short, long, default_value = "curves.svg")]
    output: PathBuf,
}

/// Figures of one step.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct CurvePoint {
    step: usize,
    loss: f64,
    rate: f64,
    #[serde(default)]
    held_out: Option<f64>,
}

impl From<StepMetrics> for CurvePoint {
    fn from(metrics: StepMetrics) -> Self {
        let StepMetrics { step, held_out, .. } = metrics;
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

/// Reads the steps of a file. After a run was resumed, some steps are in the file twice: the last ones count.
fn read(path: &Path) -> Result<Vec<CurvePoint>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let mut points: Vec<CurvePoint> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let point: CurvePoint =
            serde_json::from_str(line).with_context(|| format!("{name}:{number} is not a step of a run"))?;
        points.truncate(points.partition_point(|before| before.step < point.step));
        points.push(point);
    }
    ensure!(!points.is_empty(), "{name} has no steps");
    Ok(points)
}

/// Size of the chart in pixels.
const PICTURE_WIDTH: f64 = 720.0;
const PICTURE_HEIGHT: f64 = 400.0;
/// Frame of the losses: left, top, right, bottom.
const LOSS_FRAME: [f64; 4] = [60.0, 40.0, 700.0, 290.0];
/// Frame of the learning rate.
const RATE_FRAME: [f64; 4] = [60.0, 320.0, 700.0, 370.0];
/// Reach of the moving average in each direction, as a share of all steps.
const SMOOTHING_SHARE: f64 = 0.02;

/// Draws the chart as SVG.
pub(super) fn svg(points: &[CurvePoint]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{PICTURE_WIDTH}\" height=\"{PICTURE_HEIGHT}\" \
         viewBox=\"0 0 {PICTURE_WIDTH} {PICTURE_HEIGHT}\" \
         font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" font-size=\"12\" fill=\"#222222\">\n\
         <rect width=\"{PICTURE_WIDTH}\" height=\"{PICTURE_HEIGHT}\" fill=\"#fcfcfa\"/>\n"
    );
    let losses: Vec<(f64, f64)> = points.iter().map(|point| (point.step as f64, point.loss)).collect();
    let held_out: Vec<(f64, f64)> =
        points.iter().filter_map(|point| Some((point.step as f64, point.held_out?))).collect();
    let rates: Vec<(f64, f64)> = points.iter().map(|point| (point.step as f64, point.rate)).collect();
    let all = losses.iter().chain(&held_out).map(|(_, loss)| *loss);
    let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), loss| (low.min(loss), high.max(loss)));
    let last = losses.last().map_or(1.0, |(step, _)| *step).max(1.0);
    let (low, high) = if low < high { (low, high) } else { (low.min(0.0), low.max(0.0) + 1.0) };
    let losses_on = ChartAxes { frame: LOSS_FRAME, last, low, high };
    losses_on.draw(&mut out, &losses, "#b9d6cc", 1.0);
    losses_on.draw(&mut out, &smooth(&losses), "#0b6e4f", 2.0);
    losses_on.draw(&mut out, &held_out, "#c1432e", 2.0);
    losses_on.marks(&mut out);
    ChartAxes { frame: RATE_FRAME, last, low: 0.0, high: 1.0 }.draw(&mut out, &rates, "#4a6fa5", 1.5);
    let words = [
        (LOSS_FRAME[0], 24.0, "#0b6e4f", "loss (nats per token)"),
        (LOSS_FRAME[0] + 190.0, 24.0, "#c1432e", "held-out"),
        (RATE_FRAME[0], RATE_FRAME[1] - 8.0, "#4a6fa5", "learning rate (share of its peak)"),
    ];
    for (x, y, colour, text) in words {
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{text}</text>");
    }
    let (x, y) = (LOSS_FRAME[2], PICTURE_HEIGHT - 8.0);
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">step {last}</text>");
    out + "</svg>\n"
}

/// Returns the moving average.
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let reach = (points.len() as f64 * SMOOTHING_SHARE).ceil() as usize;
    let mean = |at: usize| {
        let around = &points[at.saturating_sub(reach)..(at + reach + 1).min(points.len())];
        (points[at].0, around.iter().map(|(_, y)| y).sum::<f64>() / around.len() as f64)
    };
    (0..points.len()).map(mean).collect()
}

/// Scale of a frame.
struct ChartAxes {
    frame: [f64; 4],
    last: f64,
    low: f64,
    high: f64,
}

impl ChartAxes {
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

    /// Draws five labels at the left.
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

    fn steps(losses: &[f64]) -> Vec<CurvePoint> {
        let one = |(step, loss): (usize, &f64)| CurvePoint {
            step,
            loss: *loss,
            rate: 1.0,
            held_out: step.is_multiple_of(2).then_some(*loss),
        };
        (1..).zip(losses).map(one).collect()
    }

    #[test]
    fn the_last_of_repeated_steps_counts() {
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
    fn the_curves_stay_inside_the_frame() {
        let picture = svg(&steps(&[4.0, 3.0, 2.5, 2.4]));
        let polyline = picture.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a curve");
        for point in polyline.split_whitespace() {
            let (x, y) = point.split_once(',').expect("a pair");
            let (x, y): (f64, f64) = (x.parse().expect("a number"), y.parse().expect("a number"));
            assert!(
                (LOSS_FRAME[0]..=LOSS_FRAME[2]).contains(&x) && (LOSS_FRAME[1]..=LOSS_FRAME[3]).contains(&y),
                "{point}"
            );
        }
        assert_eq!(picture.matches("<polyline").count(), 4);
    }

    #[test]
    fn a_run_of_one_step_or_none_can_be_drawn() {
        assert!(!svg(&steps(&[2.0])).contains("NaN") && !svg(&[]).contains("NaN"));
    }
}
