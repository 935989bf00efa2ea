//! Logits of a step, and the argmax and log-sum-exp of each row.
//!
//! The vocabulary is reduced in fixed slices, so results do not depend on the number of threads. If only the argmax is
//! requested and the output matrix is [`SplitQ8`], approximate logits come first: [`Logits::compute_lower_bound`] finds
//! a lower bound of the largest logit, and [`Logits::refine`] computes exactly those that may exceed it.

use std::ops::Range;

use crate::kernels::Kernels;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;
use crate::kernels::split_q8::SplitQ8;

/// Slices of the vocabulary that are reduced separately. Their number is fixed, so that the sum is the same on any
/// number of threads.
pub(super) const VOCABULARY_SLICES: usize = 16;

/// Tokens that are ruled out together as argmax: whole panels, nearly all of which are.
const PRUNING_TOKENS: usize = 16 * PANEL;

/// Slice of a row with approximate logits.
pub(super) struct ApproximateRow<'a> {
    pub(super) kernels: &'a Kernels,
    pub(super) matrix: &'a SplitQ8,
    pub(super) row: usize,
    pub(super) slice: usize,
    /// L2 norm of the row's activations.
    pub(super) l2_norm: f32,
}

/// Logits of the requested rows of a step.
#[derive(Default)]
pub(crate) struct Logits {
    /// `[wanted, vocabulary]`
    pub(super) values: SharedBuffer<f32>,
    /// `[wanted, VOCABULARY_SLICES]`
    pub(super) slices: SharedBuffer<VocabularySlice>,
    /// `[wanted, VOCABULARY_SLICES]`: lower bound of the largest logit of a slice, if logits are approximated first.
    lower_bounds: SharedBuffer<f32>,
    /// `[wanted, hidden]`: final hidden states; empty on another device than the CPU.
    pub(super) hidden_states: SharedBuffer<f32>,
    pub(super) vocabulary_size: usize,
    /// Number of rows with all logits, and of rows with the argmax. The others have only their hidden state.
    counts: (usize, usize),
    /// Width of a hidden state.
    hidden: usize,
}

/// Largest logit of a slice of the vocabulary, and `ln(sum(exp(logit)))`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct VocabularySlice {
    max: f32,
    log_sum_exp: f32,
}

impl VocabularySlice {
    fn new(kernels: &Kernels, logits: &[f32]) -> Self {
        let (top, log_sum) = match logits {
            [] => (f32::NEG_INFINITY, f32::NEG_INFINITY),
            // SAFETY: the processor supports the kernels' set.
            logits => unsafe { (kernels.log_sum_exp)(logits) },
        };
        Self { max: top, log_sum_exp: log_sum }
    }
}

/// Result of a step for one row.
#[derive(Default)]
pub(crate) struct LogitsRow<'a> {
    /// `[vocabulary]`, if all logits were requested.
    pub(crate) values: &'a [f32],
    /// Argmax (the first of equals) and its natural log-probability, if they were requested.
    pub(crate) argmax: Option<(u32, f32)>,
    /// `[hidden]`: final hidden state, from which [`Decoder::logits_of`](super::Decoder::logits_of) computes logits.
    /// Empty on another device than the CPU.
    pub(crate) hidden_state: &'a [f32],
}

impl Logits {
    /// Makes room for `counts.0` rows with all logits and `counts.1` rows with the argmax.
    pub(super) fn reserve(&mut self, counts: (usize, usize), width: usize) {
        (self.counts, self.vocabulary_size, self.hidden) = (counts, width, 0);
        let rows = counts.0 + counts.1;
        self.values.reserve(rows * width);
        self.slices.reserve(rows * VOCABULARY_SLICES);
        self.lower_bounds.reserve(rows * VOCABULARY_SLICES);
    }

    /// Makes room for the hidden states of `rows` rows.
    pub(super) fn reserve_hidden_states(&mut self, rows: usize, hidden: usize) {
        self.hidden = hidden;
        self.hidden_states.reserve(rows * hidden);
    }

