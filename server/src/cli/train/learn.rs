//! `foretype train` without a subcommand: trains an adapter or a model on a corpus.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use foretype_model::train::corpus::{Corpus, Split};
use foretype_model::train::memory::{self, MemoryEstimate};
use foretype_model::train::run::TrainingRun;
use foretype_model::train::sample::{self, PackedRow, RowStream, StreamPosition};
use foretype_model::train::{BaseModel, Trainer, TrainingPlan};
use foretype_model::{Device, ModelInfo, Tokenizer};
use foretype_plugins::sample::Repository;

use super::curves;
use super::progress::{InterruptFlag, TrainingProgress};
use super::settings::{LearnArgs, RunRecord, TrainingMode};
use crate::config::Config;
use crate::models;

/// Maximum number of held-out rows on which the loss is measured.
const MAX_HELD_OUT_ROWS: usize = 16;

/// Runs `foretype train`.
pub(super) fn run(corpus: &Corpus, args: &LearnArgs, seed: u64) -> Result<ExitCode> {
    let config = Config::load(std::env::current_dir().ok().as_deref())?;
    let device = models::load::parse_device(&config.device.0)?;
    let start = TrainingBase::new(corpus, args, &config, &args.output)?;
    let model = &start.description;
    let options = sample_options(model, args, seed)?;
    let (training, held_out) = (repositories(corpus, Split::Training), repositories(corpus, Split::HeldOut));
    let counts = sample::first_epoch_statistics(&training, &model.tokenizer, &options)?;
    ensure!(counts.rows > 0, "the corpus is too short to train on: add files");
    let steps = args.steps(counts.rows);
    let mut plan = args.plan(steps, seed, &device)?;
    plan.recompute = needs_recompute(&model.config, &plan, options.context, &device)?;
    let record =
        RunRecord { base: start.name(), plan: plan.clone(), context: options.context, corpus_rows: counts.rows };
    let run = args.run(steps);
    prepare_folder(&run, &record, args)?;
    memory::retain_freed_memory();
    let held_out = held_out_rows(&held_out, &model.tokenizer, &options)?;
    let mut trainer = Trainer::new(&start.base, &plan, &device)?;
    let position = if args.resume { run.resume(&mut trainer)? } else { None };
    if args.resume && position.is_none() {
        eprintln!("foretype: there is no checkpoint in {} yet: starting from the beginning", run.folder.display());
    }
    let options = sample::SampleOptions { epochs: None, ..options };
    let mut rows = RowStream::new(&training, &model.tokenizer, options, position.unwrap_or_default())?;
    eprintln!(
        "{} rows of up to {} tokens, {steps} steps of {} rows; {} trainable parameters; base model {}",
        counts.rows,
        record.context,
        args.rows,
        trainer.parameter_count(),
        record.base
    );
    run_steps(&run, &mut trainer, &mut rows, &held_out, &model.tokenizer)?;
    if trainer.steps() < steps {
        eprintln!("stopped after step {}: use --resume to continue", trainer.steps());
        return Ok(ExitCode::from(130));
    }
    trainer.export(&args.output, &record.base)?;
    println!("{}", args.output.display());
    eprintln!("{}", args.mode.next_step(&args.output));
    Ok(ExitCode::SUCCESS)
}

