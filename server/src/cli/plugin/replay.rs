//! Cost and benefit of a plugin: samples of code are typed with and without the plugin, one right after the other in
//! this process.
//!
//! Each side has an engine of its own, so that neither profits from the other's caches. No typing depends on the clock,
//! and the plugin has a longer time limit than while the user types, so tokens and characters are reproducible. The
//! time of the plugin is the time of its calls at each keystroke.

mod args;
mod figures;
mod samples;

use std::path::Path;
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

pub(super) use args::ReplayArgs;
pub(super) use figures::ReplayReport;

/// Time limit of a call in milliseconds. It is generous, so that results do not depend on the load of the machine.
/// Calls over the configured limit are counted as late.
const CALL_TIMEOUT_MS: u64 = 1000;

/// Measures the plugin that `load` returns.
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
        "{} takes part in no suggestions, so there is nothing to measure: its tasks lack \"fill\"",
        plugin.file
    );
    config.model = args.model.clone().or(config.model);
    // A missing model is reported before a large folder is read.
    let model = models::resolve(config.model.as_deref())?;
    let workspace = Workspaces::default().open(root, &config);
    let samples = samples::collect(&workspace, args)?;
    if config.context.definitions {
        workspace.index_all_symbols(|_| true);
    }
    let model = models::load::load_model(&model, &config)?;
    let replay = PluginReplay::new(&workspace, &plugin, &model, &config)?;
    let bar = ProgressBar::new(samples.len() as u64).with_message("typing").with_style(progress::style());
    let replayed =
        samples.iter().enumerate().map(|(at, sample)| replay.pair(sample, at % 2 == 1).inspect(|_| bar.inc(1)));
    let pairs = replayed.collect::<Result<Vec<_>>>();
    bar.finish_and_clear();
    let notes = notes(root, name, args, &model);
    Ok(ReplayReport { name: plugin.name.clone(), notes, seed: args.seed, limit_ms, pairs: pairs? })
}

/// Returns notes on how to repeat the measurement.
fn notes(root: &Path, name: &str, args: &ReplayArgs, model: &Model) -> Vec<String> {
    let revision = crate::git::output(root, &["rev-parse", "--short=12", "HEAD"]);
    // Not every workspace is a git repository.
    let revision = revision.map_or_else(|_| String::new(), |revision| format!(" at {}", revision.trim()));
    let file = model.path.file_name().unwrap_or_default().to_string_lossy();
    vec![format!("repeat with: {}", args.command_line(name)), format!("model {} ({file}){revision}", model.name)]
}

/// Replay of samples with and without a plugin.
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
        let extended = plugins::with_plugins(fill.clone(), vec![plugin.clone()], config);
        let engine = || models::load::start_engine(model.clone(), config);
        let (without, with) = ((engine(), fill), (engine(), extended));
        Ok(Self { workspace, plugin, model, config, without, with })
    }

    /// Types a sample with and without the plugin. The order alternates between samples, so that warm caches of the
    /// processor favor neither side.
    fn pair(&self, sample: &ReplaySample, with_first: bool) -> Result<PairedRun> {
        let (with, without);
        if with_first {
            with = self.type_with(sample, &self.with)?;
            without = self.type_with(sample, &self.without)?;
        } else {
            without = self.type_with(sample, &self.without)?;
            with = self.type_with(sample, &self.with)?;
        }
        if let Some(fault) = self.plugin.fault() {
            bail!("the plugin was stopped while {} was typed, so there is nothing to compare: {fault}", sample.id);
        }
        Ok(PairedRun { id: sample.id.clone(), without, with })
    }

    /// Types a sample with an engine and a strategy.
    fn type_with(
        &self,
        sample: &ReplaySample,
        (engine, strategy): &(Engine, Arc<dyn PromptStrategy>),
    ) -> Result<TypingRun> {
        let (mut evaluated, mut plugin_ms) = (0, Vec::new());
        let typing = typing::simulate_typing(self.request(sample), &sample.expected, |request, drafts| {
            let before = self.plugin.tally().time;
            let outcome = completion::complete(engine, strategy, Arc::new(request), 1, &self.config.inline, drafts)?;
            plugin_ms.push((self.plugin.tally().time - before).as_secs_f64() * 1000.0);
            evaluated += outcome.usage.evaluated;
            Ok(outcome)
        })?;
        // A keystroke that types the shown suggestion needs no request.
        plugin_ms.resize(typing.keys.max(plugin_ms.len()), 0.0);
        Ok(TypingRun { typing, evaluated, plugin_ms })
    }

    fn request(&self, sample: &ReplaySample) -> Request {
        let document = request_builder::parse_document(sample.path.clone(), [&*sample.before, &*sample.after].concat());
        let mut request = request_builder::request_for_model(document, sample.before.len(), self.model, self.config);
        request.repository = self.workspace.name();
        request.symbols = self.workspace.symbols.clone();
        if self.config.context.open_files {
            request.open_files = sample.open_files.clone();
        }
        request
    }
}
