//! Arguments of a replay.

use std::path::PathBuf;

/// Samples of a replay.
#[derive(Debug, clap::Args)]
pub(in crate::cli::plugin) struct ReplayArgs {
    /// Replay keystroke traces (.json), or blocks of source files and folders of this workspace, with and without the
    /// plugin, and report its cost and benefit
    #[arg(long, value_name = "TRACE|PATH", num_args = 1..)]
    pub(super) replay: Vec<PathBuf>,
    /// Model: a name that `model list` shows, or a path
    #[arg(long, requires = "replay")]
    pub(super) model: Option<String>,
    /// Maximum number of blocks from source files, drawn with the seed
    #[arg(long, requires = "replay", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) most: u32,
    /// Number of nearest source files that count as open
    #[arg(long, requires = "replay", default_value_t = 6)]
    pub(super) open: usize,
    /// Random seed of the drawn blocks and of the confidence intervals
    #[arg(long, requires = "replay", default_value_t = 1)]
    pub(super) seed: u64,
}

impl ReplayArgs {
    /// Returns true if there is something to replay.
    pub(in crate::cli::plugin) fn is_requested(&self) -> bool {
        !self.replay.is_empty()
    }

    /// Returns the command that repeats the measurement.
    pub(super) fn command_line(&self, name: &str) -> String {
        let paths: Vec<_> = self.replay.iter().map(|path| path.display().to_string()).collect();
        let model = self.model.as_ref().map(|model| format!(" --model {model}")).unwrap_or_default();
        let Self { most, open, seed, .. } = self;
        let paths = paths.join(" ");
        format!("foretype plugin check {name} --replay {paths}{model} --most {most} --open {open} --seed {seed}")
    }
}
