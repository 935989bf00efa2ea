//! Optimizers: AdamW, and Muon for the matrices of the layers.

mod muon;

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::gradients::Gradients;
use super::network::{Network, Parameter, ParameterRole};
use crate::weights::Slot;

/// Configuration of the optimizers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptimizerConfig {
    /// AdamW (Loshchilov and Hutter 2019), for all parameters that Muon does not train.
    pub adam: AdamW,
    /// Muon for the matrices of the layers in full training; `None` uses AdamW for all parameters.
    pub muon: Option<Muon>,
    /// Maximum L2 norm of all gradients together; `None` disables clipping.
    pub clip: Option<f64>,
}

/// Hyperparameters of AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// Peak learning rate.
    pub rate: f64,
    /// Decay rates of the mean of the gradients and of the mean of their squares.
    pub betas: (f64, f64),
    /// Epsilon that is added to the root of the mean square.
    pub eps: f64,
    /// Weight decay of matrices, multiplied by the learning rate at each step.
    pub weight_decay: f64,
}

/// Hyperparameters of Muon (Jordan et al. 2024), which orthogonalises the momentum by Newton-Schulz iterations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Muon {
    /// Peak learning rate.
    pub rate: f64,
    /// Initial momentum, final momentum, and the number of steps between them.
    pub momentum: (f64, f64, usize),
    /// Weight decay of matrices, multiplied by the learning rate at each step.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { rate: 3e-4, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 }
    }
}

impl Default for Muon {
    fn default() -> Self {
        Self { rate: 0.02, momentum: (0.85, 0.95, 300), weight_decay: 0.0 }
    }
}

/// Optimizer state of a parameter: both moments for AdamW, or the momentum for Muon.
pub(super) type Moments = Vec<Tensor>;

/// The optimizers with the state of all parameters.
pub(super) struct OptimizerState {
    settings: OptimizerConfig,
    pub(super) moments: Vec<Moments>,
}

impl OptimizerState {
    /// The initial state.
    pub(super) fn new(settings: &OptimizerConfig, network: &Network) -> Result<Self> {
        let initial = |parameter: &Parameter| {
            let zeros = || parameter.var.zeros_like();
            if settings.uses_muon(parameter) { Ok(vec![zeros()?]) } else { Ok(vec![zeros()?, zeros()?]) }
        };
        let memories = network.parameters().iter().map(initial).collect::<Result<_>>()?;
        Ok(Self { settings: settings.clone(), moments: memories })
    }

    /// Updates the parameters in a step, counted from 0. `rate` is relative to the peak learning rates. Returns the
    /// norm of the gradients before clipping; if it is not finite, no parameter changes.
    pub(super) fn step(&mut self, network: &Network, mut gradients: Gradients, step: usize, rate: f64) -> Result<f64> {
        let norm = gradients.norm()?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        if let Some(max_norm) = self.settings.clip {
            gradients.clip(norm, max_norm)?;
        }
        for (at, parameter) in network.parameters().iter().enumerate() {
            let Some(gradient) = gradients.gradient(at) else { continue };
            let (weight, moments) = (parameter.var.as_detached_tensor(), &mut self.moments[at]);
            let new = match &self.settings.muon {
                Some(muon) if self.settings.uses_muon(parameter) => {
                    muon.step(&weight, gradient, moments, step, rate)?
                }
                _ => self.settings.adam.step(&weight, gradient, moments, step, rate)?,
            };
            parameter.var.set(&new)?;
        }
        Ok(norm)
    }
}

impl OptimizerConfig {
    fn uses_muon(&self, parameter: &Parameter) -> bool {
        let hidden = matches!(parameter.role, ParameterRole::Base(Slot::Layer(..), _)) && parameter.var.rank() == 2;
        self.muon.is_some() && hidden
    }
}

impl AdamW {
    fn step(
        &self,
        weight: &Tensor,
        gradient: &Tensor,
        moments: &mut Moments,
        step: usize,
        rate: f64,
    ) -> Result<Tensor> {
        let ((first, second), rate) = (self.betas, self.rate * rate);
        let mean = ((&moments[0] * first)? + (gradient * (1.0 - first))?)?;
        let square = ((&moments[1] * second)? + (gradient.sqr()? * (1.0 - second))?)?;
        let steps = (step + 1) as i32;
        let root = (&square / (1.0 - second.powi(steps)))?.sqrt()?;
        let change = ((&mean / (1.0 - first.powi(steps)))? / (root + self.eps)?)?;
        let decay = if weight.rank() == 2 { self.weight_decay } else { 0.0 };
        *moments = vec![mean.detach(), square.detach()];
        (weight * (1.0 - rate * decay))? - (change * rate)?
    }
}
