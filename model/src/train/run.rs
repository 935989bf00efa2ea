//! A run from its first step to its last: rows in, weights out, with checkpoints and a file of figures.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::sample::{Packed, Position, Rows};
use super::{Step, TrainError, Trainer, checkpoint};

/// How a run is led.
#[derive(Debug, Clone)]
pub struct Run {
    /// Where checkpoints (`checkpoints/`) and figures (`metrics.jsonl`) go.
    pub folder: PathBuf,
    /// Steps of the whole run.
    pub steps: usize,
    /// Rows in a step.
    pub rows: usize,
    /// Steps between two checkpoints.
    pub save_every: usize,
    /// Steps between two looks at the held-out rows.
    pub look_every: usize,
}

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metrics {
    /// What the step did.
    #[serde(flatten)]
    pub step: Step,
    /// Seconds that it took.
    pub seconds: f64,
    /// Mean cross entropy of the held-out tokens after it, in nats, if it was looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out: Option<f64>,
}

impl Run {
    /// The figures of all steps so far.
    pub fn metrics(&self) -> Vec<Metrics> {
        read(&self.metrics_path())
    }

    fn metrics_path(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// Goes on from the newest checkpoint; gives the position of the rows that come next, or none where there is no checkpoint.
    pub fn resume(&self, trainer: &mut Trainer) -> Result<Option<Position>, TrainError> {
        checkpoint::newest(&self.checkpoints()).map(|newest| trainer.restore(&newest)).transpose()
    }

    /// Runs to the last step, or until `report` breaks off; a checkpoint is written either way. `report` hears of every step.
    pub fn lead(
        &self,
        trainer: &mut Trainer,
        rows: &mut Rows,
        held_out: &[Packed],
        mut report: impl FnMut(&Metrics) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let mut file = self.open_metrics(trainer.steps())?;
        while trainer.steps() < self.steps {
            let started = Instant::now();
            let batch = rows.by_ref().take(self.rows).collect::<Result<Vec<_>, _>>()?;
            if batch.is_empty() {
                return Err(TrainError::NoRows);
            }
            let step = trainer.step(&batch)?;
            let seconds = started.elapsed().as_secs_f64();
            let last = step.step == self.steps;
            let look = !held_out.is_empty() && (last || step.step.is_multiple_of(self.look_every.max(1)));
            let held_out = if look { Some(trainer.loss(held_out)?) } else { None };
            let metrics = Metrics { step, seconds, held_out };
            let line = serde_json::to_string(&metrics).map_err(|e| TrainError::at(&self.folder)(e.into()))?;
            writeln!(file, "{line}").map_err(TrainError::at(&self.metrics_path()))?;
            let broken_off = report(&metrics).is_break();
            if last || broken_off || step.step.is_multiple_of(self.save_every.max(1)) {
                trainer.save(&self.checkpoints(), &Rows::position(rows))?;
            }
            if broken_off {
                break;
            }
        }
        Ok(())
    }

    /// The file of figures, without those of steps that will be done again.
    fn open_metrics(&self, done: usize) -> Result<File, TrainError> {
        let path = self.metrics_path();
        std::fs::create_dir_all(&self.folder).map_err(TrainError::at(&self.folder))?;
        let kept = read(&path).into_iter().filter(|metrics| metrics.step.step <= done);
        let lines = kept.map(|metrics| serde_json::to_string(&metrics)).collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|e| TrainError::at(&path)(e.into()))?;
        let unfinished = path.with_extension("unfinished");
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        std::fs::write(&unfinished, text).map_err(TrainError::at(&unfinished))?;
        std::fs::rename(&unfinished, &path).map_err(TrainError::at(&path))?;
        File::options().append(true).open(&path).map_err(TrainError::at(&path))
    }
}

/// The figures in a file; a last line that was cut short is left out.
fn read(path: &Path) -> Vec<Metrics> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    BufReader::new(file).lines().map_while(Result::ok).map_while(|line| serde_json::from_str(&line).ok()).collect()
}
