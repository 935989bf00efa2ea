//! The operations of the decoder beside its matrices. Each treats every row alone.

use candle_core::{DType, Device, Result, Tensor};

/// Cosines and sines by position.
pub struct RopeTable {
    cos: Tensor,
    sin: Tensor,
}

impl RopeTable {
    /// From the angle per position of each pair (`[dim / 2]`), for positions below `length`.
    pub fn new(frequencies: &[f32], length: usize, device: &Device) -> Result<Self> {
        let positions = Tensor::arange(0u32, length as u32, device)?.to_dtype(DType::F32)?.unsqueeze(1)?;
        let angles = positions.matmul(&Tensor::new(frequencies, device)?.unsqueeze(0)?)?;
        Ok(Self { cos: angles.cos()?, sin: angles.sin()? })
    }
}

/// `[rows, heads, dim]` rotated by position, halves paired.
pub fn rope(x: &Tensor, positions: &[u32], table: &RopeTable) -> Result<Tensor> {
    let at = Tensor::new(positions, x.device())?;
    let cos = table.cos.index_select(&at, 0)?.unsqueeze(1)?;
    let sin = table.sin.index_select(&at, 0)?.unsqueeze(1)?;
    let half = x.dim(2)? / 2;
    let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let left = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let right = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    Tensor::cat(&[left, right], 2)
}

/// Root mean square norm over the last dimension.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    candle_nn::ops::rms_norm(&x.contiguous()?, weight, eps)
}

/// Layer norm over the last dimension.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    candle_nn::ops::layer_norm(&x.contiguous()?, weight, bias, eps)
}

/// `silu(gate) * up`.
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.silu()? * up
}
