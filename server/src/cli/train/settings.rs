//! What of a run the command line decides, and how that is kept beside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use foretype_model::train::corpus::{Corpus, Split};
use foretype_model::train::optimizer::{AdamW, Muon, Optimizer};
use foretype_model::train::run::Run;
use foretype_model::train::schedule::{Fall, Schedule};
use foretype_model::train::{self, Lora, Plan, vocabulary};
use foretype_model::{Config, Description, Device, Tokenizer};
use serde::{Deserialize, Serialize};

/// How to learn.
#[derive(Debug, clap::Args)]
pub(super) struct LearnArgs {
    /// The model to learn on top of: a name that `model list` shows or a path; the configured one when left out
    #[arg(long)]
    pub(super) model: Option<String>,
    /// Where the adapter or the model goes, and in its folder `run` checkpoints, figures and curves
    #[arg(long, short, default_value = "foretype-adapter")]
    pub(super) output: PathBuf,
    /// What is trained
    #[arg(long, value_enum, default_value_t = Mode::Lora)]
    pub(super) mode: Mode,
    /// How often all texts are gone through
    #[arg(long, default_value_t = 2.0, conflicts_with = "steps")]
    epochs: f64,
    /// Steps of the whole run
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Rows of tokens in a step
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) rows: u16,
    /// Tokens of a row
    #[arg(long, default_value_t = 1024)]
    pub(super) context: usize,
    /// Share of the texts that are learned with a hole to fill
    #[arg(long, default_value_t = 0.7)]
    pub(super) fim_rate: f64,
    /// Share of the texts that are learned as a conversation in which the body of a documented function is asked for; only
    /// where the model has a chat template
    #[arg(long, default_value_t = 0.05)]
    pub(super) chat_rate: f64,
    /// Peak of the learning rate; 3e-4 for an adapter, 5e-5 for all weights, 3e-3 for a new model when left out
    #[arg(long)]
    rate: Option<f64>,
    /// Rank of an adapter
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    rank: u16,
    /// An adapter counts so much divided by its rank; twice the rank when left out
    #[arg(long)]
    alpha: Option<f64>,
    /// In which numbers products are computed; 16 bits on a GPU, 32 on the CPU when left out
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// Share that is left out at random: of an adapter's inputs, or, in the other modes, of what attention and feed-forward add
    #[arg(long, default_value_t = 0.0)]
    dropout: f64,
    /// Go on with the run in the output folder from its last checkpoint
    #[arg(long)]
    pub(super) resume: bool,
    /// Steps between two checkpoints
    #[arg(long, default_value_t = 50)]
    save_every: usize,
    /// Steps between two looks at held-out text
    #[arg(long, default_value_t = 25)]
    look_every: usize,
    /// With `--mode pretrain`: the shape of the new model, as the `config.json` of a Hugging Face model
    #[arg(long, value_name = "FILE", required_if_eq("mode", "pretrain"))]
    shape: Option<PathBuf>,
    /// With `--mode pretrain`: tokens of the new vocabulary
    #[arg(long, default_value_t = 8192)]
    vocabulary: usize,
}

/// In which numbers products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Precision {
    /// 32-bit floats
    F32,
    /// 16-bit floats with the range of 32-bit ones: half the memory for what is frozen, and faster on a GPU
    Bf16,
}

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// A small addition to the model, which stays as it is
    Lora,
    /// All weights of the model
    Full,
    /// A new model, with a vocabulary of its own
    Pretrain,
}

impl Mode {
    /// What to do with the result.
    pub(super) fn what_now(self, output: &Path) -> String {
        let path = output.display();
        match self {
            Self::Lora => format!("use it: adapter = \"{path}\" in .foretype/config.toml, or FORETYPE_ADAPTER={path}"),
            Self::Full | Self::Pretrain => format!("use it: model = \"{path}\" in .foretype/config.toml"),
        }
    }
}

impl LearnArgs {
    /// Steps for a corpus of so many rows.
    pub(super) fn steps(&self, rows: usize) -> usize {
        let by_epochs = (rows as f64 * self.epochs / f64::from(self.rows)).ceil().max(1.0);
        self.steps.map_or(by_epochs as usize, |steps| steps as usize)
    }

