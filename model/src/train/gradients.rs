//! Forward and backward pass: the gradients of all trained parameters for a batch.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

use super::lm_head;
use super::network::{Dropout, Network, TrainBatch};

/// The accumulated gradients of a network's parameters, in the same order.
pub(super) struct Gradients {
    sums: Vec<Option<Tensor>>,
}

/// Options of a forward and backward pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct PassOptions {
    /// Weight of each token's loss.
    pub(super) scale: f64,
    /// Dropout, if any.
    pub(super) dropout: Option<Dropout>,
    /// Gradient checkpointing (Chen et al. 2016): keep only the inputs of the layers, and compute each layer again in
    /// the backward pass.
    pub(super) recompute: bool,
}

impl Gradients {
    /// No gradients yet.
    pub(super) fn new(network: &Network) -> Self {
        Self { sums: vec![None; network.parameters().len()] }
    }

    /// Accumulates the gradients of a batch and returns the sum of its losses in nats.
    pub(super) fn add(
        &mut self,
        network: &Network,
        batch: &TrainBatch,
        targets: &[Option<u32>],
        pass: PassOptions,
    ) -> Result<f64> {
        if pass.recompute {
            self.add_recomputing_layers(network, batch, targets, pass)
        } else {
            self.add_retaining_layers(network, batch, targets, pass)
        }
    }

    fn add_retaining_layers(
        &mut self,
        network: &Network,
        batch: &TrainBatch,
        targets: &[Option<u32>],
        pass: PassOptions,
    ) -> Result<f64> {
        let mut x = network.embed(batch)?;
        for index in 0..network.config().layers {
            x = network.layer(index, &x, batch, pass.dropout)?;
        }
        let rows = network.final_norm(&x)?;
        drop(x);
        let (sum, gradient) = self.add_output_loss(network, &rows, targets, pass.scale)?;
        self.backpropagate(network, &rows, &gradient)?;
        Ok(sum)
    }

    fn add_recomputing_layers(
        &mut self,
        network: &Network,
        batch: &TrainBatch,
        targets: &[Option<u32>],
        pass: PassOptions,
    ) -> Result<f64> {
        let mut inputs = vec![network.embed(batch)?.detach()];
        for index in 0..network.config().layers {
            inputs.push(network.layer(index, &inputs[index], batch, pass.dropout)?.detach());
        }
        let last = Var::from_tensor(&inputs.pop().unwrap_or_else(|| unreachable!("the embeddings are there")))?;
        let rows = network.final_norm(last.as_tensor())?;
        let (sum, gradient) = self.add_output_loss(network, &rows, targets, pass.scale)?;
        let mut gradient = self.backpropagate_to_input(network, &rows, &gradient, &last)?;
        for (index, input) in inputs.into_iter().enumerate().rev() {
            let input = Var::from_tensor(&input)?;
            let output = network.layer(index, input.as_tensor(), batch, pass.dropout)?;
            gradient = self.backpropagate_to_input(network, &output, &gradient, &input)?;
        }
        self.backpropagate(network, &network.embed(batch)?, &gradient)?;
        Ok(sum)
    }

    /// Computes the loss and the gradient of the final hidden states, and accumulates the gradient of the output matrix
    /// if it is trained.
    fn add_output_loss(
        &mut self,
        network: &Network,
        rows: &Tensor,
        targets: &[Option<u32>],
        scale: f64,
    ) -> Result<(f64, Tensor)> {
        let trained = network.lm_head_parameter();
        let loss = lm_head::loss_with_gradients(&rows.detach(), &network.lm_head(), targets, scale, trained.is_some())?;
        if let (Some(at), Some(gradient)) = (trained, loss.weight_gradient) {
            self.accumulate(at, gradient)?;
        }
        Ok((loss.sum, loss.hidden_gradient))
    }

    /// Accumulates the gradients of the parameters that `y` was computed from, given the gradient of `y`.
    fn backpropagate(&mut self, network: &Network, y: &Tensor, gradient: &Tensor) -> Result<GradStore> {
        let store = (y * gradient.detach())?.sum_all()?.backward()?;
        for (at, parameter) in network.parameters().iter().enumerate() {
            if let Some(gradient) = store.get(&parameter.var) {
                self.accumulate(at, gradient.clone())?;
            }
        }
        Ok(store)
    }

    /// Like [`Self::backpropagate`], and returns the gradient of `x`.
    fn backpropagate_to_input(&mut self, network: &Network, y: &Tensor, gradient: &Tensor, x: &Var) -> Result<Tensor> {
        let store = self.backpropagate(network, y, gradient)?;
        store.get(x).cloned().ok_or_else(|| candle_core::Error::msg("a layer does not depend on its input"))
    }

    fn accumulate(&mut self, at: usize, gradient: Tensor) -> Result<()> {
        let sum = match self.sums[at].take() {
            Some(sum) => (sum + gradient)?,
            None => gradient,
        };
        // Detaching frees the graph of the gradient's computation.
        self.sums[at] = Some(sum.detach());
        Ok(())
    }

    /// The gradient of the parameter with this index; `None` if the loss does not depend on it.
    pub(super) fn gradient(&self, parameter: usize) -> Option<&Tensor> {
        self.sums[parameter].as_ref()
    }

    /// The L2 norm of all gradients together.
    pub(super) fn norm(&self) -> Result<f64> {
        let squares =
            self.sums.iter().flatten().map(|gradient| Ok(f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?)));
        Ok(squares.sum::<Result<f64>>()?.sqrt())
    }

    /// Scales the gradients down so that their norm is at most `max_norm` (Pascanu et al. 2013). `norm` is their
    /// current norm.
    pub(super) fn clip(&mut self, norm: f64, max_norm: f64) -> Result<()> {
        if norm <= max_norm {
            return Ok(());
        }
        for gradient in self.sums.iter_mut().flatten() {
            *gradient = (&*gradient * (max_norm / norm))?;
        }
        Ok(())
    }
}
