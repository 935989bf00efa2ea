//! The interface between the decoder and whatever stores keys and values.

use candle_core::{Result, Tensor};

/// Attention over keys and values that the implementor stores. The decoder knows nothing about the store.
pub trait Attend {
    /// Computes the attention of one layer and stores the step's keys and values.
    ///
    /// `q` is `[rows, heads, dim]`; `k` and `v` are `[rows, kv_heads, dim]`, with rotary positions already applied.
    /// Returns `[rows, heads * dim]`.
    ///
    /// # Errors
    /// Fails when a tensor operation does.
    fn attend(&mut self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor>;
}
