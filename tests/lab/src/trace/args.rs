//! Command line of `foretype-lab trace`.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use foretype_plugins::Language;

/// Arguments of `foretype-lab trace`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A git repository, or any folder of source text
    pub(super) folder: PathBuf,
    /// File for the trace
    #[arg(long, short)]
    pub(super) output: PathBuf,
    /// Seed; the same seed makes the same trace from the same folder
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Text to type: lines that commits added, or lines of the current files
    #[arg(long, value_enum, default_value_t = TraceSource::History)]
    pub(super) from: TraceSource,
    /// Newest commit to use with `--from history`
    #[arg(long, default_value = "HEAD")]
    pub(super) revision: String,
    /// Number of files that the typist switches between
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(super) files: u8,
    /// Approximate number of keys; more if one place of each file needs more
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u16).range(10..))]
    pub(super) keys: u16,
    /// Approximate number of lines to type at a place before moving to another one
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(2..=24))]
    pub(super) stay: u8,
    /// File name extensions to use, for example `rs,lua`; all known languages by default
    #[arg(long, value_delimiter = ',')]
    pub(super) only: Vec<String>,
}

/// Origin of the text to type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum TraceSource {
    /// Lines that commits added, typed into the files as they were
    History,
    /// Lines of the files in the folder
    Contents,
}

impl Args {
    /// Numbers of consecutive lines that may be typed at a place.
    pub(super) fn run_length_range(&self) -> RangeInclusive<usize> {
        let stay = usize::from(self.stay);
        (stay / 2).max(2)..=stay * 5 / 2
    }

    /// Returns true if the file is in a known language and `--only` allows it.
    pub(super) fn accepts_path(&self, path: &str) -> bool {
        let is_known = Language::from_path(path) != Language::PlainText;
        let extension = path.rsplit('.').next().unwrap_or_default();
        is_known && (self.only.is_empty() || self.only.iter().any(|only| only == extension))
    }
}
