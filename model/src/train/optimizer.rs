//! How gradients change weights: AdamW, and Muon for the matrices of the layers.

mod muon;

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::gradients::Gradients;
use super::network::{Network, Parameter, Role};
use crate::weights::Slot;

/// Which rule changes which weights, and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    /// Decoupled weight decay with adaptive moments (Loshchilov and Hutter 2019), for everything that Muon does not have.
    pub adam: AdamW,
    /// For the matrices of the layers when they are trained themselves; none: AdamW for all.
    pub muon: Option<Muon>,
    /// Gradients are shortened to this length together; none: they never are.
    pub clip: Option<f64>,
}

/// Settings of AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// Learning rate at the peak of the schedule.
    pub rate: f64,
    /// Decay of the mean of the gradients, and of their squares.
    pub betas: (f64, f64),
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Share of the rate by which matrices shrink at each step.
    pub weight_decay: f64,
}

/// Settings of Muon (Jordan et al. 2024): momentum, made orthogonal by Newton-Schulz steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Muon {
    /// Learning rate at the peak of the schedule.
    pub rate: f64,
    /// Momentum at the beginning, in the end, and the steps between.
    pub momentum: (f64, f64, usize),
    /// Share of the rate by which matrices shrink at each step.
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

/// What a rule remembers of a tensor: two moments, or one momentum.
pub(super) type Memory = Vec<Tensor>;

/// The rules with what they remember.
pub(super) struct Optimizing {
    settings: Optimizer,
    pub(super) memories: Vec<Memory>,
}

impl Optimizing {
    /// At the beginning.
    pub(super) fn new(settings: &Optimizer, network: &Network) -> Result<Self> {
        let memory = |parameter: &Parameter| {
            let zeros = || parameter.var.zeros_like();
            if settings.has_muon(parameter) { Ok(vec![zeros()?]) } else { Ok(vec![zeros()?, zeros()?]) }
        };
        let memories = network.parameters().iter().map(memory).collect::<Result<_>>()?;
        Ok(Self { settings: settings.clone(), memories })
    }

    /// One step, counted from 0, with a share of the peak rates. Gives the length of the gradients before clipping; weights do not
    /// change if that is not a number.
    pub(super) fn step(&mut self, network: &Network, mut gradients: Gradients, step: usize, rate: f64) -> Result<f64> {
        let norm = gradients.norm()?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        if let Some(most) = self.settings.clip {
            gradients.clip(norm, most)?;
        }
        for (at, parameter) in network.parameters().iter().enumerate() {
            let Some(gradient) = gradients.of(at) else { continue };
            let (weight, memory) = (parameter.var.as_detached_tensor(), &mut self.memories[at]);
            let new = match &self.settings.muon {
                Some(muon) if self.settings.has_muon(parameter) => muon.step(&weight, gradient, memory, step, rate)?,
                _ => self.settings.adam.step(&weight, gradient, memory, step, rate)?,
            };
            parameter.var.set(&new)?;
        }
        Ok(norm)
    }
}

impl Optimizer {
    fn has_muon(&self, parameter: &Parameter) -> bool {
        let hidden = matches!(parameter.role, Role::Base(Slot::Layer(..), _)) && parameter.var.rank() == 2;
        self.muon.is_some() && hidden
    }
}

impl AdamW {
    fn step(&self, weight: &Tensor, gradient: &Tensor, memory: &mut Memory, step: usize, rate: f64) -> Result<Tensor> {
        let ((first, second), rate) = (self.betas, self.rate * rate);
        let mean = ((&memory[0] * first)? + (gradient * (1.0 - first))?)?;
        let square = ((&memory[1] * second)? + (gradient.sqr()? * (1.0 - second))?)?;
        let steps = (step + 1) as i32;
        let root = (&square / (1.0 - second.powi(steps)))?.sqrt()?;
        let change = ((&mean / (1.0 - first.powi(steps)))? / (root + self.eps)?)?;
        let decay = if weight.rank() == 2 { self.weight_decay } else { 0.0 };
        *memory = vec![mean.detach(), square.detach()];
        (weight * (1.0 - rate * decay))? - (change * rate)?
    }
}