    /// Computes a lower bound of the largest logit of a slice: the largest exact logit of its most promising panel.
    /// `exact` computes the values of a panel. A bound from approximate logits alone would be lower by twice the error.
    pub(super) fn compute_lower_bound(&self, of: &ApproximateRow, mut exact: impl FnMut(usize, &mut [f32])) {
        let ApproximateRow { kernels, matrix, row, slice: piece, l2_norm: length } = *of;
        let tokens = self.slice_tokens(piece);
        // SAFETY: one thread owns this slice.
        let values = unsafe { self.values.slice_mut(self.value_range(row, &tokens)) };
        let errors = &matrix.residual_norms()[tokens.clone()];
        // SAFETY: the processor supports the kernels' set.
        let promise = |values: &[f32], errors: &[f32]| unsafe { (kernels.max_bound)(values, errors, -length) };
        let best = |range: Range<usize>, size: usize| {
            let parts = values[range.clone()].chunks(size).zip(errors[range].chunks(size));
            let promises = parts.map(|(values, errors)| promise(values, errors)).enumerate();
            promises.fold((0, f32::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best }).0
        };
        let from = best(0..values.len(), PRUNING_TOKENS) * PRUNING_TOKENS;
        let to = values.len().min(from + PRUNING_TOKENS);
        let panel = from / PANEL + best(from..to, PANEL);
        let mut least = f32::NEG_INFINITY;
        if let Some(values) = values.chunks_mut(PANEL).nth(panel) {
            exact(tokens.start / PANEL + panel, values);
            least = values.iter().copied().fold(least, f32::max);
        }
        let slot = row * VOCABULARY_SLICES + piece;
        // SAFETY: one thread owns this slice.
        unsafe { self.lower_bounds.slice_mut(slot..slot + 1)[0] = least };
    }

    /// Computes exactly every logit of a slice that may be the largest of the row, once all slices have their
    /// [lower bound](Self::compute_lower_bound). `exact` computes the values of a panel.
    pub(super) fn refine(&self, of: &ApproximateRow, mut exact: impl FnMut(usize, &mut [f32])) {
        let ApproximateRow { kernels, matrix, row, slice: piece, l2_norm: length } = *of;
        // SAFETY: all bounds have been written.
        let bounds = unsafe { self.lower_bounds.slice(row * VOCABULARY_SLICES..(row + 1) * VOCABULARY_SLICES) };
        let least = bounds.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let tokens = self.slice_tokens(piece);
        // SAFETY: one thread owns this slice.
        let values = unsafe { self.values.slice_mut(self.value_range(row, &tokens)) };
        let errors = &matrix.residual_norms()[tokens.clone()];
        // SAFETY: the processor supports the kernels' set.
        let may_be = |values: &[f32], errors: &[f32]| unsafe { (kernels.max_bound)(values, errors, length) >= least };
        for (index, (values, errors)) in
            values.chunks_mut(PRUNING_TOKENS).zip(errors.chunks(PRUNING_TOKENS)).enumerate()
        {
            if !may_be(values, errors) {
                continue;
            }
            let first = (tokens.start + index * PRUNING_TOKENS) / PANEL;
            for (panel, (values, errors)) in values.chunks_mut(PANEL).zip(errors.chunks(PANEL)).enumerate() {
                if may_be(values, errors) {
                    exact(first + panel, values);
                }
            }
        }
    }

    /// Range of the values of some tokens of a row.
    fn value_range(&self, row: usize, tokens: &Range<usize>) -> Range<usize> {
        row * self.vocabulary_size + tokens.start..row * self.vocabulary_size + tokens.end
    }

    /// Reduces a slice of a row, whose values have been written.
    pub(super) fn reduce_slice(&self, kernels: &Kernels, row: usize, piece: usize) {
        // SAFETY: the values are complete, and one thread owns this slice.
        unsafe {
            let values = self.values.slice(self.value_range(row, &self.slice_tokens(piece)));
            let slot = row * VOCABULARY_SLICES + piece;
            self.slices.slice_mut(slot..slot + 1)[0] = VocabularySlice::new(kernels, values);
        }
    }

    /// Tokens of a slice: whole panels.
    fn slice_tokens(&self, piece: usize) -> Range<usize> {
        let panels = self.vocabulary_size.div_ceil(PANEL);
        let end = |piece: usize| (piece * panels / VOCABULARY_SLICES * PANEL).min(self.vocabulary_size);
        end(piece)..end(piece + 1)
    }

    /// Result for the requested row `index`.
    pub(crate) fn row(&self, index: usize) -> LogitsRow<'_> {
        // SAFETY: the step is over: no thread writes.
        let state = unsafe { self.hidden_states.slice(index * self.hidden..(index + 1) * self.hidden) };
        let (whole, likeliest) = self.counts;
        if index >= whole + likeliest {
            return LogitsRow { hidden_state: state, ..LogitsRow::default() };
        }
        // SAFETY: as above.
        let (values, pieces) = unsafe {
            (
                self.values.slice(index * self.vocabulary_size..(index + 1) * self.vocabulary_size),
                self.slices.slice(index * VOCABULARY_SLICES..(index + 1) * VOCABULARY_SLICES),
            )
        };
        let top = pieces.iter().fold(f32::NEG_INFINITY, |top, piece| top.max(piece.max));
        let sum: f32 = pieces.iter().map(|piece| (piece.log_sum_exp - top).exp()).sum();
        let piece = pieces.iter().position(|piece| piece.max == top).map(|piece| self.slice_tokens(piece));
        let id = piece.and_then(|piece| Some(piece.start + values[piece].iter().position(|logit| *logit == top)?));
        // A NaN among the logits makes the sum NaN. Then there is no argmax, and the caller samples from all logits.
        let best = id.filter(|_| sum.is_finite()).map(|id| (id as u32, -sum.ln()));
        // If only the argmax was requested, other values may be approximate.
        LogitsRow { values: if index < whole { values } else { &[] }, argmax: best, hidden_state: state }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{Device, Tensor};
    use foretype_plugins::random::Random;

