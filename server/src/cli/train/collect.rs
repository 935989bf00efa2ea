//! What of a corpus the command line decides, and a progress bar while it is collected.

use std::path::PathBuf;

use clap::ValueEnum;
use foretype_model::train::corpus::{Corpus, CorpusError, Options, Progress, SplitBy, Stage};
use indicatif::{ProgressBar, ProgressStyle};

/// Which text to learn from.
#[derive(Debug, clap::Args)]
pub(super) struct CorpusArgs {
    /// Git repositories, or any other folders of text
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Leave larger files out
    #[arg(long, value_name = "BYTES", default_value_t = Options::default().max_file_bytes)]
    max_file_bytes: u64,
    /// The share of files to keep from training, to measure with
    #[arg(long, value_name = "SHARE", default_value_t = Options::default().held_out)]
    held_out: f64,
    /// Which files to hold out
    #[arg(long, value_enum, default_value_t = Split::File)]
    split: Split,
    /// Another seed holds out other files and mixes the others otherwise
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// Only files with these ends of their names, for example `rs,py`; all known languages when left out
    #[arg(long, value_delimiter = ',', value_name = "ENDS")]
    only: Vec<String>,
    /// Take folders as they lie, without asking git which files belong to a repository
    #[arg(long)]
    no_git: bool,
    /// Keep large data files and tables of numbers
    #[arg(long)]
    keep_data: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Split {
    /// Some of all files, always the same ones
    File,
    /// The files that were committed last
    Time,
}

impl CorpusArgs {
    /// The seed of all chance.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn collect(&self) -> Result<Corpus, CorpusError> {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{msg:9} {wide_bar} {pos}/{len}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let corpus = Corpus::collect(&self.folders, &self.options(), &|progress| show(&bar, progress));
        bar.finish_and_clear();
        corpus
    }

    fn options(&self) -> Options {
        Options {
            max_file_bytes: self.max_file_bytes,
            held_out: self.held_out,
            split_by: match self.split {
                Split::File => SplitBy::File,
                Split::Time => SplitBy::Time,
            },
            seed: self.seed,
            only: self.only.clone(),
            git: !self.no_git,
            keep_data: self.keep_data,
        }
    }
}

fn show(bar: &ProgressBar, progress: Progress) {
    let name = match progress.stage {
        Stage::Listing => "listing",
        Stage::Reading => "reading",
        Stage::Comparing => "comparing",
    };
    if bar.message() != name {
        bar.set_message(name);
    }
    if progress.total > 0 && bar.length() != Some(progress.total as u64) {
        bar.set_length(progress.total as u64);
    }
    bar.set_position(progress.done as u64);
}
