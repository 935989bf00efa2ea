//! The built-in strategies, one a file.

pub mod fill;
