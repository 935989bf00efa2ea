//! Errors of collecting a corpus, with their remedies.

use std::path::PathBuf;

use super::exclusion::{self, ExcludedFile};

/// The reason why no corpus can be collected.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// No directory was given.
    #[error("no directories given: name at least one to train on")]
    NoSources,
    /// A directory cannot be opened.
    #[error("cannot open {}: {source}", folder.display())]
    Open {
        /// The path as it was given.
        folder: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A path is not that of a directory.
    #[error("{} is not a directory: name the directory that contains it", path.display())]
    NotAFolder {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A git repository without a working tree.
    #[error("{} is a bare git repository: clone it and name the clone", folder.display())]
    Bare {
        /// The bare repository.
        folder: PathBuf,
    },
    /// The program `git` cannot be started.
    #[error("{} is in a git repository, but the program git cannot be run ({source}): install it", folder.display())]
    NoGit {
        /// The directory.
        folder: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The program `git` failed.
    #[error("git failed in {}: {message}", folder.display())]
    Git {
        /// The directory.
        folder: PathBuf,
        /// The message of git.
        message: String,
    },
    /// Git tracks no file in the directory.
    #[error(
        "git tracks no file in {}: add the files with `git add`, or collect the directory without git",
        folder.display()
    )]
    Untracked {
        /// The directory.
        folder: PathBuf,
    },
    /// A directory outside of any repository has no files.
    #[error(
        "all files in {} are hidden or ignored, or there are none: name a directory with source files",
        folder.display()
    )]
    Empty {
        /// The directory.
        folder: PathBuf,
    },
    /// An ignore file has an invalid line. Collecting fails, because files that its author wants to exclude could be
    /// included.
    #[error("{message}: correct the line, in the syntax of .gitignore")]
    IgnoreFile {
        /// The file, the line and the reason.
        message: String,
    },
    /// All files were excluded.
    #[error("no file is left to train on: {}", exclusion::summary(left_out))]
    NothingLeft {
        /// The excluded files with their reasons.
        left_out: Vec<ExcludedFile>,
    },
    /// The share to hold out is not in the range from 0 to below 1.
    #[error("cannot hold out a share of {0}: choose a number from 0 to below 1")]
    Share(f64),
    /// A split by time needs commit times.
    #[error("{} is not in a git repository, so its files have no commit times: split by file", folder.display())]
    NoTimes {
        /// The directory.
        folder: PathBuf,
    },
}
