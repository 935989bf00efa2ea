//! What a step says about the next token.

use crate::kernels::Kernels;
use crate::kernels::shared::Shared;

/// Pieces of the vocabulary whose likeliest token and sum are worked out apart; fixed, so that the sum is the same on any number of
/// threads.
pub(super) const PIECES: usize = 16;

/// The logits of a step's wanted rows.
#[derive(Default)]
pub(crate) struct Logits {
    /// `[wanted, vocabulary]`
    pub(super) values: Shared<f32>,
    /// `[wanted, PIECES]`
    pub(super) pieces: Shared<Piece>,
    pub(super) width: usize,
}

/// The likeliest token of a piece of the vocabulary.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Piece {
    id: u32,
    top: f32,
    log_sum: f32,
}

impl Piece {
    /// Of logits that begin with that of token `first`.
    pub(super) fn new(kernels: &Kernels, first: usize, logits: &[f32]) -> Self {
        // SAFETY: the kernels are those of a set that is here.
        let (top, log_sum) = unsafe { (kernels.log_sum)(logits) };
        if logits.is_empty() {
            return Self { id: 0, top: f32::NEG_INFINITY, log_sum: f32::NEG_INFINITY };
        }
        // None where a logit is not a number: such a row is looked at one by one.
        let at = logits.iter().position(|logit| *logit == top);
        Self { id: at.map_or(u32::MAX, |at| (first + at) as u32), top, log_sum }
    }
}

/// The logits of one row.
#[derive(Default)]
pub(crate) struct LogitsRow<'a> {
    /// `[vocabulary]`
    pub(crate) values: &'a [f32],
    /// The likeliest token, of equals the first, and its natural log-probability, if they were worked out.
    pub(crate) best: Option<(u32, f32)>,
}

impl<'a> LogitsRow<'a> {
    /// From plain values.
    pub(crate) fn of(values: &'a [f32]) -> Self {
        Self { values, best: None }
    }
}

impl Logits {
    /// Makes room for so many rows.
    pub(super) fn reserve(&mut self, wanted: usize, width: usize) {
        self.width = width;
        self.values.reserve(wanted * width);
        self.pieces.reserve(wanted * PIECES);
    }

    /// Works out a piece of a row, whose values have been written.
    pub(super) fn sum_up(&self, kernels: &Kernels, row: usize, piece: usize) {
        let at = |piece: usize| piece * self.width / PIECES;
        // SAFETY: nobody writes the values any more, and one thread has this piece.
        unsafe {
            let values = self.values.slice(row * self.width + at(piece)..row * self.width + at(piece + 1));
            let slot = row * PIECES + piece;
            self.pieces.slice_mut(slot..slot + 1)[0] = Piece::new(kernels, at(piece), values);
        }
    }

    /// Those of the wanted row `index`.
    pub(crate) fn row(&self, index: usize) -> LogitsRow<'_> {
        // SAFETY: the step is over: nobody writes.
        let (values, pieces) = unsafe {
            (
                self.values.slice(index * self.width..(index + 1) * self.width),
                self.pieces.slice(index * PIECES..(index + 1) * PIECES),
            )
        };
        let top = pieces.iter().fold(f32::NEG_INFINITY, |top, piece| top.max(piece.top));
        let sum: f32 = pieces.iter().map(|piece| (piece.log_sum - top).exp()).sum();
        let whole = sum.is_finite() && pieces.iter().all(|piece| piece.id != u32::MAX);
        let best = pieces.iter().find(|piece| whole && piece.top == top).map(|piece| (piece.id, -sum.ln()));
        LogitsRow { values, best }
    }
}