    /// Epochs that are written out.
    pub(super) fn whole_epochs(&self) -> u64 {
        self.epochs.ceil().max(1.0) as u64
    }

    /// A file of settings for another engine, with the values of this run.
    pub(super) fn filled_in(&self, text: &str, context: usize) -> String {
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

    /// The run's folder and pace.
    pub(super) fn run(&self, steps: usize) -> Run {
        let (save_every, look_every) = (self.save_every, self.look_every);
        Run { folder: super::learn::folder(&self.output), steps, rows: self.rows.into(), save_every, look_every }
    }

    /// In which numbers products are computed on a device.
    ///
    /// # Errors
    /// If 16 bits are asked for on the CPU, which has no such products.
    fn precision(&self, device: &Device) -> Result<train::Precision> {
        match (self.precision, device.is_cpu()) {
            (Some(Precision::Bf16), true) => {
                bail!(
                    "--precision bf16 needs a GPU (device = \"cuda\"): a CPU has no such products. Say f32, or nothing"
                )
            }
            (Some(Precision::F32), _) | (None, true) => Ok(train::Precision::F32),
            (Some(Precision::Bf16) | None, false) => Ok(train::Precision::Bf16),
        }
    }

    /// How weights change on a device.
    pub(super) fn plan(&self, steps: usize, seed: u64, device: &Device) -> Result<Plan> {
        let rate = self.rate.unwrap_or(match self.mode {
            Mode::Lora => 3e-4,
            Mode::Full => 5e-5,
            Mode::Pretrain => 3e-3,
        });
        let new = self.mode == Mode::Pretrain;
        let (mode, fall) = match self.mode {
            Mode::Lora => (train::Mode::Lora(self.lora()), Fall::Cosine),
            Mode::Full => (train::Mode::Full, Fall::Cosine),
            Mode::Pretrain => (train::Mode::Full, Fall::WarmDown(0.5)),
        };
        let betas = if new { (0.8, 0.95) } else { (0.9, 0.999) };
        let adam = AdamW { rate, betas, ..AdamW::default() };
        let optimizer = Optimizer { adam, muon: new.then(Muon::default), clip: Some(1.0) };
        let warm_up = (steps / 20).clamp(1, 100);
        let schedule = Schedule { steps, warm_up, fall, floor: 0.0 };
        let dropout = if self.mode == Mode::Lora { 0.0 } else { self.share_left_out() };
        let precision = self.precision(device)?;
        Ok(Plan { mode, optimizer, schedule, rows: self.rows.into(), dropout, recompute: false, precision, seed })
    }

    fn lora(&self) -> Lora {
        let alpha = self.alpha.unwrap_or(2.0 * f64::from(self.rank));
        Lora { rank: self.rank.into(), alpha, dropout: self.share_left_out() }
    }

    fn share_left_out(&self) -> f64 {
        self.dropout.clamp(0.0, 0.9)
    }

    /// Learns a vocabulary, unless `folder` has one already, and reads the shape of a new model.
    pub(super) fn new_model(&self, corpus: &Corpus, folder: &Path) -> Result<(Config, Description)> {
        let shape = self.shape.as_deref().context("say --shape FILE: the config.json of the new model")?;
        if !folder.join("tokenizer.json").is_file() {
            let training = corpus.files.iter().filter(|file| file.split == Split::Training);
            vocabulary::learn(training.map(|file| &*file.text), self.vocabulary, folder)?;
        }
        let tokenizer = Tokenizer::of_directory(folder)?;
        let config = Config::of_file(shape)?;
        let config = Config { vocab_size: tokenizer.vocab_size().next_multiple_of(64), ..config };
        let name = "a new model".to_owned();
        let description = Description { tokenizer, chat_template: None, name, bytes: 0, config: config.clone() };
        Ok((config, description))
    }
}

/// What a run was begun with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The base model.
    pub(super) base: String,
    /// How weights change.
    pub(super) plan: Plan,
    /// Tokens of a row.
    pub(super) context: usize,
    /// Rows of an epoch: another number is another corpus.
    pub(super) corpus_rows: usize,
}

impl Record {
    /// The record of an earlier run, if there is one.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        serde_json::from_str(&text).map(Some).with_context(|| format!("{} is no plan of a run", path.display()))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// The first thing in which another run differs, as this one has it.
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
