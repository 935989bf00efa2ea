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

/// Tokens that are ruled out together as argmax, whole panels. Nearly all of them are.
const PRUNING_TOKENS: usize = 16 * PANEL;

/// Slice of a row with approximate logits.
pub(super) struct ApproximateSlice<'a> {
    pub(super) kernels: &'a Kernels,
    pub(super) matrix: &'a SplitQ8,
    pub(super) row: usize,
    /// Index of the slice in the vocabulary.
    pub(super) index: usize,
    /// L2 norm of the row's activations.
    pub(super) l2_norm: f32,
}

impl ApproximateSlice<'_> {
    /// Returns the index of the chunk of `size` values that contains the largest lower bound. `errors` are the residual
    /// norms of the values.
    fn best_chunk(&self, values: &[f32], errors: &[f32], size: usize) -> usize {
        let (mut best, mut max) = (0, f32::NEG_INFINITY);
        for (index, (values, errors)) in values.chunks(size).zip(errors.chunks(size)).enumerate() {
            // SAFETY: the processor supports the kernels' set.
            let lower_bound = unsafe { (self.kernels.max_bound)(values, errors, -self.l2_norm) };
            if lower_bound > max {
                (best, max) = (index, lower_bound);
            }
        }
        best
    }

    /// Returns true if one of the exact values may reach `bound`.
    fn may_reach(&self, bound: f32, values: &[f32], errors: &[f32]) -> bool {
        // SAFETY: the processor supports the kernels' set.
        unsafe { (self.kernels.max_bound)(values, errors, self.l2_norm) >= bound }
    }
}

/// Logits of the requested rows of a step.
#[derive(Default)]
pub(crate) struct Logits {
    /// `[rows, vocabulary]`
    pub(super) values: SharedBuffer<f32>,
    /// `[rows, VOCABULARY_SLICES]`
    pub(super) slices: SharedBuffer<VocabularySlice>,
    /// `[rows, VOCABULARY_SLICES]`: lower bound of the largest logit of a slice, if logits are approximated first.
    lower_bounds: SharedBuffer<f32>,
    /// `[rows, hidden]`: final hidden states; empty on another device than the CPU.
    pub(super) hidden_states: SharedBuffer<f32>,
    pub(super) vocabulary_size: usize,
    /// Number of rows with all logits, the first ones.
    full_rows: usize,
    /// Number of rows after these with the argmax. The others have only their hidden state.
    argmax_rows: usize,
    /// Width of a hidden state.
    hidden_size: usize,
}

/// Largest logit of a slice of the vocabulary, and `ln(sum(exp(logit)))`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct VocabularySlice {
    max: f32,
    log_sum_exp: f32,
}

