//! What a training set comes to.

use std::collections::BTreeMap;

use foretype_plugins::sample::{SampleKind, Repository};

use super::{Fit, SampleOptions, PackedRow, StreamPosition, RowStream, SampleError};
use crate::tokenizer::Tokenizer;

/// Counts over rows and what they were made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Statistics {
    /// Files that samples were made of.
    pub files: usize,
    /// Samples of each kind, without those that were left out.
    pub kinds: BTreeMap<SampleKind, usize>,
    /// Samples that lost the first lines of their text, to fit into a row.
    pub cut: usize,
    /// Samples that were left out because they do not fit into a row.
    pub dropped: usize,
    /// Rows.
    pub rows: usize,
    /// Tokens in them.
    pub tokens: usize,
    /// Tokens that are learnt.
    pub targets: usize,
    /// Tokens that the rows have room for.
    pub room: usize,
}

impl Statistics {
    /// The share of the rows that is empty.
    pub fn padding_share(&self) -> f64 {
        if self.room == 0 { 0.0 } else { 1.0 - self.tokens as f64 / self.room as f64 }
    }

    pub(super) fn count_sample(&mut self, kind: SampleKind, fit: &Fit) {
        self.cut += usize::from(matches!(fit, Fit::Truncated(_)));
        match fit {
            Fit::TooLong => self.dropped += 1,
            _ => *self.kinds.entry(kind).or_default() += 1,
        }
    }

    pub(super) fn count_row(&mut self, row: &PackedRow, context: usize) {
        self.rows += 1;
        self.tokens += row.tokens.len();
        self.targets += row.targets.iter().flatten().count();
        self.room += context;
    }
}

/// Counts over the first epoch.
///
/// # Errors
/// As [`Rows`].
pub fn first_epoch_statistics(
    repositories: &[Repository],
    tokenizer: &Tokenizer,
    options: &SampleOptions,
) -> Result<Statistics, SampleError> {
    let options = SampleOptions { epochs: Some(1), ..options.clone() };
    let mut rows = RowStream::new(repositories, tokenizer, options, StreamPosition::default())?;
    rows.by_ref().try_for_each(|row| row.map(drop))?;
    Ok(rows.statistics().clone())
}
