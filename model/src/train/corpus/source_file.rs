//! A file of the corpus.

use std::sync::Arc;

use foretype_plugins::Language;
use serde::Serialize;

/// A file for training or evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name of its source.
    pub repository: String,
    /// The path relative to the source, with `/` as separator.
    pub path: String,
    /// The language, determined by the path.
    pub language: Language,
    /// The unchanged text, except that a byte order mark is removed.
    pub text: Arc<str>,
    /// Time of the last commit that changed the file, in Unix seconds; `None` without git and for files without a
    /// commit.
    pub committed: Option<i64>,
    /// The part that the file belongs to.
    pub split: Split,
}

/// The part of the corpus that a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Used for training.
    Training,
    /// Used for evaluation only.
    HeldOut,
}
