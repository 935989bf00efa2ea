//! Evaluation of completions: items, their scores, the metrics over them, and reports.
//!
//! Every evaluation makes [`items`]: a hole, the text that was there, the text that the model wrote, and how close the
//! two are. `metrics` turns items into figures with confidence intervals, and [`output`] writes the report. `foretype
//! evaluate` takes holes out of a repository; the laboratory (`tests/lab`) has the public problem sets.

pub mod items;
pub(crate) mod metrics;
pub mod output;
mod page;
pub(crate) mod table;
pub(crate) mod typing;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use foretype_model::{Engine, Model};
use foretype_plugins::PromptOrder;

use crate::config::Config;
use crate::models;

/// Prompt orders that an evaluation can compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OrderArg {
    /// Prefix and suffix frozen at an anchor, the text since then after the middle marker
    Anchored,
    /// Prefix, suffix, middle: the order of other tools
    Plain,
}

impl OrderArg {
    /// Prompt order that a request takes.
    pub fn order(self) -> PromptOrder {
        match self {
            Self::Anchored => PromptOrder::Anchored,
            Self::Plain => PromptOrder::Plain,
        }
    }

    /// Name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Plain => "plain",
        }
    }
}

/// Options that choose the model to evaluate.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    /// The model: a name that `foretype model list` shows, or a path
    #[arg(long)]
    pub model: Option<String>,
    /// A LoRA adapter for the model: a folder in the format of PEFT
    #[arg(long)]
    pub adapter: Option<String>,
}

/// A loaded model with the configuration that it is evaluated under.
pub struct EvaluatedModel {
    /// Weights and tokenizer.
    pub model: Arc<Model>,
    /// Configuration, with the chosen model and adapter in it.
    pub config: Config,
}

impl EvaluatedModel {
    /// Loads the chosen model and adapter, or the configured ones if none is chosen. `root` is the workspace whose
    /// configuration applies.
    ///
    /// # Errors
    /// If the configuration or the model cannot be read.
    pub fn load(chosen: &ModelArgs, root: Option<&Path>) -> Result<Self> {
        let mut config = Config::load(root)?;
        if chosen.model.is_some() && chosen.model != config.model {
            // The configured adapter fits the configured model only.
            (config.model, config.adapter) = (chosen.model.clone(), None);
        }
        config.adapter = chosen.adapter.clone().or(config.adapter);
        let model = models::load::load_model(&models::resolve(config.model.as_deref())?, &config)?;
        Ok(Self { model, config })
    }

    /// Starts an engine with an empty KV cache.
    pub fn engine(&self) -> Engine {
        models::load::start_engine(self.model.clone(), &self.config)
    }

    /// Name of the model, its file and its adapter, for a report.
    pub fn name(&self) -> String {
        let mut name = self.model.name.clone();
        if let Some(file) = self.model.path.file_name() {
            name = format!("{name} ({})", file.to_string_lossy());
        }
        if let Some(adapter) = &self.config.adapter {
            name = format!("{name} with {adapter}");
        }
        name
    }
}
