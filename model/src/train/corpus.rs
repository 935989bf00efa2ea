//! Collects the source files to train on from repositories and directories, and filters them.
//!
//! [`Corpus::collect`] lists the files of its sources, excludes files by path and by text ([`ExclusionReason`]),
//! removes duplicates, and only then splits the rest into a training part and a held-out part, so that no text occurs
//! in both. Every file ends up either in `files` or in `left_out`. Links are not followed, and nothing outside of a
//! source is read. The same sources and options always produce the same corpus.

mod duplicates;
mod error;
mod exclusion;
mod filter;
mod git;
mod ignore_rules;
mod licences;
mod minhash;
mod options;
mod progress;
mod read;
mod source;
mod source_file;
mod split;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use foretype_plugins::Language;
use rayon::prelude::*;

pub use error::CorpusError;
pub use exclusion::{ExcludedFile, ExclusionReason, UnknownExclusionReason};
pub use licences::{Licence, Licences};
pub use options::{CorpusOptions, SplitBy};
pub use progress::{CollectStage, Progress};
pub use source::CorpusSource;
pub use source_file::{SourceFile, Split};

use source::CandidateFile;

/// The files to train on, and the files that were excluded.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// The directories that the corpus was collected from.
    pub sources: Vec<CorpusSource>,
    /// The included files, ordered by source, then by path.
    pub files: Vec<SourceFile>,
    /// The excluded files, ordered by source, then by path.
    pub left_out: Vec<ExcludedFile>,
    /// The licences of the sources.
    pub licences: Licences,
}

impl Corpus {
    /// Collects the files in directories. From a directory inside a git repository, the files that git tracks are
    /// collected, which requires the program `git`. From any other directory, or without [`CorpusOptions::git`], all
    /// files are collected that are neither hidden nor ignored by a `.gitignore`. `.foretypeignore` files, which have
    /// the syntax of `.gitignore`, exclude more files in both cases.
    ///
    /// `progress` is called from several threads.
    ///
    /// # Errors
    /// Fails if a directory cannot be read, an ignore file is invalid, an option is out of range, or all files are
    /// excluded. The error names the remedy.
    pub fn collect<P: AsRef<Path>>(
        folders: &[P],
        options: &CorpusOptions,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Self, CorpusError> {
        split::check_share(options.held_out)?;
        let sources = CorpusSource::open_all(folders, options.git)?;
        if options.split_by == SplitBy::Time {
            split::check_times(&sources)?;
        }
        let candidates = list_candidates(&sources, progress)?;
        let (files, mut left_out) = read_all(&candidates, options, progress);
        let (mut files, repeated) = duplicates::remove(files, progress);
        left_out.extend(repeated);
        if files.is_empty() {
            return Err(CorpusError::NothingLeft { left_out });
        }
        split::assign(&mut files, options);
        sort_excluded(&mut left_out, &sources);
        let licences = Licences::find(&sources, &files);
        Ok(Self { sources, files, left_out, licences })
    }

    /// Number of excluded files for each reason.
    pub fn counts(&self) -> BTreeMap<ExclusionReason, usize> {
        exclusion::counts(&self.left_out)
    }
}

fn list_candidates<'a>(
    sources: &'a [CorpusSource],
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<CandidateFile<'a>>, CorpusError> {
    let mut candidates = Vec::new();
    for source in sources {
        progress(Progress { stage: CollectStage::Listing, done: candidates.len(), total: 0 });
        candidates.extend(source.candidates()?);
    }
    Ok(candidates)
}

/// Reads and filters all candidates in parallel, keeping their order.
fn read_all(
    candidates: &[CandidateFile],
    options: &CorpusOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> (Vec<SourceFile>, Vec<ExcludedFile>) {
    let (done, total) = (AtomicUsize::new(0), candidates.len());
    let results: Vec<Result<SourceFile, ExcludedFile>> = candidates
        .par_iter()
        .map(|candidate| {
            let result = read_candidate(candidate, options).map_err(|reason| candidate.exclude(reason));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { stage: CollectStage::Scanning, done, total });
            result
        })
        .collect();
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(file) => files.push(file),
            Err(file) => left_out.push(file),
        }
    }
    (files, left_out)
}

/// Reads and filters a candidate.
fn read_candidate(candidate: &CandidateFile, options: &CorpusOptions) -> Result<SourceFile, ExclusionReason> {
    let CandidateFile { source, path, .. } = candidate;
    if candidate.ignored {
        return Err(ExclusionReason::Ignored);
    }
    let language = Language::from_path(path);
    filter::check_path(path, options)?;
    if language == Language::PlainText && options.only.is_empty() {
        let head = read::read_head(&source.folder, path)?;
        return Err(if filter::looks_like_text(&head) {
            ExclusionReason::UnknownLanguage
        } else {
            ExclusionReason::Binary
        });
    }
    let text = filter::decode_text(read::read_whole(&source.folder, path, options.max_file_bytes)?)?;
    filter::check_text(&text, language, options)?;
    Ok(SourceFile {
        repository: source.repository.clone(),
        path: path.clone(),
        language,
        text: text.into(),
        committed: candidate.committed,
        split: Split::Training,
    })
}

/// Sorts excluded files by source in the order given, then by path.
fn sort_excluded(left_out: &mut [ExcludedFile], sources: &[CorpusSource]) {
    let rank = |name: &str| sources.iter().position(|source| source.repository == name);
    left_out.sort_by_cached_key(|file| (rank(&file.repository), file.path.clone()));
}
