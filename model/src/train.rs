//! Training: from source text to weights, with the same architectures, tokenizers and prompts as inference.

mod checkpoint;
pub mod corpus;
mod export;
mod gradients;
mod initial_weights;
mod lm_head;
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
pub use network::{LoraConfig, TrainingMode};
pub use operations::Precision;
pub use trainer::{BaseModel, StepReport, Trainer, TrainingPlan};

use crate::weights::LoadError;

/// The reason why training cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The base model cannot be loaded.
    #[error(transparent)]
    Load(LoadError),
    /// A file cannot be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The checkpoint was written by another run.
    #[error(
        "{} has no tensor '{name}' of the right shape: it was written by a run with another base model or plan",
        path.display()
    )]
    CheckpointMismatch {
        /// The checkpoint.
        path: PathBuf,
        /// The name of the missing tensor.
        name: String,
    },
    /// Training samples cannot be generated.
    #[error(transparent)]
    Sample(#[from] sample::SampleError),
    /// The texts are too short for a single row.
    #[error("the texts are too short to train on: add more or longer files")]
    NoRows,
    /// The loss or a gradient is infinite or NaN.
    #[error(
        "the loss of step {step} is not finite, so the step was discarded: resume from the last checkpoint with a \
         lower learning rate"
    )]
    NonFiniteLoss {
        /// The step, counted from 1.
        step: usize,
    },
    /// The vocabulary size leaves no room for more than single bytes.
    #[error("a vocabulary of {size} tokens has no room for words: use at least {minimum}, preferably 8192")]
    VocabularyTooSmall {
        /// The requested size in tokens.
        size: usize,
        /// The minimum size in tokens.
        minimum: usize,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl TrainError {
    /// Converts an I/O error of the file at `path`.
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}
