//! A network in training: steps, losses on held-out text, checkpoints.

use std::path::{Path, PathBuf};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::gradients::{Gradients, Pass};
use super::initial::Initial;
use super::network::{Batch, Dropout, Mode, Network};
use super::operations::Precision;
use super::optimizer::{Optimizer, Optimizing};
use super::sample::Packed;
use super::schedule::Schedule;
use super::{TrainError, head};
use crate::config::Config;
use crate::weights::LoadError;
use crate::weights::model_files::ModelFiles;

/// Everything that decides how weights change; the same plan, base and rows give the same weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Which weights are trained.
    pub mode: Mode,
    /// How gradients change them.
    pub optimizer: Optimizer,
    /// How fast over the run.
    pub schedule: Schedule,
    /// Rows of tokens whose gradients are summed for one step.
    pub rows: usize,
    /// The share of what attention and feed-forward add that is left out at random while training; an adapter has its own
    /// ([`Lora::dropout`](super::Lora)).
    #[serde(default)]
    pub dropout: f64,
    /// Whether layers are computed again on the way back instead of being kept: less memory, a third more time.
    pub recompute: bool,
    /// In which numbers products are computed.
    #[serde(default)]
    pub precision: Precision,
    /// Seed of new weights and of what is left out.
    pub seed: u64,
}

/// Where a network begins.
#[derive(Debug, Clone)]
pub enum Base {
    /// With the weights of a GGUF file or a Hugging Face directory.
    Model(PathBuf),
    /// With random weights.
    New(Box<Config>),
}

impl Base {
    /// The network before the first step. `seed` decides all that is new in it.
    pub(super) fn network(
        &self,
        mode: &Mode,
        precision: Precision,
        seed: u64,
        device: &Device,
    ) -> Result<Network, LoadError> {
        match self {
            Self::Model(path) => {
                let opened = ModelFiles::open(path)?;
                Network::load(opened.config(), &*opened.source(device), mode, precision, seed, device)
            }
            Self::New(config) => {
                let config = (**config).clone().validated().map_err(|fault| fault.in_file(Path::new("the new model")))?;
                Network::load(&config, &Initial::new(seed), mode, precision, seed, device)
            }
        }
    }
}

/// A network in training.
pub struct Trainer {
    pub(super) network: Network,
    pub(super) optimizing: Optimizing,
    plan: Plan,
    pub(super) step: usize,
}

/// What a step did.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Step {
    /// Which step, counted from 1.
    pub step: usize,
    /// Mean cross entropy of the tokens that count, in nats.
    pub loss: f64,
    /// Tokens that count.
    pub tokens: usize,
    /// The share of the peak rate.
    pub rate: f64,
    /// Length of the gradients before clipping.
    pub norm: f64,
}

impl Trainer {
    /// Before the first step.
    pub fn new(base: &Base, plan: &Plan, device: &Device) -> Result<Self, TrainError> {
        let network = base.network(&plan.mode, plan.precision, plan.seed, device)?;
        let optimizing = Optimizing::new(&plan.optimizer, &network)?;
        Ok(Self { network, optimizing, plan: plan.clone(), step: 0 })
    }

    /// Which weights are trained.
    pub fn mode(&self) -> &Mode {
        &self.plan.mode
    }

    /// How many steps are done.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// Numbers that are trained.
    pub fn parameters(&self) -> usize {
        self.network.parameters().iter().map(|parameter| parameter.var.elem_count()).sum()
    }

    /// One step on some rows.
    ///
    /// # Errors
    /// If the loss or a gradient is not a number: then no weight has changed.
    pub fn step(&mut self, rows: &[Packed]) -> Result<Step, TrainError> {
        let tokens = counted(rows);
        let mut gradients = Gradients::none(&self.network);
        let mut sum = 0.0;
        for (index, row) in rows.iter().enumerate() {
            let seed = self.plan.seed ^ ((self.step as u64) << 24) ^ index as u64;
            let pass = Pass {
                scale: 1.0 / tokens.max(1) as f64,
                dropout: Some(Dropout { seed, residual: self.plan.dropout }),
                recompute: self.plan.recompute,
            };
            let batch = Batch { tokens: &row.tokens, segments: &row.segments };
            sum += gradients.add(&self.network, &batch, &row.targets, pass)?;
        }
        let rate = self.plan.schedule.rate(self.step);
        let norm = self.optimizing.step(&self.network, gradients, self.step, rate)?;
        let step = Step { step: self.step + 1, loss: sum / tokens.max(1) as f64, tokens, rate, norm };
        if !(step.loss.is_finite() && norm.is_finite()) {
            return Err(TrainError::NotANumber { step: step.step });
        }
        self.step += 1;
        Ok(step)
    }

    /// The mean cross entropy on rows that are not learned from, in nats.
    pub fn loss(&self, rows: &[Packed]) -> Result<f64, TrainError> {
        let mut sum = 0.0;
        for row in rows {
            let batch = Batch { tokens: &row.tokens, segments: &row.segments };
            let mut x = self.network.embed(&batch)?;
            for index in 0..self.network.config().layers {
                x = self.network.layer(index, &x, &batch, None)?.detach();
            }
            let x = self.network.normalise(&x)?.detach();
            sum += head::sum(&x, &self.network.output(), &row.targets)?;
        }
        Ok(sum / counted(rows).max(1) as f64)
    }
}

/// Tokens that count.
fn counted(rows: &[Packed]) -> usize {
    rows.iter().map(|row| row.targets.iter().flatten().count()).sum()
}

impl From<LoadError> for TrainError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}