    use super::*;
    use crate::kernels::activations::{Activations, GroupedActivations};
    use crate::kernels::kernels;
    use crate::kernels::packed::PartialProduct;

    const COLUMNS: usize = 64;

    /// Returns the argmax of a row and its log-probability, from approximate logits and from all logits, and the number
    /// of panels that were computed exactly.
    fn both(width: usize, weights: Vec<f32>, x: &[f32]) -> ([(u32, f32); 2], usize) {
        let tensor = Tensor::from_vec(weights, (width, COLUMNS), &Device::Cpu).expect("a matrix");
        let quantised = QTensor::quantize(&tensor, GgmlDType::Q8_0).expect("quantised");
        let matrix = SplitQ8::new(width, COLUMNS, &quantised.data().expect("bytes")).expect("usual scales");
        let inputs = Activations::new(kernels(), x, COLUMNS);
        let (mut estimated, mut exactly) = (Logits::default(), Logits::default());
        let (mut prepared, mut for_estimates) = (GroupedActivations::default(), GroupedActivations::default());
        let mut panels = 0;
        for logits in [&mut estimated, &mut exactly] {
            logits.reserve((1, 0), width);
        }
        // SAFETY: this is the only thread.
        unsafe {
            let length = inputs.l2_norm(0);
            let into = |logits: &Logits, at: usize, values: &[f32]| {
                logits.values.slice_mut(at..at + values.len()).copy_from_slice(values);
            };
            let all = 0..matrix.panels();
            let part = |panels: Range<usize>| PartialProduct::new(kernels(), 0..1, panels, &inputs);
            matrix.multiply(part(all.clone()), &mut prepared, |_, at, y| into(&exactly, at, y));
            matrix.multiply_approx(part(all), &mut for_estimates, |_, at, y| into(&estimated, at, y));
            let mut exact = |panel: usize, to: &mut [f32]| {
                panels += 1;
                matrix.multiply(part(panel..panel + 1), &mut prepared, |_, _, y| to.copy_from_slice(y));
            };
            let of =
                |piece| ApproximateRow { kernels: kernels(), matrix: &matrix, row: 0, slice: piece, l2_norm: length };
            (0..VOCABULARY_SLICES).for_each(|piece| estimated.compute_lower_bound(&of(piece), &mut exact));
            (0..VOCABULARY_SLICES).for_each(|piece| estimated.refine(&of(piece), &mut exact));
        }
        let best = [&estimated, &exactly].map(|logits| {
            (0..VOCABULARY_SLICES).for_each(|piece| logits.reduce_slice(kernels(), 0, piece));
            logits.row(0).argmax.expect("a token")
        });
        (best, panels)
    }

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..count).map(|_| random.unit() as f32 - 0.5).collect()
    }

    #[test]
    fn the_argmax_from_approximate_logits_is_exact() {
        let mut spared = 0;
        for (seed, width) in (0..60).zip([16, 100, 1000, 1003, 4096].into_iter().cycle()) {
            // Differences are small, so that many tokens may be the argmax.
            let weights = numbers(width * COLUMNS, seed);
            let ([by_estimates, exactly], panels) = both(width, weights, &numbers(COLUMNS, seed + 1000));
            assert_eq!(by_estimates.0, exactly.0, "{seed} {width}");
            assert!((by_estimates.1 - exactly.1).abs() < 0.01, "{by_estimates:?} {exactly:?}");
            spared += usize::from(panels < width.div_ceil(PANEL));
        }
        assert!(spared > 10, "only {spared} of 60 left something out");
    }

    #[test]
    fn the_first_of_equal_tokens_is_the_argmax() {
        let (width, x) = (1000, numbers(COLUMNS, 7));
        for places in [[3, 4], [15, 16], [100, 900], [998, 999]] {
            let mut weights = numbers(width * COLUMNS, 5);
            for place in places {
                weights[place * COLUMNS..(place + 1) * COLUMNS].copy_from_slice(&x);
            }
            let ([by_estimates, exactly], panels) = both(width, weights, &x);
            assert_eq!((by_estimates.0, exactly.0), (places[0] as u32, places[0] as u32));
            assert!(panels < 20, "{panels} panels");
        }
    }
}
