//! `foretype train` itself: from a corpus to an adapter or a model.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use foretype_model::train::corpus::{Corpus, Split};
use foretype_model::train::memory::{self, Memory};
use foretype_model::train::run::Run;
use foretype_model::train::sample::{self, Packed, Position, Rows};
use foretype_model::train::{Base, Plan, Trainer};
use foretype_model::{Description, Device, Tokenizer};
use foretype_plugins::sample::Repository;

use super::curves;
use super::progress::{Interrupted, Shown};
use super::settings::{LearnArgs, Mode, Record};
use crate::config::Config;
use crate::{completion, models};

/// Held-out rows that are looked at.
const LOOKED_AT: usize = 16;

/// Runs `foretype train`.
pub(super) fn run(corpus: &Corpus, args: &LearnArgs, seed: u64) -> Result<ExitCode> {
    let config = Config::load(std::env::current_dir().ok().as_deref())?;
    let device = completion::device(&config.device.0)?;
    let start = Start::new(corpus, args, &config, &args.output)?;
    let model = &start.description;
    let options = sample_options(model, args, seed)?;
    let (training, held_out) = (repositories(corpus, Split::Training), repositories(corpus, Split::HeldOut));
    let counts = sample::statistics(&training, &model.tokenizer, &options)?;
    ensure!(counts.rows > 0, "the texts are too short to learn from");
    let steps = args.steps(counts.rows);
    let mut plan = args.plan(steps, seed, &device)?;
    plan.recompute = recompute(&model.config, &plan, options.context, &device)?;
    let record = Record { base: start.name(), plan: plan.clone(), context: options.context, corpus_rows: counts.rows };
    let run = args.run(steps);
    prepare(&run, &record, args)?;
    memory::keep_freed();
    let held_out = held_out_rows(&held_out, &model.tokenizer, &options)?;
    let mut trainer = Trainer::new(&start.base, &plan, &device)?;
    let position = if args.resume { run.resume(&mut trainer)? } else { None };
    if args.resume && position.is_none() {
        eprintln!("foretype: there is no checkpoint in {} yet: beginning anew", run.folder.display());
    }
    let options = sample::Options { epochs: None, ..options };
    let mut rows = Rows::new(&training, &model.tokenizer, options, position.unwrap_or_default())?;
    eprintln!(
        "{} rows of up to {} tokens, {steps} steps of {} rows; {} numbers are trained; learning from {}",
        counts.rows,
        record.context,
        args.rows,
        trainer.parameters(),
        record.base
    );
    lead(&run, &mut trainer, &mut rows, &held_out, &model.tokenizer)?;
    if trainer.steps() < steps {
        eprintln!("stopped after step {}; `--resume` goes on from there", trainer.steps());
        return Ok(ExitCode::from(130));
    }
    trainer.export(&args.output, &record.base)?;
    println!("{}", args.output.display());
    eprintln!("{}", args.mode.what_now(&args.output));
    Ok(ExitCode::SUCCESS)
}

