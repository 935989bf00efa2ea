//! The stream of rows, which can be left and taken up again at any row.
//!
//! The files of an epoch are gone through in windows: as many as fill some rows, packed by themselves. So a row depends on the
//! files of its window alone, and going on from a position costs no more than one window.

use std::vec::IntoIter;

use foretype_plugins::random::Random;
use foretype_plugins::sample::{SampleKind, Repository, Sample, samples};
use rayon::prelude::*;

use super::{Document, Fit, SampleOptions, PackedRow, SampleError, Statistics, pack};
use crate::chat;
use crate::tokenizer::Tokenizer;

/// A window has files for at least as many rows, if there are as many: the last one of them is filled in part.
const WINDOW_ROWS: usize = 64;
/// Files that are tokenised side by side.
const FILES_PER_BATCH: usize = 16;

/// A place in a stream of rows: the row that comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct StreamPosition {
    /// How often all files have been gone through.
    pub epoch: u64,
    /// The first file of the window, in the order of the epoch.
    pub file: usize,
    /// Rows of the window that have been read.
    pub row: usize,
}

/// Rows from a position on. The same repositories, tokenizer and options give the same rows.
///
/// The stream ends after the epochs asked for, after an error, and when an epoch gives no row.
pub struct RowStream<'a> {
    repositories: &'a [Repository],
    tokenizer: &'a Tokenizer,
    options: SampleOptions,
    statistics: Statistics,
    position: StreamPosition,
    /// Repository and file, in the order of the epoch.
    order: Vec<(usize, usize)>,
    window: IntoIter<PackedRow>,
    /// The first file after the window, in the order of the epoch.
    next_file: usize,
    /// Whether this epoch gave no row, as far as is known.
    barren: bool,
}

impl<'a> RowStream<'a> {
    /// A stream from `position` on; `Position::default()` is the beginning.
    ///
    /// # Errors
    /// Where the options make no sense for the tokenizer, and as the rows themselves.
    pub fn new(
        repositories: &'a [Repository],
        tokenizer: &'a Tokenizer,
        options: SampleOptions,
        position: StreamPosition,
    ) -> Result<Self, SampleError> {
        options.check(tokenizer)?;
        let order = order(repositories, options.seed, position.epoch);
        let mut rows = Self {
            repositories,
            tokenizer,
            options,
            statistics: Statistics::default(),
            position,
            order,
            window: Vec::new().into_iter(),
            next_file: position.file,
            barren: position.file == 0,
        };
        if position.row > 0 {
            rows.fill_window()?;
            rows.window.by_ref().take(position.row).for_each(drop);
            rows.position.row = position.row;
        }
        Ok(rows)
    }

    /// The place of the row that comes next.
    pub fn position(&self) -> StreamPosition {
        self.position
    }

    /// Counts over the rows given so far, and over the samples of all windows opened for them.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Makes the rows of the next window.
    fn fill_window(&mut self) -> Result<(), SampleError> {
        let first = self.next_file;
        let enough = WINDOW_ROWS * self.options.context;
        let mut documents = Vec::new();
        let mut tokens = 0;
        while tokens < enough && self.next_file < self.order.len() {
            let files = self.next_file..(self.next_file + FILES_PER_BATCH).min(self.order.len());
            self.next_file = files.end;
            let more = self.documents(&files)?;
            tokens += more.iter().map(|document| document.tokens.len()).sum::<usize>();
            documents.extend(more);
        }
        let mut rows = pack(documents, self.options.context, self.options.loss);
        // Packing puts long documents first; learning wants them mixed.
        Random::from_keys(&[self.options.seed, self.position.epoch, first as u64]).shuffle(&mut rows);
        self.barren &= rows.is_empty();
        self.window = rows.into_iter();
        (self.position.file, self.position.row) = (first, 0);
        Ok(())
    }

    /// The documents of some files, in the order of the epoch.
    fn documents(&mut self, files: &std::ops::Range<usize>) -> Result<Vec<Document>, SampleError> {
        let made: Result<Vec<_>, _> = self.order[files.clone()].par_iter().map(|file| self.tokenize_file(*file)).collect();
        self.statistics.files += files.len();
        let mut documents = Vec::new();
        for (kind, fit) in made?.into_iter().flatten() {
            self.statistics.count_sample(kind, &fit);
            if let Fit::Whole(document) | Fit::Truncated(document) = fit {
                documents.push(document);
            }
        }
        Ok(documents)
    }

    /// The samples of one file.
    fn tokenize_file(&self, (repository, file): (usize, usize)) -> Result<Vec<(SampleKind, Fit)>, SampleError> {
        let keys = [self.options.seed, self.position.epoch, repository as u64, file as u64];
        let repository = &self.repositories[repository];
        let made = samples(repository, file, &self.options.samples, &mut Random::from_keys(&keys))?;
        let fit = |sample: &Sample| Document::fit(self.options.context, sample, self.tokenizer);
        made.into_iter().map(|sample| Ok((sample.kind, fit(&self.render_conversation(sample)?)?))).collect()
    }

    /// A sample with its conversation in the prompt, as the model's template spells it and as it is read live.
    fn render_conversation(&self, mut sample: Sample) -> Result<Sample, SampleError> {
        if let Some(template) = self.options.chat_template.as_ref().filter(|_| !sample.conversation.is_empty()) {
            let said = std::mem::take(&mut sample.conversation);
            sample.prompt.parts.splice(0..0, chat::render_conversation(template, self.tokenizer, &said)?);
            sample.end_token = super::end_token_name(self.tokenizer, None);
        }
        Ok(sample)
    }

    /// Goes to the next epoch.
    fn start_next_epoch(&mut self) {
        self.position = StreamPosition { epoch: self.position.epoch + 1, ..StreamPosition::default() };
        self.order = order(self.repositories, self.options.seed, self.position.epoch);
        (self.next_file, self.barren) = (0, true);
    }

    fn ended(&self) -> bool {
        let enough = self.options.epochs.is_some_and(|epochs| self.position.epoch >= epochs);
        enough || self.next_file >= self.order.len() && self.barren
    }
}

/// All files of all repositories in the order of an epoch.
fn order(repositories: &[Repository], seed: u64, epoch: u64) -> Vec<(usize, usize)> {
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
            if self.ended() {
                return None;
            }
            if self.next_file >= self.order.len() {
                self.start_next_epoch();
            } else if let Err(error) = self.fill_window() {
                (self.next_file, self.barren) = (self.order.len(), true);
                return Some(Err(error));
            }
        }
    }
}
