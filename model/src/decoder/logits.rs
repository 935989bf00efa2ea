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
        // SAFETY: nobody writes the values any more, and one thread has this piece.
        unsafe {
            let first = row * self.width;
            let values = self.values.slice(first + self.piece(piece).start..first + self.piece(piece).end);
            let slot = row * PIECES + piece;
            self.pieces.slice_mut(slot..slot + 1)[0] = Piece::new(kernels, values);
        }
    }

    /// The tokens of a piece.
    fn piece(&self, piece: usize) -> std::ops::Range<usize> {
        piece * self.width / PIECES..(piece + 1) * self.width / PIECES
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
        let piece = pieces.iter().position(|piece| piece.top == top).map(|piece| self.piece(piece));
        let id = piece.and_then(|piece| Some(piece.start + values[piece].iter().position(|logit| *logit == top)?));
        // A logit that is not a number spoils the sum: such a row is looked at one by one.
        let best = id.filter(|_| sum.is_finite()).map(|id| (id as u32, -sum.ln()));
        LogitsRow { values, best }
    }
}
