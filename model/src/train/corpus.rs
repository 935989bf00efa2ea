//! What a model learns from: the text of repositories and folders, without what teaches nothing and what must not be taught.
//!
//! [`Corpus::collect`] lists the files of its sources, leaves out by path and by text ([`Reason`]), removes duplicates, and
//! only then splits what is left into a training part and a held-out part, so that no text stands on both sides. Every
//! file ends either in `files` or in `left_out`. Links are not followed and nothing outside of a source is read. The
//! same sources and options give the same corpus.

mod duplicates;
mod error;
mod filter;
mod git;
mod ignores;
mod licences;
mod minhash;
mod read;
mod reason;
mod source;
mod split;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use foretype_plugins::Language;
use rayon::prelude::*;

pub use error::CorpusError;
pub use licences::{Licence, Licences};
pub use reason::{LeftOut, Reason, UnknownReason};
pub use source::Source;
pub use split::{Split, SplitBy};

use source::Candidate;

/// What is taken and how it is split.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Larger files are left out, and not read.
    pub max_file_bytes: u64,
    /// The share of files that is held out, from 0 to below 1.
    pub held_out: f64,
    /// Which files are held out.
    pub split_by: SplitBy,
    /// Another seed holds out other files, when they are chosen by [`SplitBy::File`].
    pub seed: u64,
    /// Only files with these endings (`rs`) or names (`Makefile`), whatever their language; all known languages if empty.
    pub only: Vec<String>,
    /// Ask git which files belong to a folder that lies in a repository. Without, such a folder is taken as any other.
    pub git: bool,
    /// Keep large data files and texts that are mostly digits.
    pub keep_data: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_file_bytes: 1_000_000,
            held_out: 0.05,
            split_by: SplitBy::File,
            seed: 1,
            only: Vec::new(),
            git: true,
            keep_data: false,
        }
    }
}

/// A file that a model learns from, or is measured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Name of its source.
    pub repository: String,
    /// Relative to the source, with `/`.
    pub path: String,
    /// By its path.
    pub language: Language,
    /// The text as it is, but for a byte order mark.
    pub text: Arc<str>,
    /// When a commit last touched it, in Unix seconds; `None` without git and for what was never committed.
    pub committed: Option<i64>,
    /// Which part it belongs to.
    pub split: Split,
}

/// How far [`Corpus::collect`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub stage: Stage,
    /// How many files of that stage are done.
    pub done: usize,
    /// Of how many; 0 while that is not known.
    pub total: usize,
}

/// What [`Corpus::collect`] does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Looking which files there are, and in git's history when they changed.
    Listing,
    /// Reading and filtering.
    Reading,
    /// Looking for duplicates.
    Comparing,
}

/// Texts to learn from, and what was not taken.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// Where it was collected.
    pub sources: Vec<Source>,
    /// What was taken: by source, then by path.
    pub files: Vec<SourceFile>,
    /// What was not: by source, then by path.
    pub left_out: Vec<LeftOut>,
    /// Under which licences the sources are.
    pub licences: Licences,
}

impl Corpus {
    /// Collects what lies in some folders. A folder inside a git repository gives the files in it that git tracks (this
    /// needs the program `git`); any other folder, and each one without [`Options::git`], gives all files that are neither hidden nor named in a `.gitignore`. In
    /// both, `.foretypeignore` (the syntax of `.gitignore`) names more that is left out.
    ///
    /// `progress` is called from several threads. An error says what to do; it is one, too, if no file is left.
    pub fn collect<P: AsRef<Path>>(
        folders: &[P],
        options: &Options,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Self, CorpusError> {
        split::check(options.held_out)?;
        let sources = Source::open_all(folders, options.git)?;
        if options.split_by == SplitBy::Time {
            split::check_times(&sources)?;
        }
        let candidates = list(&sources, progress)?;
        let (files, mut left_out) = read_all(&candidates, options, progress);
        let (mut files, repeated) = duplicates::remove(files, progress);
        left_out.extend(repeated);
        if files.is_empty() {
            return Err(CorpusError::NothingLeft { left_out });
        }
        split::assign(&mut files, options);
        sort(&mut left_out, &sources);
        let licences = Licences::find(&sources, &files);
        Ok(Self { sources, files, left_out, licences })
    }

    /// How many files were left out for each reason.
    pub fn counts(&self) -> BTreeMap<Reason, usize> {
        reason::counts(&self.left_out)
    }
}

fn list<'a>(sources: &'a [Source], progress: &(dyn Fn(Progress) + Sync)) -> Result<Vec<Candidate<'a>>, CorpusError> {
    let mut candidates = Vec::new();
    for source in sources {
        progress(Progress { stage: Stage::Listing, done: candidates.len(), total: 0 });
        candidates.extend(source.candidates()?);
    }
    Ok(candidates)
}

/// Reads what is to be read; what is taken keeps its order.
fn read_all(
    candidates: &[Candidate],
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> (Vec<SourceFile>, Vec<LeftOut>) {
    let (done, total) = (AtomicUsize::new(0), candidates.len());
    let judged: Vec<Result<SourceFile, LeftOut>> = candidates
        .par_iter()
        .map(|candidate| {
            let judged = take(candidate, options).map_err(|reason| candidate.left_out(reason));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { stage: Stage::Reading, done, total });
            judged
        })
        .collect();
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for verdict in judged {
        match verdict {
            Ok(file) => files.push(file),
            Err(file) => left_out.push(file),
        }
    }
    (files, left_out)
}

/// The file as it is taken, or why it is not.
fn take(candidate: &Candidate, options: &Options) -> Result<SourceFile, Reason> {
    let Candidate { source, path, .. } = candidate;
    if candidate.ignored {
        return Err(Reason::Ignored);
    }
    let language = Language::from_path(path);
    filter::by_path(path, options)?;
    if language == Language::PlainText && options.only.is_empty() {
        let head = read::head(&source.folder, path)?;
        return Err(if filter::is_text(&head) { Reason::UnknownLanguage } else { Reason::Binary });
    }
    let text = filter::text(read::whole(&source.folder, path, options.max_file_bytes)?)?;
    filter::by_text(&text, language, options)?;
    Ok(SourceFile {
        repository: source.repository.clone(),
        path: path.clone(),
        language,
        text: text.into(),
        committed: candidate.committed,
        split: Split::Training,
    })
}

/// By source in the order given, then by path.
fn sort(left_out: &mut [LeftOut], sources: &[Source]) {
    let rank = |name: &str| sources.iter().position(|source| source.repository == name);
    left_out.sort_by_cached_key(|file| (rank(&file.repository), file.path.clone()));
}
