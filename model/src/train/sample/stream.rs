//! A stream of rows that can be resumed at any row.
//!
//! The files of an epoch are processed in windows, each of which fills a number of rows and is packed by itself. Thus a
//! row depends only on the files of its window, and resuming costs no more than one window.

use std::vec::IntoIter;

use foretype_plugins::random::Random;
use foretype_plugins::sample::{Repository, Sample, SampleKind, samples};
use rayon::prelude::*;

use super::pack::pack;
use super::{Document, Fit, PackedRow, SampleError, SampleOptions, Statistics};
use crate::chat;
use crate::tokenizer::Tokenizer;

/// Minimum number of rows that the files of a window fill, except at the end of an epoch.
const WINDOW_ROWS: usize = 64;
/// Number of files that are tokenised in parallel.
const FILES_PER_BATCH: usize = 16;

/// A position in a stream of rows: that of the next row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct StreamPosition {
    /// Number of complete passes over the files.
    pub epoch: u64,
    /// Index of the window's first file in the order of the epoch.
    pub file: usize,
    /// Number of rows of the window that have been read.
    pub row: usize,
}

/// A stream of rows. The same repositories, tokenizer and options produce the same rows.
///
/// The stream ends after the requested number of epochs, after an error, or when an epoch has no row.
pub struct RowStream<'a> {
    repositories: &'a [Repository],
    tokenizer: &'a Tokenizer,
    options: SampleOptions,
    statistics: Statistics,
    position: StreamPosition,
    /// Indices of repository and file, in the order of the epoch.
    order: Vec<(usize, usize)>,
    window: IntoIter<PackedRow>,
    /// Index of the first file after the window in the order of the epoch.
    next_file: usize,
    /// True while this epoch has not produced a row.
    epoch_is_empty: bool,
}

impl<'a> RowStream<'a> {
    /// A stream from `position` on; `StreamPosition::default()` is the beginning.
    ///
    /// # Errors
    /// Fails if the options are invalid for the tokenizer, or if a row of the first window cannot be generated.
    pub fn new(
        repositories: &'a [Repository],
        tokenizer: &'a Tokenizer,
        options: SampleOptions,
        position: StreamPosition,
    ) -> Result<Self, SampleError> {
        options.check(tokenizer)?;
        let order = epoch_order(repositories, options.seed, position.epoch);
        let mut rows = Self {
            repositories,
            tokenizer,
            options,
            statistics: Statistics::default(),
            position,
            order,
            window: Vec::new().into_iter(),
            next_file: position.file,
            epoch_is_empty: position.file == 0,
        };
        if position.row > 0 {
            rows.fill_window()?;
            for _ in 0..position.row {
                rows.window.next();
            }
            rows.position.row = position.row;
        }
        Ok(rows)
    }

    /// The position of the next row.
    pub(crate) fn position(&self) -> StreamPosition {
        self.position
    }

    /// Counts of the rows returned so far, and of the samples in all their windows.
    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Generates the rows of the next window.
    fn fill_window(&mut self) -> Result<(), SampleError> {
        let first = self.next_file;
        let target = WINDOW_ROWS * self.options.context;
        let mut documents = Vec::new();
        let mut tokens = 0;
        while tokens < target && self.next_file < self.order.len() {
            let files = self.next_file..(self.next_file + FILES_PER_BATCH).min(self.order.len());
            self.next_file = files.end;
            let more = self.documents(&files)?;
            tokens += more.iter().map(|document| document.tokens.len()).sum::<usize>();
            documents.extend(more);
        }
        let mut rows = pack(documents, self.options.context, self.options.loss);
        // Packing puts long documents first, but training needs them mixed.
        Random::from_keys(&[self.options.seed, self.position.epoch, first as u64]).shuffle(&mut rows);
        self.epoch_is_empty &= rows.is_empty();
        self.window = rows.into_iter();
        (self.position.file, self.position.row) = (first, 0);
        Ok(())
    }

