//! Logits that are computed after a step, from the final hidden state of a row.
//!
//! While a completion spells the token that was healed, few tokens are allowed, and the next keystroke may allow
//! others. So a step keeps the hidden state of such a row, and the output matrix is read only where the allowed tokens
//! are.

use std::borrow::Cow;
use std::ops::Range;

use super::{Decoder, LogitsRow};
use crate::kernels::activations::Activations;
use crate::kernels::kernels;
use crate::kernels::packed::PartialProduct;
use crate::kernels::pool::pool;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;
use crate::kernels::split_q8::SplitQ8;
use crate::linear::ThreadScratch;

/// Number of panels up to which one thread is faster than waking the others.
const MAX_SINGLE_THREAD_PANELS: usize = 32;
/// Number of panels up to which exact products are faster than approximate ones first.
const MAX_EXACT_PANELS: usize = 256;

impl Decoder {
    /// Returns all logits of a row.
    pub(crate) fn all_logits<'a>(&self, row: &LogitsRow<'a>) -> Cow<'a, [f32]> {
        if !row.values.is_empty() || row.hidden_state.is_empty() {
            return Cow::Borrowed(row.values);
        }
        let tokens: Vec<u32> = (0..self.config.vocab_size as u32).collect();
        Cow::Owned(self.logits_of(row, &tokens, false).into_iter().map(|(_, logit)| logit).collect())
    }

    /// Returns the logits of some tokens of a row, without tokens that the model does not have. With `argmax_only`, all
    /// but the largest may be approximate.
    pub(crate) fn logits_of(&self, row: &LogitsRow, tokens: &[u32], argmax_only: bool) -> Vec<(u32, f32)> {
        let inside = tokens.iter().copied().filter(|token| (*token as usize) < self.config.vocab_size);
        if !row.values.is_empty() || row.hidden_state.is_empty() {
            return inside.filter_map(|token| Some((token, *row.values.get(token as usize)?))).collect();
        }
        let tokens: Vec<u32> = inside.collect();
        let panels = panels_of(&tokens);
        let mut scratch = self.scratch.lock();
        scratch.late_logits.reserve(self.config.vocab_size);
        let inputs = Activations::new(kernels(), row.hidden_state, self.config.hidden_size);
        let values = &scratch.late_logits;
        let matrix = self.output_matrix();
        match matrix.split_q8().filter(|_| argmax_only && panels.len() > MAX_EXACT_PANELS) {
            Some(planes) => compute_argmax(planes, &inputs, &tokens, &panels, values),
            None => for_each_panel_run(&panels, &|panels, own| {
                matrix.multiply(kernels(), 1, panels, &inputs, own, |_, output, logits| {
                    write_logits(values, output, logits)
                });
            }),
        }
        // SAFETY: all writes are done.
        let values = unsafe { values.as_slice() };
        tokens.into_iter().map(|token| (token, values[token as usize])).collect()
    }
}

/// Approximates the logits of all tokens in `panels`, and computes exactly those that may be the largest of `tokens`.
fn compute_argmax(
    matrix: &SplitQ8,
    inputs: &Activations,
    tokens: &[u32],
    panels: &[usize],
    values: &SharedBuffer<f32>,
) {
    let part = |panels| PartialProduct::new(kernels(), 0..1, panels, inputs);
    for_each_panel_run(panels, &|panels, own| {
        matrix.multiply_approx(part(panels), &mut own.prepared_approx, |_, output, logits| {
            write_logits(values, output, logits)
        });
    });
    // SAFETY: no thread writes the activations, nor the values until the next product.
    let (length, estimates) = unsafe { (inputs.l2_norm(0), values.as_slice()) };
    let error = |token: u32| matrix.residual_norms()[token as usize] * length;
    let promises = tokens.iter().map(|token| (*token, estimates[*token as usize] - error(*token)));
    let best = promises.filter(|(_, promise)| !promise.is_nan()).max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((best, _)) = best else { return };
    // Its exact logit is above its lower bound, so fewer other tokens can reach it.
    for_each_panel_run(&[best as usize / PANEL], &|panels, own| {
        matrix.multiply(part(panels), &mut own.prepared, |_, output, logits| write_logits(values, output, logits));
    });
    // SAFETY: as above.
    let estimates = unsafe { values.as_slice() };
    let least = estimates[best as usize];
    let is_possible = |token: &u32| estimates[*token as usize] + error(*token) >= least;
    let possible: Vec<u32> = tokens.iter().copied().filter(is_possible).collect();
    for_each_panel_run(&panels_of(&possible), &|panels, own| {
        matrix.multiply(part(panels), &mut own.prepared, |_, output, logits| write_logits(values, output, logits));
    });
}

