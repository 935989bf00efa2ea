//! A batch of tokens in segments.

use std::ops::Range;

use candle_core::Tensor;

/// Tokens that are processed together.
pub(in crate::train) struct TrainBatch<'a> {
    /// The tokens of all segments, one after the other.
    pub(in crate::train) tokens: &'a [u32],
    /// The range of each segment; together they cover all tokens.
    pub(in crate::train) segments: &'a [Range<usize>],
}

impl TrainBatch<'_> {
    /// The position of each token within its segment.
    pub(super) fn positions(&self) -> Vec<u32> {
        self.segments.iter().flat_map(|segment| 0..segment.len() as u32).collect()
    }
}

/// The segments and rotary tables of a batch, which all layers share.
pub(super) struct BatchPositions<'a> {
    pub(super) segments: &'a [Range<usize>],
    /// Cosines and sines of the rotary angles, `[rows, 1, dim / 2]` each.
    pub(super) rope: Option<(Tensor, Tensor)>,
}
