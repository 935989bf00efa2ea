//! Teaching a model: what it learns from, and how.
//!
//! [`corpus`] gathers text from repositories and folders, leaves out what teaches nothing or must not be taught, and sets a
//! part aside to measure with.

pub mod corpus;
