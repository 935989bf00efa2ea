//! `foretype train export`: writes the data, the model and the settings to train on another machine with another
//! framework.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use foretype_model::train::corpus::Split;
use foretype_model::train::sample::{self, RowStream, StreamPosition};
use foretype_model::train::write_model;
use foretype_plugins::sample::Repository;
use serde::Serialize;

use super::collect::CorpusArgs;
use super::dry_run::{self, ReportArgs};
use super::learn::{TrainingBase, repositories, sample_options};
use super::settings::{LearnArgs, TrainingMode};
use crate::config::Config;

/// Files that accompany the data for an adapter, by name.
const ADAPTER_FILES: &[(&str, &str)] = &[
    ("train.py", include_str!("export/train.py")),
    ("axolotl.yaml", include_str!("export/axolotl.yaml")),
    ("accelerate.yaml", include_str!("export/accelerate.yaml")),
    ("README.md", include_str!("export/README.md")),
];

/// Files that accompany the data for a new model, by name.
const NEW_MODEL_FILES: &[(&str, &str)] = &[
    ("train.py", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../model/recipes/default/train.py"))),
    ("README.md", include_str!("export/new-model.md")),
];

/// Arguments of `foretype train export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Folder to write to
    #[arg(required = true, value_name = "INTO")]
    into: PathBuf,
    #[command(flatten)]
    learn: LearnArgs,
    #[command(flatten)]
    report: ReportArgs,
}

/// Line of the data: one document.
#[derive(Serialize)]
struct ExportedDocument<'a> {
    input_ids: &'a [u32],
    attention_mask: Vec<u8>,
    /// The same as `input_ids`, but -100 for tokens that are not learned. The framework shifts the labels.
    labels: Vec<i64>,
}

/// Runs `foretype train export`.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let folder = &args.into;
    let corpus = dry_run::collected(&args.corpus, &args.report)?;
    dry_run::warn(&corpus);
    let config = Config::load(std::env::current_dir().ok().as_deref())?;
    let model = folder.join("model");
    let start = TrainingBase::new(&corpus, &args.learn, &config, &model)?;
    let options = sample_options(&start.description, &args.learn, args.corpus.seed())?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    write_model(&start.base, &model)?;
    start.description.tokenizer.save(&model)?;
    let tokenizer = &start.description.tokenizer;
    for (name, split, epochs) in
        [("train.jsonl", Split::Training, args.learn.whole_epochs()), ("held_out.jsonl", Split::HeldOut, 1)]
    {
        let options = sample::SampleOptions { epochs: Some(epochs), ..options.clone() };
        let repositories: Vec<Repository> = repositories(&corpus, split);
        let path = folder.join(name);
        let count = write(RowStream::new(&repositories, tokenizer, options, StreamPosition::default())?, &path)?;
        eprintln!("{}: {count} documents", path.display());
    }
    for (name, text) in if args.learn.mode == TrainingMode::Pretrain { NEW_MODEL_FILES } else { ADAPTER_FILES } {
        let path = folder.join(name);
        let text = args.learn.fill_template(text, options.context);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{}", folder.display());
    eprintln!("foretype: README.md in that folder describes the next steps");
    Ok(ExitCode::SUCCESS)
}

/// Writes the documents of a stream of rows, and returns their number.
fn write(rows: RowStream, path: &Path) -> Result<usize> {
    let cannot = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(cannot)?);
    let mut count = 0;
    for row in rows {
        let row = row?;
        for segment in &row.segments {
            let tokens = &row.tokens[segment.clone()];
            // Each target is stored at the token before it.
            let learned = [None].into_iter().chain(row.targets[segment.clone()].iter().copied()).take(tokens.len());
            let labels = learned.map(|target| target.map_or(-100, i64::from)).collect();
            let line = ExportedDocument { input_ids: tokens, attention_mask: vec![1; tokens.len()], labels };
            serde_json::to_writer(&mut file, &line).with_context(cannot)?;
            file.write_all(b"\n").with_context(cannot)?;
            count += 1;
        }
    }
    file.flush().with_context(cannot)?;
    Ok(count)
}
