//! The tasks that a model is asked for, one per file: their prompts, and what becomes of the answers.
//!
//! [`fill`] is the strategy behind inline completion. The others talk to a chat model.

pub mod ask;
pub mod code;
pub mod edit;
pub mod fill;
pub mod generate;
pub mod translate;
