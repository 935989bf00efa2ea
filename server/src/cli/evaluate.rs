//! `foretype evaluate`: how good the completions of a model are.
//!
//! Every set becomes `items`: a hole, what stood there, what was written, and how near that is. From there on all sets go
//! the same way: `metrics` makes figures of items, `output` shows them, `compare` tells two reports apart.

mod compare;
mod docstring;
mod humaneval;
mod infilling;
mod items;
mod metrics;
mod output;
mod page;
mod plain;
mod problems;
pub(super) mod repository;
mod sandbox;
pub(super) mod table;
mod translate;
mod ways;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Subcommand;
use foretype_model::{Engine, Model};
use foretype_plugins::Order;

use crate::completion;
use crate::config::Config;
use crate::models;

/// Arguments of `foretype evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    set: Set,
}

#[derive(Debug, Subcommand)]
enum Set {
    /// Pieces taken out of the files of any folder: lines, rests of lines, bodies, arguments and calls
    Repository(Box<repository::Args>),
    /// HumanEval single-line infilling: pass@1 and exact match, greedy
    HumanevalInfilling(infilling::Args),
    /// HumanEval: bodies of functions from their docstrings, pass@1, greedy
    Humaneval(ways::Args),
    /// HumanEvalPack: docstrings from the code, smoothed BLEU-4 and chrF, greedy
    Docstring(ways::Args),
    /// CodeTrans of CodeFuseEval: programs in another language, pass@1 where that is Python, greedy
    Translate(ways::Args),
    /// Say whether two reports of the same items differ by more than chance
    Compare(compare::Args),
}

/// Runs `foretype evaluate`.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.set {
        Set::Repository(args) => repository::run(&args),
        Set::HumanevalInfilling(args) => infilling::run(&args),
        Set::Humaneval(args) => humaneval::run(&args),
        Set::Docstring(args) => docstring::run(&args),
        Set::Translate(args) => translate::run(&args),
        Set::Compare(args) => compare::run(&args),
    }
}

/// Orders of the prompt that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OrderName {
    /// Prefix and suffix frozen at an anchor, the text since then after the middle marker
    Anchored,
    /// Prefix, suffix, middle: what other tools send
    Plain,
}

impl OrderName {
    fn order(self) -> Order {
        match self {
            Self::Anchored => Order::Anchored,
            Self::Plain => Order::Plain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Plain => "plain",
        }
    }
}

/// Which model is measured.
#[derive(Debug, clap::Args)]
struct ModelArgs {
    /// The model: a name that `model list` shows or a path
    #[arg(long)]
    model: Option<String>,
    /// An adapter on top of it: a folder in the format of PEFT
    #[arg(long)]
    adapter: Option<String>,
}

/// A model that is ready to be asked.
struct Asked {
    model: Arc<Model>,
    config: Config,
}

impl Asked {
    /// The chosen model and adapter, or else the configured ones.
    fn load(chosen: &ModelArgs, root: Option<&Path>) -> Result<Self> {
        let mut config = Config::load(root)?;
        if chosen.model.is_some() && chosen.model != config.model {
            // An adapter belongs to its model.
            (config.model, config.adapter) = (chosen.model.clone(), None);
        }
        config.adapter = chosen.adapter.clone().or(config.adapter);
        let model = completion::load(&models::resolve(config.model.as_deref())?, &config)?;
        Ok(Self { model, config })
    }

    /// An engine that remembers nothing yet.
    fn engine(&self) -> Engine {
        completion::start(self.model.clone(), &self.config)
    }

    /// The model as a report names it.
    fn name(&self) -> String {
        let file = self.model.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = file.map_or_else(|| self.model.name.clone(), |file| format!("{} ({file})", self.model.name));
        self.config.adapter.as_ref().map_or(name.clone(), |adapter| format!("{name} with {adapter}"))
    }
}
