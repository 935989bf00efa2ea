//! The built-in strategies, one a file.

pub mod ask;
pub mod fill;
