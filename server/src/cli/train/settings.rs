//! Training options of `foretype train`, and their record in the folder of a run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use foretype_model::train::corpus::{Corpus, Split};
use foretype_model::train::optimizer::{AdamW, Muon, OptimizerConfig};
use foretype_model::train::run::TrainingRun;
use foretype_model::train::schedule::{Decay, Schedule};
use foretype_model::train::{self, LoraConfig, TrainingPlan, vocabulary};
use foretype_model::{Config, Device, ModelInfo, Tokenizer};
use serde::{Deserialize, Serialize};

/// Options of the training.
#[derive(Debug, clap::Args)]
pub(super) struct LearnArgs {
    /// Base model: a name from `foretype model list` or a path [default: the configured model]
    #[arg(long)]
    pub(super) model: Option<String>,
    /// Folder of the adapter or the model; its folder `run` gets checkpoints, metrics and curves
    #[arg(long, short, default_value = "foretype-adapter")]
    pub(super) output: PathBuf,
    /// Train an adapter, all weights, or a new model
    #[arg(long, value_enum, default_value_t = TrainingMode::Lora)]
    pub(super) mode: TrainingMode,
    /// Number of passes over the corpus
    #[arg(long, default_value_t = 2.0, conflicts_with = "steps")]
    epochs: f64,
    /// Number of steps
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Rows of tokens per step
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) rows: u16,
    /// Tokens per row
    #[arg(long, default_value_t = 1024)]
    pub(super) context: usize,
    /// Share of the samples that are fill-in-the-middle
    #[arg(long, default_value_t = 0.7)]
    pub(super) fim_rate: f64,
    /// Share of the samples that are conversations asking for the body of a documented function; only for models with a
    /// chat template
    #[arg(long, default_value_t = 0.05)]
    pub(super) chat_rate: f64,
    /// Peak learning rate [default: 3e-4 for an adapter, 5e-5 for all weights, 3e-3 for a new model]
    #[arg(long)]
    rate: Option<f64>,
    /// Rank of the adapter
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    rank: u16,
    /// Scale of the adapter, which is divided by the rank [default: twice the rank]
    #[arg(long)]
    alpha: Option<f64>,
    /// Precision of matrix products [default: bf16 on a GPU, f32 on the CPU]
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
    /// Dropout rate of the inputs of the adapter, or in the other modes, of the outputs of attention and feed-forward
    /// layers
    #[arg(long, default_value_t = 0.0)]
    dropout: f64,
    /// Resume the run in the output folder from its last checkpoint
    #[arg(long)]
    pub(super) resume: bool,
    /// Steps between checkpoints
    #[arg(long, default_value_t = 50)]
    save_every: usize,
    /// Steps between measurements of the held-out loss
    #[arg(long, default_value_t = 25)]
    look_every: usize,
    /// Shape of the new model with `--mode pretrain`: a Hugging Face config.json
    #[arg(long, value_name = "FILE", required_if_eq("mode", "pretrain"))]
    shape: Option<PathBuf>,
    /// Vocabulary size of the new model with `--mode pretrain`
    #[arg(long, default_value_t = 8192)]
    vocabulary: usize,
}

/// Precision of matrix products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PrecisionArg {
    /// 32-bit floats
    F32,
    /// bfloat16: half the memory for frozen weights, and faster on a GPU
    Bf16,
}

/// Training mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TrainingMode {
    /// LoRA adapter; the weights of the model stay as they are
    Lora,
    /// All weights of the model
    Full,
    /// New model with its own vocabulary
    Pretrain,
}

impl TrainingMode {
    /// Describes how to use the result.
    pub(super) fn next_step(self, output: &Path) -> String {
        let path = output.display();
        match self {
            Self::Lora => format!(
                "to use the adapter, set adapter = \"{path}\" in .foretype/config.toml, or FORETYPE_ADAPTER={path}"
            ),
            Self::Full | Self::Pretrain => format!("to use the model, set model = \"{path}\" in .foretype/config.toml"),
        }
    }
}

impl LearnArgs {
    /// Returns the number of steps for a corpus of `rows` rows.
    pub(super) fn steps(&self, rows: usize) -> usize {
        let by_epochs = (rows as f64 * self.epochs / f64::from(self.rows)).ceil().max(1.0);
        self.steps.map_or(by_epochs as usize, |steps| steps as usize)
    }

    /// Returns the number of epochs to export.
    pub(super) fn whole_epochs(&self) -> u64 {
        self.epochs.ceil().max(1.0) as u64
    }