impl VocabularySlice {
    fn new(kernels: &Kernels, logits: &[f32]) -> Self {
        if logits.is_empty() {
            return Self { max: f32::NEG_INFINITY, log_sum_exp: f32::NEG_INFINITY };
        }
        // SAFETY: the processor supports the kernels' set.
        let (max, log_sum_exp) = unsafe { (kernels.log_sum_exp)(logits) };
        Self { max, log_sum_exp }
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
    /// Makes room for `full_rows` rows with all logits and `argmax_rows` rows with the argmax.
    pub(super) fn reserve(&mut self, full_rows: usize, argmax_rows: usize, vocabulary_size: usize) {
        (self.full_rows, self.argmax_rows) = (full_rows, argmax_rows);
        (self.vocabulary_size, self.hidden_size) = (vocabulary_size, 0);
        let rows = full_rows + argmax_rows;
        self.values.reserve(rows * vocabulary_size);
        self.slices.reserve(rows * VOCABULARY_SLICES);
        self.lower_bounds.reserve(rows * VOCABULARY_SLICES);
    }

    /// Makes room for the hidden states of `rows` rows.
    pub(super) fn reserve_hidden_states(&mut self, rows: usize, hidden_size: usize) {
        self.hidden_size = hidden_size;
        self.hidden_states.reserve(rows * hidden_size);
    }

    /// Computes a lower bound of the largest logit of a slice: the largest exact logit of its most promising panel.
    /// `exact` computes the values of a panel. A bound from approximate logits alone would be lower by twice the error.
    pub(super) fn compute_lower_bound(&self, slice: &ApproximateSlice, mut exact: impl FnMut(usize, &mut [f32])) {
        let tokens = self.slice_tokens(slice.index);
        // SAFETY: one thread owns this slice.
        let values = unsafe { self.values.slice_mut(self.value_range(slice.row, &tokens)) };
        let errors = &slice.matrix.residual_norms()[tokens.clone()];
        // Looks for the best chunk of many panels first, and then for the best panel of that chunk.
        let start = slice.best_chunk(values, errors, PRUNING_TOKENS) * PRUNING_TOKENS;
        let end = values.len().min(start + PRUNING_TOKENS);
        let panel = start / PANEL + slice.best_chunk(&values[start..end], &errors[start..end], PANEL);
        let mut lower_bound = f32::NEG_INFINITY;
        if let Some(values) = values.chunks_mut(PANEL).nth(panel) {
            exact(tokens.start / PANEL + panel, values);
            lower_bound = values.iter().copied().fold(lower_bound, f32::max);
        }
        let at = slice.row * VOCABULARY_SLICES + slice.index;
        // SAFETY: one thread owns this slice.
        unsafe { self.lower_bounds.slice_mut(at..at + 1)[0] = lower_bound };
    }

    /// Computes exactly every logit of a slice that may be the largest of the row, once all slices have their
    /// [lower bound](Self::compute_lower_bound). `exact` computes the values of a panel.
    pub(super) fn refine(&self, slice: &ApproximateSlice, mut exact: impl FnMut(usize, &mut [f32])) {
        let row_slices = slice.row * VOCABULARY_SLICES..(slice.row + 1) * VOCABULARY_SLICES;
        // SAFETY: all bounds have been written.
        let lower_bounds = unsafe { self.lower_bounds.slice(row_slices) };
        let lower_bound = lower_bounds.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let tokens = self.slice_tokens(slice.index);
        // SAFETY: one thread owns this slice.
        let values = unsafe { self.values.slice_mut(self.value_range(slice.row, &tokens)) };
        let errors = &slice.matrix.residual_norms()[tokens.clone()];
        let chunks = values.chunks_mut(PRUNING_TOKENS).zip(errors.chunks(PRUNING_TOKENS));
        for (index, (values, errors)) in chunks.enumerate() {
            if !slice.may_reach(lower_bound, values, errors) {
                continue;
            }
            let first_panel = (tokens.start + index * PRUNING_TOKENS) / PANEL;
            for (panel, (values, errors)) in values.chunks_mut(PANEL).zip(errors.chunks(PANEL)).enumerate() {
                if slice.may_reach(lower_bound, values, errors) {
                    exact(first_panel + panel, values);
                }
            }
        }
    }

    /// Range of the values of some tokens of a row.
    fn value_range(&self, row: usize, tokens: &Range<usize>) -> Range<usize> {
        row * self.vocabulary_size + tokens.start..row * self.vocabulary_size + tokens.end
    }

    /// Reduces a slice of a row, whose values have been written.
    pub(super) fn reduce_slice(&self, kernels: &Kernels, row: usize, index: usize) {
        // SAFETY: the values are complete, and one thread owns this slice.
        unsafe {
            let values = self.values.slice(self.value_range(row, &self.slice_tokens(index)));
            let at = row * VOCABULARY_SLICES + index;
            self.slices.slice_mut(at..at + 1)[0] = VocabularySlice::new(kernels, values);
        }
    }

    /// Tokens of slice `index`: whole panels.
    fn slice_tokens(&self, index: usize) -> Range<usize> {
        let panels = self.vocabulary_size.div_ceil(PANEL);
        let start = |index: usize| (index * panels / VOCABULARY_SLICES * PANEL).min(self.vocabulary_size);
        start(index)..start(index + 1)
    }

    /// Result for the requested row `index`.
    pub(crate) fn row(&self, index: usize) -> LogitsRow<'_> {
        // SAFETY: the step is over: no thread writes.
        let hidden_state =
            unsafe { self.hidden_states.slice(index * self.hidden_size..(index + 1) * self.hidden_size) };
        if index >= self.full_rows + self.argmax_rows {
            return LogitsRow { hidden_state, ..LogitsRow::default() };
        }
        // SAFETY: as above.
        let (values, slices) = unsafe {
            (
                self.values.slice(index * self.vocabulary_size..(index + 1) * self.vocabulary_size),
                self.slices.slice(index * VOCABULARY_SLICES..(index + 1) * VOCABULARY_SLICES),
            )
        };
        let argmax = self.argmax(values, slices);
        // If only the argmax was requested, other values may be approximate.
        let values = if index < self.full_rows { values } else { &[] };
        LogitsRow { values, argmax, hidden_state }
    }

