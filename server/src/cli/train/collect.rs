//! Corpus options of `foretype train`, and the progress bar of the collection.

use std::path::PathBuf;

use clap::ValueEnum;
use foretype_model::train::corpus::{CollectStage, Corpus, CorpusError, CorpusOptions, Progress, SplitBy};
use indicatif::{ProgressBar, ProgressStyle};

/// Options of the corpus.
#[derive(Debug, clap::Args)]
pub(super) struct CorpusArgs {
    /// Folders to train on: git repositories, or any other folders of text
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Leave out files that are larger than this
    #[arg(long, value_name = "BYTES", default_value_t = CorpusOptions::default().max_file_bytes)]
    max_file_bytes: u64,
    /// Hold out this share of the files for evaluation
    #[arg(long, value_name = "SHARE", default_value_t = CorpusOptions::default().held_out)]
    held_out: f64,
    /// Choose the held-out files by this method
    #[arg(long, value_enum, default_value_t = SplitArg::File)]
    split: SplitArg,
    /// Seed of the random choice of held-out files and of the order of the others
    #[arg(long, default_value_t = CorpusOptions::default().seed)]
    seed: u64,
    /// Use only files with these extensions, for example rs,py [default: all known languages]
    #[arg(long, value_delimiter = ',', value_name = "ENDS")]
    only: Vec<String>,
    /// Use all files in the folders, whether or not git tracks them
    #[arg(long)]
    no_git: bool,
    /// Keep large data files and number tables
    #[arg(long)]
    keep_data: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SplitArg {
    /// A random choice, which is the same for equal seeds
    File,
    /// The most recently committed files
    Time,
}

impl CorpusArgs {
    /// Returns the seed of all random choices.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Collects the corpus, with a progress bar.
    pub(super) fn collect(&self) -> Result<Corpus, CorpusError> {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{msg:9} {wide_bar} {pos}/{len}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let corpus = Corpus::collect(&self.folders, &self.options(), &|progress| show(&bar, progress));
        bar.finish_and_clear();
        corpus
    }

    fn options(&self) -> CorpusOptions {
        CorpusOptions {
            max_file_bytes: self.max_file_bytes,
            held_out: self.held_out,
            split_by: match self.split {
                SplitArg::File => SplitBy::File,
                SplitArg::Time => SplitBy::Time,
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
        CollectStage::Listing => "listing",
        CollectStage::Scanning => "reading",
        CollectStage::Deduplicating => "comparing",
    };
    if bar.message() != name {
        bar.set_message(name);
    }
    if progress.total > 0 && bar.length() != Some(progress.total as u64) {
        bar.set_length(progress.total as u64);
    }
    bar.set_position(progress.done as u64);
}