/// Runs the steps, showing how it goes, and draws the curves.
fn lead(run: &Run, trainer: &mut Trainer, rows: &mut Rows, held_out: &[Packed], tokenizer: &Tokenizer) -> Result<()> {
    let interrupted = Interrupted::watch();
    let shown = Shown::new(run.steps, trainer.steps(), bytes_per_token(held_out, tokenizer));
    let led = run.lead(trainer, rows, held_out, |metrics| {
        shown.step(metrics);
        if interrupted.yes() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    shown.end();
    let picture = run.folder.join("curves.svg");
    let points: Vec<_> = run.metrics().into_iter().map(Into::into).collect();
    std::fs::write(&picture, curves::svg(&points)).with_context(|| format!("cannot write {}", picture.display()))?;
    Ok(led?)
}

/// Where a run begins: the base, and what is known of it beside its weights.
pub(super) struct Start {
    pub(super) base: Base,
    pub(super) description: Description,
}

impl Start {
    /// The vocabulary of a new model goes into `folder`.
    pub(super) fn new(corpus: &Corpus, args: &LearnArgs, config: &Config, folder: &Path) -> Result<Self> {
        if args.mode == Mode::Pretrain {
            let (config, description) = args.new_model(corpus, folder)?;
            return Ok(Self { base: Base::New(Box::new(config)), description });
        }
        let path = models::resolve(args.model.as_deref().or(config.model.as_deref()))?;
        let description =
            Description::read(&path).with_context(|| format!("cannot learn on top of {}", path.display()))?;
        Ok(Self { base: Base::Model(path), description })
    }

    /// What an adapter's settings call the base.
    fn name(&self) -> String {
        match &self.base {
            Base::Model(_) => self.description.name.clone(),
            Base::New(_) => "a new model".to_owned(),
        }
    }
}

pub(super) fn sample_options(model: &Description, args: &LearnArgs, seed: u64) -> Result<sample::Options> {
    let context = args.context.min(model.config.context_length);
    let mut options = sample::Options::new(&model.tokenizer, model.fim_format(), context)?;
    options.seed = seed;
    options.samples.mix.fim_rate = args.fim_rate;
    if model.chat_template.is_some() {
        options.chat_template.clone_from(&model.chat_template);
        options.samples.mix.chat = args.chat_rate;
    }
    options.check(&model.tokenizer)?;
    Ok(options)
}

/// The files of a part of the corpus, by repository.
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

/// Some rows of the held-out part, always the same.
fn held_out_rows(held_out: &[Repository], tokenizer: &Tokenizer, options: &sample::Options) -> Result<Vec<Packed>> {
    let options = sample::Options { epochs: Some(1), ..options.clone() };
    let rows = Rows::new(held_out, tokenizer, options, Position::default())?;
    Ok(rows.take(LOOKED_AT).collect::<Result<_, _>>()?)
}

/// Mean bytes of a token that is learned, so that a loss can be compared between vocabularies.
fn bytes_per_token(rows: &[Packed], tokenizer: &Tokenizer) -> f64 {
    let targets = || rows.iter().flat_map(|row| row.targets.iter().flatten());
    let bytes: usize = targets().map(|token| tokenizer.bytes(*token).len()).sum();
    bytes as f64 / targets().count().max(1) as f64
}

/// Whether layers have to be computed again to fit into memory.
///
/// # Errors
/// If the run does not fit either way; the message says what to do.
fn recompute(config: &foretype_model::Config, plan: &Plan, context: usize, device: &Device) -> Result<bool> {
    let Some(room) = memory::available(device) else { return Ok(plan.recompute) };
    let needed = |recompute| Memory::estimate(config, &plan.mode, plan.precision, context, recompute).total();
    let gigabytes = |bytes: usize| bytes as f64 / f64::from(1 << 30);
    match (plan.recompute, needed(false) < room, needed(true) < room) {
        (again, true, _) => Ok(again),
        (_, false, true) => {
            eprintln!("foretype: layers are computed again on the way back, because memory is short");
            Ok(true)
        }
        _ => bail!(
            "this takes about {:.1} GB of memory, and {:.1} GB are free: take a smaller --context, a smaller model, or \
             --mode lora with a lower --rank",
            gigabytes(needed(true)),
            gigabytes(room)
        ),
    }
}

/// Makes the run's folder, or looks whether the one that is there is of the same run.
fn prepare(run: &Run, record: &Record, args: &LearnArgs) -> Result<()> {
    let path = run.folder.join("plan.json");
    if let Some(old) = Record::read(&path)? {
        ensure!(
            args.resume,
            "there is a run in {} already: go on with it (--resume), or give another --output",
            run.folder.display()
        );
        if let Some(difference) = old.difference(record) {
            bail!("the run in {} was begun with {difference}: say the same, or give another --output", path.display());
        }
        return Ok(());
    }
    record.write(&path)
}

/// The folder of a run's own files inside of its output.
pub(super) fn folder(output: &Path) -> PathBuf {
    output.join("run")
}
