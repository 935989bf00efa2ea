//! Options of collecting a corpus.

use serde::Serialize;

/// Options of [`Corpus::collect`](super::Corpus::collect).
#[derive(Debug, Clone, PartialEq)]
pub struct CorpusOptions {
    /// Size limit in bytes. Larger files are excluded without being read.
    pub max_file_bytes: u64,
    /// Share of the files to hold out, from 0 to below 1.
    pub held_out: f64,
    /// The choice of the held-out files.
    pub split_by: SplitBy,
    /// Seed of the choice of held-out files.
    pub seed: u64,
    /// File extensions (`rs`) or names (`Makefile`) to include, whatever the language. If empty, files of all known
    /// languages are included.
    pub only: Vec<String>,
    /// In a directory inside a git repository, include only the files that git tracks. Otherwise it is treated like any
    /// other directory.
    pub git: bool,
    /// Include large data files and files that consist mostly of digits.
    pub keep_data: bool,
}

impl Default for CorpusOptions {
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

/// The method of choosing the held-out files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitBy {
    /// A hash of seed, repository and path: a file stays in its part when other files are added or removed.
    File,
    /// The commit time in each repository: the most recently changed files are held out, because a model in use meets
    /// code that is newer than its training data. Files without a commit count as the newest.
    Time,
}
