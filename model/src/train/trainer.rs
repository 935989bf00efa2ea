//! The trainer: training steps and held-out losses of a network.

use std::path::{Path, PathBuf};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::gradients::{Gradients, PassOptions};
use super::initial_weights::InitialWeights;
use super::network::{Dropout, Network, TrainBatch, TrainingMode};
use super::operations::Precision;
use super::optimizer::{OptimizerConfig, OptimizerState};
use super::sample::PackedRow;
use super::schedule::Schedule;
use super::{TrainError, lm_head};
use crate::config::Config;
use crate::weights::LoadError;
use crate::weights::model_files::ModelFiles;

/// Everything that determines how weights change. The same plan, base model and rows produce the same weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingPlan {
    /// The set of trained weights.
    pub mode: TrainingMode,
    /// Configuration of the optimizers.
    pub optimizer: OptimizerConfig,
    /// The learning-rate schedule.
    pub schedule: Schedule,
    /// Number of rows whose gradients are summed in a step.
    pub rows: usize,
    /// Dropout probability of what attention and feed-forward network add to the residual stream. Adapters have their
    /// own ([`LoraConfig::dropout`](super::LoraConfig)).
    #[serde(default)]
    pub dropout: f64,
    /// Gradient checkpointing: layers are computed again in the backward pass instead of keeping their activations,
    /// which takes less memory and a third more time.
    pub recompute: bool,
    /// The number format of products.
    #[serde(default)]
    pub precision: Precision,
    /// Seed of new weights and of dropout.
    pub seed: u64,
}

/// The initial weights of a network.
#[derive(Debug, Clone)]
pub enum BaseModel {
    /// The weights of a GGUF file or a Hugging Face directory.
    Pretrained(PathBuf),
    /// Random weights.
    New(Box<Config>),
}

impl BaseModel {
    /// The network before the first step. `seed` determines all new weights.
    pub(super) fn network(
        &self,
        mode: &TrainingMode,
        precision: Precision,
        seed: u64,
        device: &Device,
    ) -> Result<Network, LoadError> {
        match self {
            Self::Pretrained(path) => {
                let opened = ModelFiles::open(path)?;
                Network::load(opened.config(), &*opened.source(device), mode, precision, seed, device)
            }
            Self::New(config) => {
                let config =
                    (**config).clone().validated().map_err(|fault| fault.in_file(Path::new("the new model")))?;
                Network::load(&config, &InitialWeights::new(seed), mode, precision, seed, device)
            }
        }
    }
}

/// A network in training.
pub struct Trainer {
    pub(super) network: Network,
    pub(super) optimizer_state: OptimizerState,
    plan: TrainingPlan,
    pub(super) step: usize,
}

/// The result of a training step.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct StepReport {
    /// The number of the step, counted from 1.
    pub step: usize,
    /// Mean cross entropy of the target tokens, in nats.
    pub loss: f64,
    /// Number of target tokens.
    pub tokens: usize,
    /// The learning rate relative to its peak.
    pub rate: f64,
    /// L2 norm of the gradients before clipping.
    pub norm: f64,
}

impl Trainer {
    /// A trainer before the first step.
    ///
    /// # Errors
    /// Fails if the base model cannot be loaded or the device is out of memory.
    pub fn new(base: &BaseModel, plan: &TrainingPlan, device: &Device) -> Result<Self, TrainError> {
        let network = base.network(&plan.mode, plan.precision, plan.seed, device)?;
        let optimizing = OptimizerState::new(&plan.optimizer, &network)?;
        Ok(Self { network, optimizer_state: optimizing, plan: plan.clone(), step: 0 })
    }

    /// The set of trained weights.
    pub(crate) fn mode(&self) -> &TrainingMode {
        &self.plan.mode
    }

    /// Number of completed steps.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// Number of trained weights.
    pub fn parameter_count(&self) -> usize {
        self.network.parameters().iter().map(|parameter| parameter.var.elem_count()).sum()
    }

    /// Takes an optimizer step on a batch of rows.
    ///
    /// # Errors
    /// Fails if the loss or a gradient is not finite; then no weight has changed.
    pub fn step(&mut self, rows: &[PackedRow]) -> Result<StepReport, TrainError> {
        let tokens = target_count(rows);
        let mut gradients = Gradients::new(&self.network);
        let mut sum = 0.0;
        for (index, row) in rows.iter().enumerate() {
            let seed = self.plan.seed ^ ((self.step as u64) << 24) ^ index as u64;
            let pass = PassOptions {
                scale: 1.0 / tokens.max(1) as f64,
                dropout: Some(Dropout { seed, residual: self.plan.dropout }),
                recompute: self.plan.recompute,
            };
            let batch = TrainBatch { tokens: &row.tokens, segments: &row.segments };
            sum += gradients.add(&self.network, &batch, &row.targets, pass)?;
        }
        let rate = self.plan.schedule.rate(self.step);
        let norm = self.optimizer_state.step(&self.network, gradients, self.step, rate)?;
        let step = StepReport { step: self.step + 1, loss: sum / tokens.max(1) as f64, tokens, rate, norm };
        if !(step.loss.is_finite() && norm.is_finite()) {
            return Err(TrainError::NonFiniteLoss { step: step.step });
        }
        self.step += 1;
        Ok(step)
    }

    /// Mean cross entropy on held-out rows, in nats per target token.
    ///
    /// # Errors
    /// Fails if a tensor operation fails.
    pub(crate) fn held_out_loss(&self, rows: &[PackedRow]) -> Result<f64, TrainError> {
        let mut sum = 0.0;
        for row in rows {
            let batch = TrainBatch { tokens: &row.tokens, segments: &row.segments };
            let mut x = self.network.embed(&batch)?;
            for index in 0..self.network.config().layers {
                x = self.network.layer(index, &x, &batch, None)?.detach();
            }
            let x = self.network.final_norm(&x)?.detach();
            sum += lm_head::sum(&x, &self.network.lm_head(), &row.targets)?;
        }
        Ok(sum / target_count(rows).max(1) as f64)
    }
}

/// Number of target tokens.
fn target_count(rows: &[PackedRow]) -> usize {
    rows.iter().map(|row| row.targets.iter().flatten().count()).sum()
}

impl From<LoadError> for TrainError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}
