//! A training run with checkpoints and a metrics file.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::sample::{PackedRow, RowStream, StreamPosition};
use super::{StepReport, TrainError, Trainer, checkpoint};

/// Settings of a training run.
#[derive(Debug, Clone)]
pub struct TrainingRun {
    /// Directory of the checkpoints (`checkpoints/`) and metrics (`metrics.jsonl`).
    pub folder: PathBuf,
    /// Number of steps of the whole run.
    pub steps: usize,
    /// Number of rows in a step.
    pub rows_per_step: usize,
    /// Number of steps between checkpoints.
    pub save_every: usize,
    /// Number of steps between evaluations on the held-out rows.
    pub evaluate_every: usize,
}

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepMetrics {
    /// The step's report.
    #[serde(flatten)]
    pub step: StepReport,
    /// Duration of the step in seconds.
    pub seconds: f64,
    /// Mean cross entropy of the held-out tokens after the step, in nats, if it was evaluated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out: Option<f64>,
}

impl TrainingRun {
    /// The metrics of all steps so far.
    pub fn metrics(&self) -> Vec<StepMetrics> {
        read_metrics(&self.metrics_path())
    }

    fn metrics_path(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// Resumes from the newest checkpoint and returns the position in the data, or `None` if there is no checkpoint.
    ///
    /// # Errors
    /// Fails if a file cannot be read, or if the checkpoint was written by a run with another base model or plan.
    pub fn resume(&self, trainer: &mut Trainer) -> Result<Option<StreamPosition>, TrainError> {
        checkpoint::newest(&self.checkpoints()).map(|newest| trainer.restore(&newest)).transpose()
    }

    /// Trains up to the last step, or until `report`, which is called after every step, returns `Break`. A checkpoint
    /// is written in either case.
    ///
    /// # Errors
    /// Fails if no row can be made from the data, if the loss is not finite, or if a file cannot be written.
    pub fn run(
        &self,
        trainer: &mut Trainer,
        rows: &mut RowStream,
        held_out: &[PackedRow],
        mut report: impl FnMut(&StepMetrics) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let mut file = self.open_metrics(trainer.steps())?;
        while trainer.steps() < self.steps {
            let started = Instant::now();
            let batch = rows.by_ref().take(self.rows_per_step).collect::<Result<Vec<_>, _>>()?;
            if batch.is_empty() {
                return Err(TrainError::NoRows);
            }
            let step = trainer.step(&batch)?;
            let seconds = started.elapsed().as_secs_f64();
            let last = step.step == self.steps;
            let evaluate = !held_out.is_empty() && (last || step.step.is_multiple_of(self.evaluate_every.max(1)));
            let held_out = if evaluate { Some(trainer.held_out_loss(held_out)?) } else { None };
            let metrics = StepMetrics { step, seconds, held_out };
            let line = serde_json::to_string(&metrics).map_err(|e| TrainError::io(&self.folder)(e.into()))?;
            writeln!(file, "{line}").map_err(TrainError::io(&self.metrics_path()))?;
            let stopped = report(&metrics).is_break();
            if last || stopped || step.step.is_multiple_of(self.save_every.max(1)) {
                trainer.save(&self.checkpoints(), &RowStream::position(rows))?;
            }
            if stopped {
                break;
            }
        }
        Ok(())
    }

    /// Opens the metrics file for appending, after removing the metrics of steps that will be repeated.
    fn open_metrics(&self, done: usize) -> Result<File, TrainError> {
        let path = self.metrics_path();
        std::fs::create_dir_all(&self.folder).map_err(TrainError::io(&self.folder))?;
        let kept = read_metrics(&path).into_iter().filter(|metrics| metrics.step.step <= done);
        let lines = kept.map(|metrics| serde_json::to_string(&metrics)).collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|e| TrainError::io(&path)(e.into()))?;
        let unfinished = path.with_extension("unfinished");
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        std::fs::write(&unfinished, text).map_err(TrainError::io(&unfinished))?;
        std::fs::rename(&unfinished, &path).map_err(TrainError::io(&path))?;
        File::options().append(true).open(&path).map_err(TrainError::io(&path))
    }
}

/// Reads a metrics file up to the first line that is incomplete.
fn read_metrics(path: &Path) -> Vec<StepMetrics> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    BufReader::new(file).lines().map_while(Result::ok).map_while(|line| serde_json::from_str(&line).ok()).collect()
}
