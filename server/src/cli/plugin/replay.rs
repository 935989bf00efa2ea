//! What a plugin costs and what it gains: pieces of code are typed again, each with and without the plugin, one right after
//! the other in this process.
//!
//! Each way has an engine of its own, as if the other had never been. Nothing here waits for a clock, and a plugin has more
//! time than while somebody types, so tokens and characters are the same each time; the time of a plugin is that of its calls,
//! divided among the keys.

mod figures;
mod samples;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use foretype_model::{Engine, Model};
use foretype_plugins::luau::Plugin;
use foretype_plugins::request::TaskKind;
use foretype_plugins::tasks::fill::Fill;
use foretype_plugins::{PromptStrategy, Request};
use indicatif::ProgressBar;

use crate::cli::evaluate::repository::progress;
use crate::completion;
use crate::config::Config;
use crate::evaluate::typing;
use crate::request_builder;
use crate::workspace::{Workspace, Workspaces};
use crate::{models, plugins};
use figures::{PairedRun, TypingRun};
use samples::ReplaySample;

pub(super) use figures::ReplayReport;

/// Milliseconds for a call: what a plugin says must not depend on how busy the machine is. What was late is counted.
const CALL_TIMEOUT_MS: u64 = 1000;

/// What is typed again, and how much of it.
#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// Type again what traces of `foretype bench trace` (.json) or source files and folders of this workspace hold, with and
    /// without the plugin, and say what it costs and gains
    #[arg(long, value_name = "TRACE|PATH", num_args = 1..)]
    replay: Vec<PathBuf>,
    /// With --replay, the model: a name that `model list` shows or a path
    #[arg(long, requires = "replay")]
    model: Option<String>,
    /// Of files, type so many blocks, drawn by the seed
    #[arg(long, requires = "replay", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Of files, so many others that lie nearest stand for open ones
    #[arg(long, requires = "replay", default_value_t = 6)]
    open: usize,
    /// Seed of the draw and of the intervals
    #[arg(long, requires = "replay", default_value_t = 1)]
    seed: u64,
}

impl ReplayArgs {
    /// Whether something is to be replayed.
    pub(super) fn is_requested(&self) -> bool {
        !self.replay.is_empty()
    }

    /// The command that measures the same again.
    fn command_line(&self, name: &str) -> String {
        let paths: Vec<_> = self.replay.iter().map(|path| path.display().to_string()).collect();
        let model = self.model.as_ref().map(|model| format!(" --model {model}")).unwrap_or_default();
        let Self { most, open, seed, .. } = self;
        let paths = paths.join(" ");
        format!("foretype plugin check {name} --replay {paths}{model} --most {most} --open {open} --seed {seed}")
    }
}

/// Measures a plugin that `load` gives.
pub(super) fn run(
    root: &Path,
    name: &str,
    load: impl Fn(&Config) -> Result<Arc<Plugin>>,
    args: &ReplayArgs,
    mut config: Config,
) -> Result<ReplayReport> {
    let limit_ms = config.plugins.time_ms;
    config.plugins.time_ms = limit_ms.max(CALL_TIMEOUT_MS);
    let plugin = load(&config)?;
    ensure!(
        plugin.tasks().contains(&TaskKind::Fill),
        "{} takes part in no suggestions, so typing says nothing of it: its tasks have no \"fill\"",
        plugin.file
    );
    config.model = args.model.clone().or(config.model);
    // A model that is not there is told of before a large folder is read.
    let model = models::resolve(config.model.as_deref())?;
    let workspace = Workspaces::default().open(root, &config);
    let places = samples::collect(&workspace, args)?;
    if config.context.definitions {
        workspace.index_all_symbols(|_| true);
    }
    let model = models::load::load_model(&model, &config)?;
    let replay = PluginReplay::new(&workspace, &plugin, &model, &config)?;
    let bar = ProgressBar::new(places.len() as u64).with_message("typing").with_style(progress::style());
    let turn = |(at, place): (usize, &ReplaySample)| replay.pair(place, at % 2 == 1).inspect(|_| bar.inc(1));
    let pairs = places.iter().enumerate().map(turn).collect::<Result<Vec<_>>>();
    bar.finish_and_clear();
    let notes = notes(root, name, args, &model);
    Ok(ReplayReport { name: plugin.name.clone(), notes, seed: args.seed, limit_ms, pairs: pairs? })
}

