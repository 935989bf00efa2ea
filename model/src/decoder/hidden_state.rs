//! Logits that are asked for after a step, from the state that it left.
//!
//! While an answer spells what healing took back from the prompt, few tokens are allowed, and often another few after the next
//! key. So what a step keeps of such a row is what the output matrix would get, and the matrix is read where these tokens are.

use std::borrow::Cow;
use std::ops::Range;

use super::{Decoder, LogitsRow};
use crate::kernels::activations::Activations;
use crate::kernels::kernels;
use crate::kernels::packed::Part;
use crate::kernels::split_q8::SplitQ8;
use crate::kernels::pool::{lock, pool};
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;
use crate::linear::ThreadScratch;

/// Panels that one thread works out sooner than several are told to.
const FEW: usize = 32;
/// Panels that are worth an estimate first.
const MANY: usize = 256;

impl Decoder {
    /// All logits of a row.
    pub(crate) fn all_logits<'a>(&self, row: &LogitsRow<'a>) -> Cow<'a, [f32]> {
        if !row.values.is_empty() || row.state.is_empty() {
            return Cow::Borrowed(row.values);
        }
        let tokens: Vec<u32> = (0..self.config.vocab_size as u32).collect();
        Cow::Owned(self.logits_of(row, &tokens, false).into_iter().map(|(_, logit)| logit).collect())
    }

    /// The logits of some tokens of a row, without those that the model does not have. If only the likeliest of them is of interest, the
    /// others may be estimates that are off by a little.
    pub(crate) fn logits_of(&self, row: &LogitsRow, tokens: &[u32], only_likeliest: bool) -> Vec<(u32, f32)> {
        let inside = tokens.iter().copied().filter(|token| (*token as usize) < self.config.vocab_size);
        if !row.values.is_empty() || row.state.is_empty() {
            return inside.filter_map(|token| Some((token, *row.values.get(token as usize)?))).collect();
        }
        let tokens: Vec<u32> = inside.collect();
        let panels = panels_of(&tokens);
        let mut scratch = lock(&self.scratch);
        scratch.tokens.reserve(self.config.vocab_size);
        let inputs = Activations::new(kernels(), row.state, self.config.hidden_size);
        let values = &scratch.tokens;
        let matrix = self.output_matrix();
        match matrix.planes().filter(|_| only_likeliest && panels.len() > MANY) {
            Some(planes) => estimated(planes, &inputs, &tokens, &panels, values),
            None => by_threads(&panels, &|panels, own| {
                matrix.multiply(kernels(), 1, panels, &inputs, own, |_, output, logits| write(values, output, logits));
            }),
        }
        // SAFETY: nobody writes any more.
        let values = unsafe { values.as_slice() };
        tokens.into_iter().map(|token| (token, values[token as usize])).collect()
    }
}

/// Estimates the logits of all tokens in `panels`, and works out exactly those that may be the largest of `tokens`.
fn estimated(matrix: &SplitQ8, inputs: &Activations, tokens: &[u32], panels: &[usize], values: &SharedBuffer<f32>) {
    let part = |panels| Part::new(kernels(), 0..1, panels, inputs);
    by_threads(panels, &|panels, own| {
        matrix.estimate(part(panels), &mut own.for_estimates, |_, output, logits| write(values, output, logits));
    });
    // SAFETY: nobody writes the inputs, nor the values until the next product.
    let (length, estimates) = unsafe { (inputs.length(0), values.as_slice()) };
    let error = |token: u32| matrix.errors()[token as usize] * length;
    let promises = tokens.iter().map(|token| (*token, estimates[*token as usize] - error(*token)));
    let best = promises.filter(|(_, promise)| !promise.is_nan()).max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((best, _)) = best else { return };
    // What it has itself is more than what it has at the least by its estimate, so fewer others may have as much.
    by_threads(&[best as usize / PANEL], &|panels, own| {
        matrix.multiply(part(panels), &mut own.prepared, |_, output, logits| write(values, output, logits));
    });
    // SAFETY: as before.
    let estimates = unsafe { values.as_slice() };
    let least = estimates[best as usize];
    let is_possible = |token: &u32| estimates[*token as usize] + error(*token) >= least;
    let possible: Vec<u32> = tokens.iter().copied().filter(is_possible).collect();
    by_threads(&panels_of(&possible), &|panels, own| {
        matrix.multiply(part(panels), &mut own.prepared, |_, output, logits| write(values, output, logits));
    });
}

/// The panels that tokens lie in, in order.
fn panels_of(tokens: &[u32]) -> Vec<usize> {
    let panel = |token: &u32| *token as usize / PANEL;
    let mut wanted = vec![false; tokens.iter().map(panel).max().map_or(0, |last| last + 1)];
    tokens.iter().for_each(|token| wanted[panel(token)] = true);
    (0..wanted.len()).filter(|panel| wanted[*panel]).collect()
}

/// Calls `task` for all of `panels`, which are in order, by several threads if they are many.
fn by_threads(panels: &[usize], task: &(dyn Fn(Range<usize>, &mut ThreadScratch) + Sync)) {
    let all = |panels: &[usize]| {
        let mut own = ThreadScratch::default();
        let runs = panels.chunk_by(|panel, next| panel + 1 == *next);
        runs.for_each(|run| task(run[0]..run[0] + run.len(), &mut own));
    };
    match panels.len() <= FEW {
        true => all(panels),
        false => pool().ranges(panels.len(), &|range| all(&panels[range])),
    }
}

fn write(values: &SharedBuffer<f32>, output: usize, logits: &[f32]) {
    // SAFETY: the panel of these outputs is one thread's.
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
    fn the_likeliest_of_some_tokens_by_estimates_is_the_likeliest_of_them_and_exact() {
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
            by_threads(&all, &|panels, own| {
                let part = Part::new(kernels(), 0..1, panels, &inputs);
                matrix.multiply(part, &mut own.prepared, |_, output, logits| write(&exact, output, logits));
            });
            estimated(&matrix, &inputs, &tokens, &panels_of(&tokens), &found);
            let (exact, found) = (exact.into_vec(), found.into_vec());
            let best = first_largest(&exact, &tokens);
            assert_eq!((first_largest(&found, &tokens), found[best as usize]), (best, exact[best as usize]), "{share}");
            estimates += tokens.iter().filter(|token| found[**token as usize] != exact[**token as usize]).count();
        }
        assert!(estimates > WIDTH, "only {estimates} logits were left estimated");
    }
}
