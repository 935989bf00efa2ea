//! Progress of collecting a corpus.

/// Progress of [`Corpus::collect`](super::Corpus::collect).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The current stage.
    pub stage: CollectStage,
    /// Number of files that this stage has processed.
    pub done: usize,
    /// Total number of files in this stage; 0 while it is unknown.
    pub total: usize,
}

/// Stages of [`Corpus::collect`](super::Corpus::collect), in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectStage {
    /// Listing the files and their commit times.
    Listing,
    /// Reading and filtering the files.
    Scanning,
    /// Finding duplicates.
    Deduplicating,
}