    /// Fills in a template of settings for another framework.
    pub(super) fn fill_template(&self, text: &str, context: usize) -> String {
        let lora = self.lora();
        let values = [
            ("{rows}", self.rows.to_string()),
            ("{rank}", lora.rank.to_string()),
            ("{alpha}", lora.alpha.to_string()),
            ("{dropout}", lora.dropout.to_string()),
            ("{rate}", self.rate.unwrap_or(3e-4).to_string()),
            ("{context}", context.to_string()),
        ];
        values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Returns the folder and the intervals of the run.
    pub(super) fn run(&self, steps: usize) -> TrainingRun {
        let (save_every, look_every) = (self.save_every, self.look_every);
        TrainingRun {
            folder: run_folder(&self.output),
            steps,
            rows_per_step: self.rows.into(),
            save_every,
            evaluate_every: look_every,
        }
    }

    /// Returns the precision of matrix products on a device.
    ///
    /// # Errors
    /// If bf16 is requested on the CPU, which does not support it.
    fn precision(&self, device: &Device) -> Result<train::Precision> {
        match (self.precision, device.is_cpu()) {
            (Some(PrecisionArg::Bf16), true) => {
                bail!("--precision bf16 needs a GPU (device = \"cuda\"): use f32, or leave the option out")
            }
            (Some(PrecisionArg::F32), _) | (None, true) => Ok(train::Precision::F32),
            (Some(PrecisionArg::Bf16) | None, false) => Ok(train::Precision::Bf16),
        }
    }

    /// Returns the training plan for a device.
    pub(super) fn plan(&self, steps: usize, seed: u64, device: &Device) -> Result<TrainingPlan> {
        let rate = self.rate.unwrap_or(match self.mode {
            TrainingMode::Lora => 3e-4,
            TrainingMode::Full => 5e-5,
            TrainingMode::Pretrain => 3e-3,
        });
        let is_pretraining = self.mode == TrainingMode::Pretrain;
        let (mode, fall) = match self.mode {
            TrainingMode::Lora => (train::TrainingMode::Lora(self.lora()), Decay::Cosine),
            TrainingMode::Full => (train::TrainingMode::Full, Decay::Cosine),
            TrainingMode::Pretrain => (train::TrainingMode::Full, Decay::WarmDown(0.5)),
        };
        let betas = if is_pretraining { (0.8, 0.95) } else { (0.9, 0.999) };
        let adam = AdamW { rate, betas, ..AdamW::default() };
        let muon = if is_pretraining { Some(Muon::default()) } else { None };
        let optimizer = OptimizerConfig { adam, muon, clip: Some(1.0) };
        let warm_up = (steps / 20).clamp(1, 100);
        let schedule = Schedule { steps, warm_up, decay: fall, floor: 0.0 };
        let dropout = if self.mode == TrainingMode::Lora { 0.0 } else { self.dropout_rate() };
        let precision = self.precision(device)?;
        Ok(TrainingPlan {
            mode,
            optimizer,
            schedule,
            rows: self.rows.into(),
            dropout,
            recompute: false,
            precision,
            seed,
        })
    }

    fn lora(&self) -> LoraConfig {
        let alpha = self.alpha.unwrap_or(2.0 * f64::from(self.rank));
        LoraConfig { rank: self.rank.into(), alpha, dropout: self.dropout_rate() }
    }

    fn dropout_rate(&self) -> f64 {
        self.dropout.clamp(0.0, 0.9)
    }

    /// Trains a vocabulary, unless `folder` already has one, and reads the shape of the new model.
    pub(super) fn new_model(&self, corpus: &Corpus, folder: &Path) -> Result<(Config, ModelInfo)> {
        let shape = self.shape.as_deref().context("the shape of the new model is missing: use --shape FILE")?;
        if !folder.join("tokenizer.json").is_file() {
            let training = corpus.files.iter().filter(|file| file.split == Split::Training);
            vocabulary::train_vocabulary(training.map(|file| &*file.text), self.vocabulary, folder)?;
        }
        let tokenizer = Tokenizer::load(folder)?;
        let config = Config::from_file(shape)?;
        let config = Config { vocab_size: tokenizer.vocab_size().next_multiple_of(64), ..config };
        let name = "a new model".to_owned();
        let description = ModelInfo { tokenizer, chat_template: None, name, bytes: 0, config: config.clone() };
        Ok((config, description))
    }
}

/// Settings that a run was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RunRecord {
    /// Base model.
    pub(super) base: String,
    /// Training plan.
    pub(super) plan: TrainingPlan,
    /// Tokens per row.
    pub(super) context: usize,
    /// Rows per epoch. A different number means a different corpus.
    pub(super) corpus_rows: usize,
}

impl RunRecord {
    /// Reads the record of an earlier run, if there is one.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        serde_json::from_str(&text).map(Some).with_context(|| format!("{} is not the plan of a run", path.display()))
    }

    /// Writes the record, and creates its folder.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// Returns the first setting in which another run differs, with the value of this one.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let (ours, theirs) = (serde_json::to_value(self).ok()?, serde_json::to_value(other).ok()?);
        let first = |ours: &serde_json::Value, theirs: &serde_json::Value| {
            let differs =
                |key: &str, value: &serde_json::Value| !["plan", "recompute"].contains(&key) && theirs[key] != *value;
            let found = ours.as_object()?.iter().find(|(key, value)| differs(key, value))?;
            Some(format!("{} = {}", found.0, found.1))
        };
        first(&ours, &theirs).or_else(|| first(&ours["plan"], &theirs["plan"]))
    }
}

/// Returns the folder of checkpoints, metrics and curves in the output folder.
fn run_folder(output: &Path) -> PathBuf {
    output.join("run")
}
