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

/// Maximum number of panels that one thread multiplies faster than it can wake the others.
const MAX_SINGLE_THREAD_PANELS: usize = 32;
/// Maximum number of panels whose exact products are faster than approximate ones first.
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
        let known = tokens.iter().copied().filter(|token| (*token as usize) < self.config.vocab_size);
        if !row.values.is_empty() || row.hidden_state.is_empty() {
            return known.filter_map(|token| Some((token, *row.values.get(token as usize)?))).collect();
        }
        let tokens: Vec<u32> = known.collect();
        let panels = panels_of(&tokens);
        let mut scratch = self.scratch.lock();
        scratch.late_logits.reserve(self.config.vocab_size);
        let inputs = Activations::new(kernels(), row.hidden_state, self.config.hidden_size);
        let values = &scratch.late_logits;
        let matrix = self.output_matrix();
        if argmax_only
            && panels.len() > MAX_EXACT_PANELS
            && let Some(split) = matrix.split_q8()
        {
            compute_argmax(split, &inputs, &tokens, &panels, values);
        } else {
            for_each_panel_run(&panels, &|panels, scratch| {
                matrix.multiply(kernels(), 1, panels, &inputs, scratch, |_, output, logits| {
                    write_logits(values, output, logits);
                });
            });
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
    let compute_exactly = |panels: &[usize]| {
        for_each_panel_run(panels, &|panels, scratch| {
            matrix.multiply(part(panels), &mut scratch.grouped, |_, output, logits| {
                write_logits(values, output, logits);
            });
        });
    };
    for_each_panel_run(panels, &|panels, scratch| {
        matrix.multiply_approx(part(panels), &mut scratch.grouped_approx, |_, output, logits| {
            write_logits(values, output, logits);
        });
    });
    // SAFETY: no thread writes the activations, nor the values until the next product.
    let (l2_norm, logits) = unsafe { (inputs.l2_norm(0), values.as_slice()) };
    let error = |token: u32| matrix.residual_norms()[token as usize] * l2_norm;
    let lower_bounds = tokens.iter().map(|token| (*token, logits[*token as usize] - error(*token)));
    let best = lower_bounds.filter(|(_, bound)| !bound.is_nan()).max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((best, _)) = best else { return };
    // Its exact logit is above its lower bound, so fewer other tokens can reach it.
    compute_exactly(&[best as usize / PANEL]);
    // SAFETY: as above.
    let logits = unsafe { values.as_slice() };
    let lower_bound = logits[best as usize];
    let may_be_argmax = |token: &u32| logits[*token as usize] + error(*token) >= lower_bound;
    let possible: Vec<u32> = tokens.iter().copied().filter(may_be_argmax).collect();
    compute_exactly(&panels_of(&possible));
}

/// Returns the panels that tokens lie in, in order.
fn panels_of(tokens: &[u32]) -> Vec<usize> {
    let panel = |token: &u32| *token as usize / PANEL;
    let count = tokens.iter().map(panel).max().map_or(0, |last| last + 1);
    let mut has_token = vec![false; count];
    for token in tokens {
        has_token[panel(token)] = true;
    }
    (0..count).filter(|panel| has_token[*panel]).collect()
}

/// Calls `task` for each run of consecutive panels of the sorted list `panels`, on several threads if there are many.
fn for_each_panel_run(panels: &[usize], task: &(dyn Fn(Range<usize>, &mut ThreadScratch) + Sync)) {
    let run_all = |panels: &[usize]| {
        let mut scratch = ThreadScratch::default();
        for run in panels.chunk_by(|panel, next| panel + 1 == *next) {
            task(run[0]..run[0] + run.len(), &mut scratch);
        }
    };
    if panels.len() <= MAX_SINGLE_THREAD_PANELS {
        run_all(panels);
    } else {
        pool().run_ranges(panels.len(), &|range| run_all(&panels[range]));
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

    fn random_values(count: usize, random: &mut Random) -> Vec<f32> {
        (0..count).map(|_| random.unit() as f32 - 0.5).collect()
    }

    fn argmax(values: &[f32], tokens: &[u32]) -> u32 {
        let higher = |best: u32, other: u32| if values[other as usize] > values[best as usize] { other } else { best };
        tokens.iter().copied().reduce(higher).expect("tokens")
    }

    #[test]
    fn the_argmax_of_allowed_tokens_from_approximate_logits_is_exact() {
        let mut random = Random::new(3);
        let weights = Tensor::from_vec(random_values(WIDTH * COLUMNS, &mut random), (WIDTH, COLUMNS), &Device::Cpu);
        let quantised = QTensor::quantize(&weights.expect("a matrix"), GgmlDType::Q8_0).expect("quantised");
        let matrix = SplitQ8::new(WIDTH, COLUMNS, &quantised.data().expect("bytes")).expect("usual scales");
        let mut approximate_logits = 0;
        for share in [0.001, 0.02, 0.5, 1.0].into_iter().cycle().take(24) {
            let inputs = Activations::new(kernels(), &random_values(COLUMNS, &mut random), COLUMNS);
            let mut tokens = Vec::new();
            for token in 0..WIDTH as u32 {
                if random.unit() < share {
                    tokens.push(token);
                }
            }
            tokens.push(WIDTH as u32 - 1);
            let (mut exact, mut found) = (SharedBuffer::default(), SharedBuffer::default());
            for values in [&mut exact, &mut found] {
                SharedBuffer::<f32>::reserve(values, WIDTH);
            }
            let all: Vec<usize> = (0..WIDTH.div_ceil(PANEL)).collect();
            for_each_panel_run(&all, &|panels, scratch| {
                let part = PartialProduct::new(kernels(), 0..1, panels, &inputs);
                matrix.multiply(part, &mut scratch.grouped, |_, output, logits| write_logits(&exact, output, logits));
            });
            compute_argmax(&matrix, &inputs, &tokens, &panels_of(&tokens), &found);
            let (exact, found) = (exact.into_vec(), found.into_vec());
            let best = argmax(&exact, &tokens);
            assert_eq!((argmax(&found, &tokens), found[best as usize]), (best, exact[best as usize]), "{share}");
            approximate_logits +=
                tokens.iter().filter(|token| found[**token as usize] != exact[**token as usize]).count();
        }
        assert!(approximate_logits > WIDTH, "only {approximate_logits} logits are approximate");
    }
}