    /// Argmax of a row with these logits and reduced slices, and its natural log-probability. `None` if a logit is NaN:
    /// the caller then samples from all logits.
    fn argmax(&self, values: &[f32], slices: &[VocabularySlice]) -> Option<(u32, f32)> {
        let max = slices.iter().fold(f32::NEG_INFINITY, |max, slice| max.max(slice.max));
        let sum: f32 = slices.iter().map(|slice| (slice.log_sum_exp - max).exp()).sum();
        // A NaN among the logits makes the sum NaN.
        if !sum.is_finite() {
            return None;
        }
        let tokens = self.slice_tokens(slices.iter().position(|slice| slice.max == max)?);
        let offset = values[tokens.clone()].iter().position(|logit| *logit == max)?;
        Some(((tokens.start + offset) as u32, -sum.ln()))
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
    fn argmaxes(vocabulary_size: usize, weights: Vec<f32>, x: &[f32]) -> ([(u32, f32); 2], usize) {
        let tensor = Tensor::from_vec(weights, (vocabulary_size, COLUMNS), &Device::Cpu).expect("a matrix");
        let quantised = QTensor::quantize(&tensor, GgmlDType::Q8_0).expect("quantised");
        let matrix = SplitQ8::new(vocabulary_size, COLUMNS, &quantised.data().expect("bytes")).expect("usual scales");
        let inputs = Activations::new(kernels(), x, COLUMNS);
        let (mut approximate, mut exact) = (Logits::default(), Logits::default());
        let (mut grouped, mut grouped_approx) = (GroupedActivations::default(), GroupedActivations::default());
        let mut exact_panels = 0;
        for logits in [&mut approximate, &mut exact] {
            logits.reserve(1, 0, vocabulary_size);
        }
        // SAFETY: this is the only thread.
        unsafe {
            let l2_norm = inputs.l2_norm(0);
            let write = |logits: &Logits, output: usize, values: &[f32]| {
                logits.values.slice_mut(output..output + values.len()).copy_from_slice(values);
            };
            let all = 0..matrix.panels();
            let part = |panels: Range<usize>| PartialProduct::new(kernels(), 0..1, panels, &inputs);
            matrix.multiply(part(all.clone()), &mut grouped, |_, output, y| write(&exact, output, y));
            matrix.multiply_approx(part(all), &mut grouped_approx, |_, output, y| write(&approximate, output, y));
            let mut compute_panel = |panel: usize, to: &mut [f32]| {
                exact_panels += 1;
                matrix.multiply(part(panel..panel + 1), &mut grouped, |_, _, y| to.copy_from_slice(y));
            };
            let slice = |index| ApproximateSlice { kernels: kernels(), matrix: &matrix, row: 0, index, l2_norm };
            for index in 0..VOCABULARY_SLICES {
                approximate.compute_lower_bound(&slice(index), &mut compute_panel);
            }
            for index in 0..VOCABULARY_SLICES {
                approximate.refine(&slice(index), &mut compute_panel);
            }
        }
        let argmaxes = [&approximate, &exact].map(|logits| {
            for index in 0..VOCABULARY_SLICES {
                logits.reduce_slice(kernels(), 0, index);
            }
            logits.row(0).argmax.expect("a token")
        });
        (argmaxes, exact_panels)
    }

    fn random_values(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..count).map(|_| random.unit() as f32 - 0.5).collect()
    }

    #[test]
    fn the_argmax_from_approximate_logits_is_exact() {
        let mut pruned_runs = 0;
        for (seed, size) in (0..60).zip([16, 100, 1000, 1003, 4096].into_iter().cycle()) {
            // Differences are small, so that many tokens may be the argmax.
            let weights = random_values(size * COLUMNS, seed);
            let ([approximate, exact], exact_panels) = argmaxes(size, weights, &random_values(COLUMNS, seed + 1000));
            assert_eq!(approximate.0, exact.0, "{seed} {size}");
            assert!((approximate.1 - exact.1).abs() < 0.01, "{approximate:?} {exact:?}");
            if exact_panels < size.div_ceil(PANEL) {
                pruned_runs += 1;
            }
        }
        assert!(pruned_runs > 10, "only {pruned_runs} of 60 runs pruned a panel");
    }

    #[test]
    fn the_first_of_equal_tokens_is_the_argmax() {
        let (size, x) = (1000, random_values(COLUMNS, 7));
        for tokens in [[3, 4], [15, 16], [100, 900], [998, 999]] {
            let mut weights = random_values(size * COLUMNS, 5);
            for token in tokens {
                weights[token * COLUMNS..(token + 1) * COLUMNS].copy_from_slice(&x);
            }
            let ([approximate, exact], exact_panels) = argmaxes(size, weights, &x);
            assert_eq!((approximate.0, exact.0), (tokens[0] as u32, tokens[0] as u32));
            assert!(exact_panels < 20, "{exact_panels} panels");
        }
    }
}