/// Returns the panels that tokens lie in, in order.
fn panels_of(tokens: &[u32]) -> Vec<usize> {
    let panel = |token: &u32| *token as usize / PANEL;
    let mut wanted = vec![false; tokens.iter().map(panel).max().map_or(0, |last| last + 1)];
    for token in tokens {
        wanted[panel(token)] = true;
    }
    (0..wanted.len()).filter(|panel| wanted[*panel]).collect()
}

/// Calls `task` for each run of consecutive panels of the sorted list `panels`, on several threads if there are many.
fn for_each_panel_run(panels: &[usize], task: &(dyn Fn(Range<usize>, &mut ThreadScratch) + Sync)) {
    let all = |panels: &[usize]| {
        let mut own = ThreadScratch::default();
        for run in panels.chunk_by(|panel, next| panel + 1 == *next) {
            task(run[0]..run[0] + run.len(), &mut own);
        }
    };
    if panels.len() <= MAX_SINGLE_THREAD_PANELS {
        all(panels);
    } else {
        pool().run_ranges(panels.len(), &|range| all(&panels[range]));
    }
}

fn write_logits(values: &SharedBuffer<f32>, output: usize, logits: &[f32]) {
    // SAFETY: one thread owns the panel of these outputs.
    unsafe { values.slice_mut(output..output + logits.len()) }.copy_from_slice(logits);
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{Device, Tensor};
    use foretype_plugins::random::Random;

    use super::*;

    const COLUMNS: usize = 64;
    const WIDTH: usize = 9003;

    fn numbers(count: usize, random: &mut Random) -> Vec<f32> {
        (0..count).map(|_| random.unit() as f32 - 0.5).collect()
    }

    fn first_largest(values: &[f32], tokens: &[u32]) -> u32 {
        let higher = |best: u32, other: u32| if values[other as usize] > values[best as usize] { other } else { best };
        tokens.iter().copied().reduce(higher).expect("tokens")
    }

    #[test]
    fn the_argmax_of_allowed_tokens_from_approximate_logits_is_exact() {
        let mut random = Random::new(3);
        let weights = Tensor::from_vec(numbers(WIDTH * COLUMNS, &mut random), (WIDTH, COLUMNS), &Device::Cpu);
        let quantised = QTensor::quantize(&weights.expect("a matrix"), GgmlDType::Q8_0).expect("quantised");
        let matrix = SplitQ8::new(WIDTH, COLUMNS, &quantised.data().expect("bytes")).expect("usual scales");
        let mut estimates = 0;
        for share in [0.001, 0.02, 0.5, 1.0].into_iter().cycle().take(24) {
            let inputs = Activations::new(kernels(), &numbers(COLUMNS, &mut random), COLUMNS);
            let chosen = (0..WIDTH as u32).filter(|_| random.unit() < share);
            let tokens: Vec<u32> = chosen.chain([WIDTH as u32 - 1]).collect();
            let (mut exact, mut found) = (SharedBuffer::default(), SharedBuffer::default());
            [&mut exact, &mut found].into_iter().for_each(|values: &mut SharedBuffer<f32>| values.reserve(WIDTH));
            let all: Vec<usize> = (0..WIDTH.div_ceil(PANEL)).collect();
            for_each_panel_run(&all, &|panels, own| {
                let part = PartialProduct::new(kernels(), 0..1, panels, &inputs);
                matrix.multiply(part, &mut own.prepared, |_, output, logits| write_logits(&exact, output, logits));
            });
            compute_argmax(&matrix, &inputs, &tokens, &panels_of(&tokens), &found);
            let (exact, found) = (exact.into_vec(), found.into_vec());
            let best = first_largest(&exact, &tokens);
            assert_eq!((first_largest(&found, &tokens), found[best as usize]), (best, exact[best as usize]), "{share}");
            estimates += tokens.iter().filter(|token| found[**token as usize] != exact[**token as usize]).count();
        }
        assert!(estimates > WIDTH, "only {estimates} logits were left estimated");
    }
}
