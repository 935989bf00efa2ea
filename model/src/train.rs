//! Training: from the files of a repository to what a decoder learns from.

pub mod sample;
