//! Style of progress bars that count holes or other places in files.

use indicatif::ProgressStyle;

/// A bar with a message, a count and the remaining time.
pub(crate) fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta} left");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}
