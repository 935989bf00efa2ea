//! Training: from text to weights, with the same shapes, tokens and prompts that serve later.

pub mod checkpoint;
pub mod corpus;
mod export;
mod gradients;
mod head;
mod initial;
pub mod memory;
mod network;
mod operations;
pub mod optimizer;
pub mod run;
pub mod sample;
pub mod schedule;
#[cfg(test)]
mod tests;
mod trainer;
pub mod vocabulary;

use std::path::{Path, PathBuf};

pub use export::write_model;
pub use network::{Lora, Mode};
pub use operations::Precision;
pub use trainer::{Base, Plan, Step, Trainer};

use crate::weights::LoadError;

/// Why training cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The base model cannot be used.
    #[error(transparent)]
    Load(LoadError),
    /// A file could not be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A checkpoint of another run.
    #[error("{} has no tensor '{name}' of the right shape: it was written by a run with another base or plan", path.display())]
    Other {
        /// The checkpoint.
        path: PathBuf,
        /// What was looked for.
        name: String,
    },
    /// Samples cannot be made.
    #[error(transparent)]
    Sample(#[from] sample::SampleError),
    /// The texts gave no row.
    #[error("the texts are too short to learn from")]
    NoRows,
    /// The loss or a gradient was not a number.
    #[error(
        "the loss of step {step} is not a number; no weight was changed by it. Go on from the last checkpoint with a lower \
         learning rate"
    )]
    NotANumber {
        /// The step, counted from 1.
        step: usize,
    },
    /// A vocabulary without room for words.
    #[error("a vocabulary of {size} tokens has no room for words: take at least {least}, better 8192")]
    Vocabulary {
        /// What was asked for.
        size: usize,
        /// The least.
        least: usize,
    },
    /// An operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl TrainError {
    /// A file at fault.
    fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}