/// Runs the steps with a progress bar, and draws the curves.
fn run_steps(
    run: &TrainingRun,
    trainer: &mut Trainer,
    rows: &mut RowStream,
    held_out: &[PackedRow],
    tokenizer: &Tokenizer,
) -> Result<()> {
    let interrupted = InterruptFlag::watch();
    let shown = TrainingProgress::new(run.steps, trainer.steps(), bytes_per_token(held_out, tokenizer));
    let led = run.run(trainer, rows, held_out, |metrics| {
        shown.show_step(metrics);
        if interrupted.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    shown.finish();
    let picture = run.folder.join("curves.svg");
    let points: Vec<_> = run.metrics().into_iter().map(Into::into).collect();
    std::fs::write(&picture, curves::svg(&points)).with_context(|| format!("cannot write {}", picture.display()))?;
    Ok(led?)
}

/// Base model of a run.
pub(super) struct TrainingBase {
    pub(super) base: BaseModel,
    pub(super) description: ModelInfo,
}

impl TrainingBase {
    /// Resolves the base model. The vocabulary of a new model is written to `folder`.
    pub(super) fn new(corpus: &Corpus, args: &LearnArgs, config: &Config, folder: &Path) -> Result<Self> {
        if args.mode == TrainingMode::Pretrain {
            let (config, description) = args.new_model(corpus, folder)?;
            return Ok(Self { base: BaseModel::New(Box::new(config)), description });
        }
        let path = models::resolve(args.model.as_deref().or(config.model.as_deref()))?;
        let description = ModelInfo::read(&path).with_context(|| format!("cannot train {}", path.display()))?;
        Ok(Self { base: BaseModel::Pretrained(path), description })
    }

    /// Returns the name of the base model in the settings of an adapter.
    fn name(&self) -> String {
        match &self.base {
            BaseModel::Pretrained(_) => self.description.name.clone(),
            BaseModel::New(_) => "a new model".to_owned(),
        }
    }
}

/// Returns the options of the samples for a model.
pub(super) fn sample_options(model: &ModelInfo, args: &LearnArgs, seed: u64) -> Result<sample::SampleOptions> {
    let context = args.context.min(model.config.context_length);
    let mut options = sample::SampleOptions::new(&model.tokenizer, model.fim_format(), context)?;
    options.seed = seed;
    options.samples.mix.fim_rate = args.fim_rate;
    if model.chat_template.is_some() {
        options.chat_template.clone_from(&model.chat_template);
        options.samples.mix.chat = args.chat_rate;
    }
    options.check(&model.tokenizer)?;
    Ok(options)
}

/// Returns the files of a split of the corpus, by repository.
pub(super) fn repositories(corpus: &Corpus, split: Split) -> Vec<Repository> {
    let mut names: Vec<&str> = corpus.files.iter().map(|file| &*file.repository).collect();
    names.dedup();
    let of = |name: &str| {
        let files = corpus.files.iter().filter(|file| file.repository == name && file.split == split);
        let document = |file: &foretype_model::train::corpus::SourceFile| foretype_plugins::Document {
            path: file.path.clone(),
            language: file.language,
            text: file.text.clone(),
            tree: None,
        };
        Repository::new(Some(name.to_owned()), files.map(document).collect())
    };
    names.into_iter().map(of).collect()
}

/// Returns the first rows of the held-out split.
fn held_out_rows(
    held_out: &[Repository],
    tokenizer: &Tokenizer,
    options: &sample::SampleOptions,
) -> Result<Vec<PackedRow>> {
    let options = sample::SampleOptions { epochs: Some(1), ..options.clone() };
    let rows = RowStream::new(held_out, tokenizer, options, StreamPosition::default())?;
    Ok(rows.take(MAX_HELD_OUT_ROWS).collect::<Result<_, _>>()?)
}

/// Returns the mean number of bytes of a learned token, with which losses can be compared between vocabularies.
fn bytes_per_token(rows: &[PackedRow], tokenizer: &Tokenizer) -> f64 {
    let targets = || rows.iter().flat_map(|row| row.targets.iter().flatten());
    let bytes: usize = targets().map(|token| tokenizer.token_bytes(*token).len()).sum();
    bytes as f64 / targets().count().max(1) as f64
}

/// Returns true if activations must be recomputed in the backward pass to fit into memory.
///
/// # Errors
/// If the run does not fit even then. The message says what to do.
fn needs_recompute(
    config: &foretype_model::Config,
    plan: &TrainingPlan,
    context: usize,
    device: &Device,
) -> Result<bool> {
    let Some(room) = memory::available_bytes(device) else { return Ok(plan.recompute) };
    let needed = |recompute| MemoryEstimate::estimate(config, &plan.mode, plan.precision, context, recompute).total();
    let gigabytes = |bytes: usize| bytes as f64 / f64::from(1 << 30);
    match (plan.recompute, needed(false) < room, needed(true) < room) {
        (again, true, _) => Ok(again),
        (_, false, true) => {
            eprintln!("foretype: activations are recomputed in the backward pass, because memory is short");
            Ok(true)
        }
        _ => bail!(
            "training needs about {:.1} GB of memory, but only {:.1} GB are free: use a smaller --context, a smaller \
             model, or --mode lora with a lower --rank",
            gigabytes(needed(true)),
            gigabytes(room)
        ),
    }
}

/// Creates the folder of the run, or checks that the existing one belongs to the same run.
fn prepare_folder(run: &TrainingRun, record: &RunRecord, args: &LearnArgs) -> Result<()> {
    let path = run.folder.join("plan.json");
    if let Some(old) = RunRecord::read(&path)? {
        ensure!(
            args.resume,
            "{} already contains a run: continue it with --resume, or use another --output",
            run.folder.display()
        );
        if let Some(difference) = old.difference(record) {
            bail!(
                "the run in {} was started with {difference}: use the same value, or another --output",
                path.display()
            );
        }
        return Ok(());
    }
    record.write(&path)
}
