//! Statistics of training data.

use std::collections::BTreeMap;

use foretype_plugins::sample::SampleKind;

use super::{Fit, PackedRow};

/// Counts of rows and of the samples in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Statistics {
    /// Number of files that samples were generated from.
    pub files: usize,
    /// Number of samples of each kind, without dropped ones.
    pub kinds: BTreeMap<SampleKind, usize>,
    /// Number of samples that lost the first lines of their text to fit into a row.
    pub cut: usize,
    /// Number of samples that were dropped because they do not fit into a row.
    pub dropped: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of tokens in the rows.
    pub tokens: usize,
    /// Number of tokens that contribute to the loss.
    pub targets: usize,
    /// Number of tokens that the rows have room for.
    pub room: usize,
}

impl Statistics {
    /// The share of the rows' capacity that is padding.
    #[cfg(test)]
    pub(super) fn padding_share(&self) -> f64 {
        if self.room == 0 { 0.0 } else { 1.0 - self.tokens as f64 / self.room as f64 }
    }

    /// Counts a sample.
    pub(super) fn count_sample(&mut self, kind: SampleKind, fit: &Fit) {
        self.cut += usize::from(matches!(fit, Fit::Truncated(_)));
        match fit {
            Fit::TooLong => self.dropped += 1,
            _ => *self.kinds.entry(kind).or_default() += 1,
        }
    }

    /// Counts a packed row.
    pub(super) fn count_row(&mut self, row: &PackedRow, context: usize) {
        self.rows += 1;
        self.tokens += row.tokens.len();
        self.targets += row.targets.iter().flatten().count();
        self.room += context;
    }
}
