//! What a step says about the next token.

use std::ops::Range;

use crate::kernels::Kernels;
use crate::kernels::split_q8::SplitQ8;
use crate::kernels::shared_buffer::SharedBuffer;
use crate::kernels::simd::PANEL;

/// Pieces of the vocabulary whose likeliest token and sum are worked out apart; fixed, so that the sum is the same on any number of
/// threads.
pub(super) const PIECES: usize = 16;

/// Tokens that are looked at together for one that may be the likeliest: whole panels, of which nearly all have none.
const GROUP: usize = 16 * PANEL;

/// A piece of a row whose values have been estimated.
pub(super) struct Estimated<'a> {
    pub(super) kernels: &'a Kernels,
    pub(super) matrix: &'a SplitQ8,
    pub(super) row: usize,
    pub(super) piece: usize,
    /// That of the row's inputs.
    pub(super) length: f32,
}

/// The logits of a step's wanted rows.
#[derive(Default)]
pub(crate) struct Logits {
    /// `[wanted, vocabulary]`
    pub(super) values: SharedBuffer<f32>,
    /// `[wanted, PIECES]`
    pub(super) pieces: SharedBuffer<Piece>,
    /// `[wanted, PIECES]`: what the likeliest token of a piece has at the least, where logits are estimated first.
    least: SharedBuffer<f32>,
    /// `[wanted, hidden]`: what the output matrix gets; nothing where a device has it.
    pub(super) states: SharedBuffer<f32>,
    pub(super) width: usize,
    /// Rows of which all logits are there, and rows of which the likeliest token is; of the others there is the state.
    counts: (usize, usize),
    /// Length of a state.
    hidden: usize,
}

/// The highest logit of a piece of the vocabulary, and the logarithm of the sum of their exponents.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Piece {
    top: f32,
    log_sum: f32,
}

impl Piece {
    fn new(kernels: &Kernels, logits: &[f32]) -> Self {
        let (top, log_sum) = match logits {
            [] => (f32::NEG_INFINITY, f32::NEG_INFINITY),
            // SAFETY: the kernels are those of a set that is here.
            logits => unsafe { (kernels.log_sum)(logits) },
        };
        Self { top, log_sum }
    }
}

/// What a step says of one row.
#[derive(Default)]
pub(crate) struct LogitsRow<'a> {
    /// `[vocabulary]`, if all were asked for.
    pub(crate) values: &'a [f32],
    /// The likeliest token, of equals the first, and its natural log-probability, if they were worked out.
    pub(crate) best: Option<(u32, f32)>,
    /// `[hidden]`, what the output matrix gets: [`Decoder::logits_of`](super::Decoder::logits_of) works out logits from it. Only where
    /// `values` are not there, or could be left out.
    pub(crate) state: &'a [f32],
}

impl Logits {
    /// Makes room for rows of which all logits are worked out, and for those of which the likeliest token is.
    pub(super) fn reserve(&mut self, counts: (usize, usize), width: usize) {
        (self.counts, self.width, self.hidden) = (counts, width, 0);
        let rows = counts.0 + counts.1;
        self.values.reserve(rows * width);
        self.pieces.reserve(rows * PIECES);
        self.least.reserve(rows * PIECES);
    }

    /// Makes room for the states of so many rows.
    pub(super) fn reserve_states(&mut self, rows: usize, hidden: usize) {
        self.hidden = hidden;
        self.states.reserve(rows * hidden);
    }

    /// Says of a piece what its likeliest token has at the least. That is what the panel has that promises most, worked out by `exact`,
    /// which gets a panel and where its values go: by its estimate alone it would be twice the error less than what others may have.
    pub(super) fn bound(&self, of: &Estimated, mut exact: impl FnMut(usize, &mut [f32])) {
        let Estimated { kernels, matrix, row, piece, length } = *of;
        let tokens = self.piece(piece);
        // SAFETY: one thread has this piece.
        let values = unsafe { self.values.slice_mut(self.place(row, &tokens)) };
        let errors = &matrix.errors()[tokens.clone()];
        // SAFETY: the kernels are those of a set that is here.
        let promise = |values: &[f32], errors: &[f32]| unsafe { (kernels.bound)(values, errors, -length) };
        let best = |range: Range<usize>, size: usize| {
            let parts = values[range.clone()].chunks(size).zip(errors[range].chunks(size));
            let promises = parts.map(|(values, errors)| promise(values, errors)).enumerate();
            promises.fold((0, f32::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best }).0
        };
        let from = best(0..values.len(), GROUP) * GROUP;
        let to = values.len().min(from + GROUP);
        let panel = from / PANEL + best(from..to, PANEL);
        let mut least = f32::NEG_INFINITY;
        if let Some(values) = values.chunks_mut(PANEL).nth(panel) {
            exact(tokens.start / PANEL + panel, values);
            least = values.iter().copied().fold(least, f32::max);
        }
        let slot = row * PIECES + piece;
        // SAFETY: one thread has this piece.
        unsafe { self.least.slice_mut(slot..slot + 1)[0] = least };
    }