    /// The documents of a range of files, in the order of the epoch.
    fn documents(&mut self, files: &std::ops::Range<usize>) -> Result<Vec<Document>, SampleError> {
        let samples: Result<Vec<_>, _> =
            self.order[files.clone()].par_iter().map(|file| self.tokenize_file(*file)).collect();
        self.statistics.files += files.len();
        let mut documents = Vec::new();
        for (kind, fit) in samples?.into_iter().flatten() {
            self.statistics.count_sample(kind, &fit);
            if let Fit::Whole(document) | Fit::Truncated(document) = fit {
                documents.push(document);
            }
        }
        Ok(documents)
    }

    /// Generates and tokenises the samples of a file.
    fn tokenize_file(&self, (repository, file): (usize, usize)) -> Result<Vec<(SampleKind, Fit)>, SampleError> {
        let keys = [self.options.seed, self.position.epoch, repository as u64, file as u64];
        let repository = &self.repositories[repository];
        let made = samples(repository, file, &self.options.samples, &mut Random::from_keys(&keys))?;
        let fit = |sample: &Sample| Document::fit(self.options.context, sample, self.tokenizer);
        made.into_iter().map(|sample| Ok((sample.kind, fit(&self.render_conversation(sample)?)?))).collect()
    }

    /// Moves a sample's conversation into its prompt, formatted by the chat template like a live conversation.
    fn render_conversation(&self, mut sample: Sample) -> Result<Sample, SampleError> {
        if let Some(template) = &self.options.chat_template
            && !sample.conversation.is_empty()
        {
            let conversation = std::mem::take(&mut sample.conversation);
            sample.prompt.parts.splice(0..0, chat::render_conversation(template, self.tokenizer, &conversation)?);
            sample.end_token = super::end_token_name(self.tokenizer, None);
        }
        Ok(sample)
    }

    /// Starts the next epoch.
    fn start_next_epoch(&mut self) {
        self.position = StreamPosition { epoch: self.position.epoch + 1, ..StreamPosition::default() };
        self.order = epoch_order(self.repositories, self.options.seed, self.position.epoch);
        (self.next_file, self.epoch_is_empty) = (0, true);
    }

    fn is_finished(&self) -> bool {
        let finished = self.options.epochs.is_some_and(|epochs| self.position.epoch >= epochs);
        finished || self.next_file >= self.order.len() && self.epoch_is_empty
    }
}

/// All files of all repositories, shuffled for an epoch.
fn epoch_order(repositories: &[Repository], seed: u64, epoch: u64) -> Vec<(usize, usize)> {
    let files = |(at, repository): (usize, &Repository)| (0..repository.files().len()).map(move |file| (at, file));
    let mut order: Vec<_> = repositories.iter().enumerate().flat_map(files).collect();
    Random::from_keys(&[seed, epoch]).shuffle(&mut order);
    order
}

impl Iterator for RowStream<'_> {
    type Item = Result<PackedRow, SampleError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.window.next() {
                self.position.row += 1;
                self.statistics.count_row(&row, self.options.context);
                return Some(Ok(row));
            }
            if self.is_finished() {
                return None;
            }
            if self.next_file >= self.order.len() {
                self.start_next_epoch();
            } else if let Err(error) = self.fill_window() {
                (self.next_file, self.epoch_is_empty) = (self.order.len(), true);
                return Some(Err(error));
            }
        }
    }
}

/// Counts the rows and samples of the first epoch.
///
/// # Errors
/// As [`RowStream`].
pub fn first_epoch_statistics(
    repositories: &[Repository],
    tokenizer: &Tokenizer,
    options: &SampleOptions,
) -> Result<Statistics, SampleError> {
    let options = SampleOptions { epochs: Some(1), ..options.clone() };
    let mut rows = RowStream::new(repositories, tokenizer, options, StreamPosition::default())?;
    for row in rows.by_ref() {
        row?;
    }
    Ok(rows.statistics().clone())
}
