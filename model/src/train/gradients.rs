//! From a batch to the gradient of every trained tensor.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

use super::head;
use super::network::{Batch, Dropout, Network};

/// The gradients of a network's parameters, in their order.
pub(super) struct Gradients {
    of: Vec<Option<Tensor>>,
}

/// How a batch goes through the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    /// What the loss of each row counts.
    pub(super) scale: f64,
    /// Random numbers, where numbers are left out.
    pub(super) dropout: Option<Dropout>,
    /// Whether only the inputs of the layers are kept, and each layer is computed again on the way back (Chen et al. 2016).
    pub(super) recompute: bool,
}

impl Gradients {
    /// None yet.
    pub(super) fn none(network: &Network) -> Self {
        Self { of: vec![None; network.parameters().len()] }
    }

    /// Adds those of a batch; gives the sum of its losses in nats.
    pub(super) fn add(&mut self, network: &Network, batch: &Batch, targets: &[Option<u32>], pass: Pass) -> Result<f64> {
        if pass.recompute {
            self.add_by_layer(network, batch, targets, pass)
        } else {
            self.add_at_once(network, batch, targets, pass)
        }
    }

    fn add_at_once(&mut self, network: &Network, batch: &Batch, targets: &[Option<u32>], pass: Pass) -> Result<f64> {
        let mut x = network.embed(batch)?;
        for index in 0..network.config().layers {
            x = network.layer(index, &x, batch, pass.dropout)?;
        }
        let rows = network.normalise(&x)?;
        drop(x);
        let (sum, gradient) = self.head(network, &rows, targets, pass.scale)?;
        self.back(network, &rows, &gradient)?;
        Ok(sum)
    }

    fn add_by_layer(&mut self, network: &Network, batch: &Batch, targets: &[Option<u32>], pass: Pass) -> Result<f64> {
        let mut inputs = vec![network.embed(batch)?.detach()];
        for index in 0..network.config().layers {
            inputs.push(network.layer(index, &inputs[index], batch, pass.dropout)?.detach());
        }
        let last = Var::from_tensor(&inputs.pop().unwrap_or_else(|| unreachable!("the embeddings are there")))?;
        let rows = network.normalise(last.as_tensor())?;
        let (sum, gradient) = self.head(network, &rows, targets, pass.scale)?;
        let mut gradient = self.back_to(network, &rows, &gradient, &last)?;
        for (index, input) in inputs.into_iter().enumerate().rev() {
            let input = Var::from_tensor(&input)?;
            let output = network.layer(index, input.as_tensor(), batch, pass.dropout)?;
            gradient = self.back_to(network, &output, &gradient, &input)?;
        }
        self.back(network, &network.embed(batch)?, &gradient)?;
        Ok(sum)
    }

    /// The loss, and the gradient of the rows before the output matrix.
    fn head(&mut self, network: &Network, rows: &Tensor, targets: &[Option<u32>], scale: f64) -> Result<(f64, Tensor)> {
        let trained = network.output_parameter();
        let loss = head::loss(&rows.detach(), &network.output(), targets, scale, trained.is_some())?;
        if let (Some(at), Some(gradient)) = (trained, loss.of_output) {
            self.put(at, gradient)?;
        }
        Ok((loss.sum, loss.of_rows))
    }

    /// From the gradient of `y` to those of the parameters that it was computed from.
    fn back(&mut self, network: &Network, y: &Tensor, gradient: &Tensor) -> Result<GradStore> {
        let store = (y * gradient.detach())?.sum_all()?.backward()?;
        for (at, parameter) in network.parameters().iter().enumerate() {
            if let Some(gradient) = store.get(&parameter.var) {
                self.put(at, gradient.clone())?;
            }
        }
        Ok(store)
    }

    /// The same, and the gradient of `x`.
    fn back_to(&mut self, network: &Network, y: &Tensor, gradient: &Tensor, x: &Var) -> Result<Tensor> {
        let store = self.back(network, y, gradient)?;
        store.get(x).cloned().ok_or_else(|| candle_core::Error::msg("a layer does not depend on its input"))
    }

    fn put(&mut self, at: usize, gradient: Tensor) -> Result<()> {
        let sum = match self.of[at].take() {
            Some(sum) => (sum + gradient)?,
            None => gradient,
        };
        // What was computed with it is not needed any more.
        self.of[at] = Some(sum.detach());
        Ok(())
    }

    /// The gradient of a parameter; none if nothing depended on it.
    pub(super) fn of(&self, parameter: usize) -> Option<&Tensor> {
        self.of[parameter].as_ref()
    }

    /// The length of all gradients together as one vector.
    pub(super) fn norm(&self) -> Result<f64> {
        let squares =
            self.of.iter().flatten().map(|gradient| Ok(f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?)));
        Ok(squares.sum::<Result<f64>>()?.sqrt())
    }

    /// Makes them shorter if they are longer than `most` together (Pascanu et al. 2013).
    pub(super) fn clip(&mut self, norm: f64, most: f64) -> Result<()> {
        if norm <= most {
            return Ok(());
        }
        for gradient in self.of.iter_mut().flatten() {
            *gradient = (&*gradient * (most / norm))?;
        }
        Ok(())
    }
}
