//! The built-in strategies, one a file.

pub mod ask;
pub mod code;
pub mod edit;
pub mod fill;
pub mod generate;
pub mod translate;