    /// All pieces have their [`bound`](Self::bound): works out exactly, by `exact` as there, what may be the likeliest token of the row.
    pub(super) fn refine(&self, of: &Estimated, mut exact: impl FnMut(usize, &mut [f32])) {
        let Estimated { kernels, matrix, row, piece, length } = *of;
        // SAFETY: all bounds have been written.
        let bounds = unsafe { self.least.slice(row * PIECES..(row + 1) * PIECES) };
        let least = bounds.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let tokens = self.piece(piece);
        // SAFETY: one thread has this piece.
        let values = unsafe { self.values.slice_mut(self.place(row, &tokens)) };
        let errors = &matrix.errors()[tokens.clone()];
        // SAFETY: the kernels are those of a set that is here.
        let may_be = |values: &[f32], errors: &[f32]| unsafe { (kernels.bound)(values, errors, length) >= least };
        for (index, (values, errors)) in values.chunks_mut(GROUP).zip(errors.chunks(GROUP)).enumerate() {
            if !may_be(values, errors) {
                continue;
            }
            let first = (tokens.start + index * GROUP) / PANEL;
            for (panel, (values, errors)) in values.chunks_mut(PANEL).zip(errors.chunks(PANEL)).enumerate() {
                if may_be(values, errors) {
                    exact(first + panel, values);
                }
            }
        }
    }

    /// Where the values of some tokens of a row are.
    fn place(&self, row: usize, tokens: &Range<usize>) -> Range<usize> {
        row * self.width + tokens.start..row * self.width + tokens.end
    }

    /// Works out a piece of a row, whose values have been written.
    pub(super) fn sum_up(&self, kernels: &Kernels, row: usize, piece: usize) {
        // SAFETY: nobody writes the values any more, and one thread has this piece.
        unsafe {
            let values = self.values.slice(self.place(row, &self.piece(piece)));
            let slot = row * PIECES + piece;
            self.pieces.slice_mut(slot..slot + 1)[0] = Piece::new(kernels, values);
        }
    }

    /// The tokens of a piece: whole panels.
    fn piece(&self, piece: usize) -> Range<usize> {
        let panels = self.width.div_ceil(PANEL);
        let end = |piece: usize| (piece * panels / PIECES * PANEL).min(self.width);
        end(piece)..end(piece + 1)
    }

    /// Those of the wanted row `index`.
    pub(crate) fn row(&self, index: usize) -> LogitsRow<'_> {
        // SAFETY: the step is over: nobody writes.
        let state = unsafe { self.states.slice(index * self.hidden..(index + 1) * self.hidden) };
        let (whole, likeliest) = self.counts;
        if index >= whole + likeliest {
            return LogitsRow { state, ..LogitsRow::default() };
        }
        // SAFETY: as before.
        let (values, pieces) = unsafe {
            (
                self.values.slice(index * self.width..(index + 1) * self.width),
                self.pieces.slice(index * PIECES..(index + 1) * PIECES),
            )
        };
        let top = pieces.iter().fold(f32::NEG_INFINITY, |top, piece| top.max(piece.top));
        let sum: f32 = pieces.iter().map(|piece| (piece.log_sum - top).exp()).sum();
        let piece = pieces.iter().position(|piece| piece.top == top).map(|piece| self.piece(piece));
        let id = piece.and_then(|piece| Some(piece.start + values[piece].iter().position(|logit| *logit == top)?));
        // A logit that is not a number spoils the sum: such a row is looked at one by one.
        let best = id.filter(|_| sum.is_finite()).map(|id| (id as u32, -sum.ln()));
        // Where only the likeliest token was asked for, other values may be estimates.
        LogitsRow { values: if index < whole { values } else { &[] }, best, state }
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
    use crate::kernels::packed::Part;

    const COLUMNS: usize = 64;

    /// The likeliest token of a row by estimates, and by all logits; with each its probability. And how many panels were worked out.
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
        // SAFETY: one thread does all of it.
        unsafe {
            let length = inputs.length(0);
            let into = |logits: &Logits, at: usize, values: &[f32]| {
                logits.values.slice_mut(at..at + values.len()).copy_from_slice(values);
            };
            let all = 0..matrix.panels();
            let part = |panels: Range<usize>| Part::new(kernels(), 0..1, panels, &inputs);
            matrix.multiply(part(all.clone()), &mut prepared, |_, at, y| into(&exactly, at, y));
            matrix.estimate(part(all), &mut for_estimates, |_, at, y| into(&estimated, at, y));
            let mut exact = |panel: usize, to: &mut [f32]| {
                panels += 1;
                matrix.multiply(part(panel..panel + 1), &mut prepared, |_, _, y| to.copy_from_slice(y));
            };
            let of = |piece| Estimated { kernels: kernels(), matrix: &matrix, row: 0, piece, length };
            (0..PIECES).for_each(|piece| estimated.bound(&of(piece), &mut exact));
            (0..PIECES).for_each(|piece| estimated.refine(&of(piece), &mut exact));
        }
        let best = [&estimated, &exactly].map(|logits| {
            (0..PIECES).for_each(|piece| logits.sum_up(kernels(), 0, piece));
            logits.row(0).best.expect("a token")
        });
        (best, panels)
    }

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..count).map(|_| random.unit() as f32 - 0.5).collect()
    }

    #[test]
    fn the_likeliest_token_by_estimates_is_the_likeliest_of_all() {
        let mut spared = 0;
        for (seed, width) in (0..60).zip([16, 100, 1000, 1003, 4096].into_iter().cycle()) {
            // Narrow differences: many may be the largest.
            let weights = numbers(width * COLUMNS, seed);
            let ([by_estimates, exactly], panels) = both(width, weights, &numbers(COLUMNS, seed + 1000));
            assert_eq!(by_estimates.0, exactly.0, "{seed} {width}");
            assert!((by_estimates.1 - exactly.1).abs() < 0.01, "{by_estimates:?} {exactly:?}");
            spared += usize::from(panels < width.div_ceil(PANEL));
        }
        assert!(spared > 10, "only {spared} of 60 left something out");
    }

    #[test]
    fn of_equal_tokens_the_first_is_taken_wherever_they_are() {
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
