//! What keeps a corpus from being collected, and what to do about it.

use std::path::PathBuf;

use super::reason::{self, LeftOut};

/// Why there is no corpus.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// No folder was named.
    #[error("name at least one folder to learn from")]
    NoSources,
    /// A folder cannot be opened.
    #[error("cannot open {}: {source}", folder.display())]
    Open {
        /// As it was named.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A path leads to something else.
    #[error("{} is no folder; name the folder that it lies in", path.display())]
    NotAFolder {
        /// As it was named.
        path: PathBuf,
    },
    /// A git repository without files beside its history.
    #[error("{} is a bare git repository; clone it and name the clone", folder.display())]
    Bare {
        /// The repository.
        folder: PathBuf,
    },
    /// The program `git` cannot be run.
    #[error("{} lies in a git repository, and the program git cannot be run ({source}); install it", folder.display())]
    NoGit {
        /// The source.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The program `git` fails.
    #[error("git says of {}: {message}", folder.display())]
    Git {
        /// The source.
        folder: PathBuf,
        /// What it says.
        message: String,
    },
    /// Git tracks nothing there.
    #[error(
        "git tracks no file in {}; add what is to be learned with `git add`, or take the folder as it lies, without git",
        folder.display()
    )]
    Untracked {
        /// The source.
        folder: PathBuf,
    },
    /// A folder that is no repository has no files.
    #[error("there is no file in {} that is neither hidden nor ignored", folder.display())]
    Empty {
        /// The source.
        folder: PathBuf,
    },
    /// An ignore file has a line that cannot be understood. To go on could teach what its author wanted to keep out.
    #[error("{message}; mend the line, in the syntax of .gitignore")]
    IgnoreFile {
        /// Which file and line, and what is wrong.
        message: String,
    },
    /// No file is left after filtering.
    #[error("nothing is left to learn from: {}", reason::summary(left_out))]
    NothingLeft {
        /// All files, with the reasons.
        left_out: Vec<LeftOut>,
    },
    /// The share to hold out is no share.
    #[error("the share to hold out must lie from 0 to below 1, and {0} does not")]
    Share(f64),
    /// A split by time of files without times.
    #[error("{} is in no git repository, so its files have no commit times to split by; split by file", folder.display())]
    NoTimes {
        /// The source.
        folder: PathBuf,
    },
}
