//! Operations other than matrix products on tensors of any device: for GPUs, as references in tests, and for training.

use candle_core::{Device, Result, Tensor};

/// Cosines and sines of rotary position embeddings, by position.
pub(crate) struct RopeTable {
    /// `[length, pairs]`, on the host.
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
    /// Number of rotated pairs per head.
    pub(crate) pairs: usize,
    on_device: Option<(Tensor, Tensor)>,
}

impl RopeTable {
    /// Creates the table for positions below `length` from the angle per position of each pair (`[dim / 2]`).
    pub(crate) fn new(frequencies: &[f32], length: usize, device: &Device) -> Result<Self> {
        let pairs = frequencies.len();
        let (mut cos, mut sin) = (Vec::with_capacity(length * pairs), Vec::with_capacity(length * pairs));
        for position in 0..length {
            for frequency in frequencies {
                let angle = position as f32 * frequency;
                cos.push(angle.cos());
                sin.push(angle.sin());
            }
        }
        let tensor = |values: &[f32]| Tensor::from_slice(values, (length, pairs), device);
        let on_device = if device.is_cpu() { None } else { Some((tensor(&cos)?, tensor(&sin)?)) };
        Ok(Self { cos, sin, pairs, on_device })
    }

    /// Rows of both tables, `[positions, 1, pairs]`.
    fn rows(&self, positions: &[u32], device: &Device) -> Result<(Tensor, Tensor)> {
        if let Some((cos, sin)) = &self.on_device {
            let at = Tensor::new(positions, device)?;
            return Ok((cos.index_select(&at, 0)?.unsqueeze(1)?, sin.index_select(&at, 0)?.unsqueeze(1)?));
        }
        let select = |table: &[f32]| {
            let mut values = Vec::with_capacity(positions.len() * self.pairs);
            for position in positions {
                let at = *position as usize * self.pairs;
                let Some(row) = table.get(at..at + self.pairs) else {
                    candle_core::bail!("position {position} is outside the table of rotary positions")
                };
                values.extend_from_slice(row);
            }
            Tensor::from_vec(values, (positions.len(), 1, self.pairs), device)
        };
        Ok((select(&self.cos)?, select(&self.sin)?))
    }
}

/// Rotates `[rows, heads, dim]` by position, pairing the halves of a head (RoFormer, Su et al. 2021).
pub(crate) fn rope(x: &Tensor, positions: &[u32], table: &RopeTable) -> Result<Tensor> {
    let (cos, sin) = table.rows(positions, x.device())?;
    let half = x.dim(2)? / 2;
    let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let left = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let right = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    Tensor::cat(&[left, right], 2)
}

/// Root mean square norm over the last dimension (Zhang and Sennrich 2019).
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    candle_nn::ops::rms_norm(&x.contiguous()?, weight, eps)
}

/// Layer norm over the last dimension (Ba et al. 2016).
pub(crate) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    candle_nn::ops::layer_norm(&x.contiguous()?, weight, bias, eps)
}

/// `silu(gate) * up`.
pub(crate) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.silu()? * up
}