/// What a reader needs to measure the same again.
fn notes(root: &Path, name: &str, args: &ReplayArgs, model: &Model) -> Vec<String> {
    let revision = crate::git::output(root, &["rev-parse", "--short=12", "HEAD"]);
    // Not every workspace has a history.
    let revision = revision.map_or_else(|_| String::new(), |revision| format!(" at {}", revision.trim()));
    let file = model.path.file_name().unwrap_or_default().to_string_lossy();
    vec![format!("the same again: {}", args.command_line(name)), format!("model {} ({file}){revision}", model.name)]
}

/// Both ways to type.
struct PluginReplay<'a> {
    workspace: &'a Workspace,
    plugin: &'a Plugin,
    model: &'a Model,
    config: &'a Config,
    without: (Engine, Arc<dyn PromptStrategy>),
    with: (Engine, Arc<dyn PromptStrategy>),
}

impl<'a> PluginReplay<'a> {
    fn new(
        workspace: &'a Workspace,
        plugin: &'a Arc<Plugin>,
        model: &'a Arc<Model>,
        config: &'a Config,
    ) -> Result<Self> {
        let fill = Fill::shared();
        let plugged = plugins::with_plugins(fill.clone(), vec![plugin.clone()], config);
        let engine = || models::load::start_engine(model.clone(), config);
        let (without, with) = ((engine(), fill), (engine(), plugged));
        Ok(Self { workspace, plugin, model, config, without, with })
    }

    /// Types at a place in both ways; who is first changes, so that neither always has the machine as the other leaves it.
    fn pair(&self, place: &ReplaySample, with_first: bool) -> Result<PairedRun> {
        let first = with_first.then(|| self.type_with(place, &self.with)).transpose()?;
        let without = self.type_with(place, &self.without)?;
        let with = match first {
            Some(with) => with,
            None => self.type_with(place, &self.with)?,
        };
        match self.plugin.fault() {
            Some(fault) => {
                bail!("the plugin was stopped while {} was typed, so there is nothing to compare: {fault}", place.id)
            }
            None => Ok(PairedRun { id: place.id.clone(), without, with }),
        }
    }

    fn type_with(
        &self,
        place: &ReplaySample,
        (engine, strategy): &(Engine, Arc<dyn PromptStrategy>),
    ) -> Result<TypingRun> {
        let (mut evaluated, mut asked) = (0, Vec::new());
        let typing = typing::simulate_typing(self.request(place), &place.expected, |request, drafts| {
            let before = self.plugin.tally().time;
            let outcome = completion::complete(engine, strategy, Arc::new(request), 1, &self.config.inline, drafts)?;
            asked.push((self.plugin.tally().time - before).as_secs_f64() * 1000.0);
            evaluated += outcome.usage.evaluated;
            Ok(outcome)
        })?;
        // A key that goes on with what is shown asks nobody.
        asked.resize(typing.keys.max(asked.len()), 0.0);
        Ok(TypingRun { typing, evaluated, plugin_ms: asked })
    }

    fn request(&self, place: &ReplaySample) -> Request {
        let document = request_builder::parse_document(place.path.clone(), [&*place.before, &*place.after].concat());
        let mut request = request_builder::request_for_model(document, place.before.len(), self.model, self.config);
        request.repository = self.workspace.name();
        request.symbols = self.workspace.symbols.clone();
        if self.config.context.open_files {
            request.open_files = place.open_files.clone();
        }
        request
    }
}
