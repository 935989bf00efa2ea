//! `foretype evaluate repository`: takes holes out of the files of a folder and completes them again, with and without
//! context from the rest of the folder.
//!
//! A hole is completed as a key press in an editor is: the same strategy, stop conditions, trimming and prompt budget.

pub(crate) mod files;
mod fill;
pub(crate) mod progress;
pub(crate) mod selection;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use foretype_plugins::Document;
use foretype_plugins::holes::{self, HoleKind};
use foretype_plugins::tasks::fill::Fill;
use indicatif::ProgressBar;

use crate::config::Config;
use crate::evaluate::items::{EvaluatedSystem, EvaluationReport};
use crate::evaluate::output::OutputArgs;
use crate::evaluate::{EvaluatedModel, ModelArgs, OrderArg};
use crate::models;
use crate::workspace::{Workspace, Workspaces};
use fill::{HoleEvaluator, Measures, RepositoryContext};
use selection::{HoleSelection, SelectedHole};

/// Arguments of `foretype evaluate repository`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of source text
    folder: PathBuf,
    #[command(flatten)]
    which: ModelArgs,
    /// Take every Nth hole of each kind
    #[arg(long, conflicts_with = "most", value_parser = clap::value_parser!(u32).range(1..))]
    every: Option<u32>,
    /// Take at most this many holes of each kind, drawn at random
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Seed of the draw, of the columns at which rests of lines begin, and of the confidence intervals
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kinds of holes: line, rest (of a line), block, arguments, call
    #[arg(long, value_delimiter = ',', value_parser = parse_kind, default_value = "line,rest,block,arguments,call")]
    kinds: Vec<HoleKind>,
    /// Include snippets of other files in the prompt or not
    #[arg(long, value_enum, default_value_t = ContextArg::With)]
    context: ContextArg,
    /// Prompt orders to compare
    #[arg(long, value_delimiter = ',', default_value = "anchored")]
    order: Vec<OrderArg>,
    /// Take holes only from files that match one of these patterns, written as in .gitignore
    #[arg(long, value_name = "GLOB")]
    files: Vec<String>,
    /// Take holes only from files that were added or changed after this revision or date (YYYY-MM-DD)
    #[arg(long, value_name = "REVISION|DATE")]
    since: Option<String>,
    /// Also type each hole key by key and count the characters that come from suggestions; takes much longer
    #[arg(long)]
    typing: bool,
    /// Also measure the bits per byte of the original text under the model; doubles the prefill
    #[arg(long)]
    bits: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ContextArg {
    /// As in an editor: definitions of the workspace, and the nearest files as open files
    With,
    /// The file alone
    Without,
    /// Both, one after the other
    Both,
}

impl ContextArg {
    /// Returns for each run whether it has context.
    fn runs(self) -> &'static [bool] {
        match self {
            Self::With => &[true],
            Self::Without => &[false],
            Self::Both => &[true, false],
        }
    }
}

impl Args {
    fn hole_selection(&self) -> HoleSelection {
        HoleSelection { kinds: self.kinds.clone(), seed: self.seed, every: self.every, max_per_kind: self.most }
    }
}

fn parse_kind(name: &str) -> Result<HoleKind, String> {
    let names = || HoleKind::ALL.map(HoleKind::name).join(", ");
    HoleKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| format!("unknown kind of hole: use {}", names()))
}

/// Runs the evaluation and reports it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    args.output.check_paths()?;
    ensure!(args.folder.is_dir(), "{} is not a folder", args.folder.display());
    let root = args.folder.canonicalize().with_context(|| format!("cannot read {}", args.folder.display()))?;
    let config = Config::load(Some(&root))?;
    // A missing model is reported before a large folder is read.
    models::resolve(args.which.model.as_deref().or(config.model.as_deref()))?;
    let workspace = Workspaces::default().open(&root, &config);
    let corpus = files::source_files(&workspace);
    let holes = select_holes(args, &root, &corpus)?;
    let model = EvaluatedModel::load(&args.which, Some(&root))?;
    let systems = evaluate_systems(args, &workspace, &corpus, &holes, &model)?;
    let notes = report_notes(args, &holes, &model);
    let report = EvaluationReport::new(report_title(&root), model.name(), notes, args.seed, systems);
    args.output.deliver(&report)?;
    Ok(ExitCode::SUCCESS)
}

/// Selects the holes.
///
/// # Errors
/// If there are none, with the reason.
fn select_holes(args: &Args, root: &Path, corpus: &[Arc<Document>]) -> Result<Vec<SelectedHole>> {
    let files = files_with_holes(args, root, corpus)?;
    let holes = selection::select(&files, &args.hole_selection());
    let kinds: Vec<_> = args.kinds.iter().map(|kind| kind.name()).collect();
    let folder = args.folder.display();
    ensure!(!holes.is_empty(), "no holes of kind {} in {} files of {folder}", kinds.join(", "), files.len());
    Ok(holes)
}

/// Files that holes are taken from.
fn files_with_holes(args: &Args, root: &Path, corpus: &[Arc<Document>]) -> Result<Vec<Arc<Document>>> {
    let has_holes = |file: &&Arc<Document>| holes::supported_languages().any(|language| language == file.language);
    let mut files: Vec<_> = corpus.iter().filter(has_holes).cloned().collect();
    let folder = args.folder.display();
    if files.is_empty() {
        let names: Vec<_> = holes::supported_languages().map(|language| language.lsp_id()).collect();
        bail!("{folder} has no file in a supported language: {}", names.join(", "));
    }
    let count = files.len();
    let patterns = files::file_patterns(root, &args.files)?;
    files.retain(|file| !patterns.matched(&file.path, false).is_ignore());
    ensure!(
        !files.is_empty(),
        "none of the {count} files in {folder} matches --files {}",
        args.files.join(" --files ")
    );
    if let Some(since) = &args.since {
        let changed = files::changed_since(root, since)?;
        files.retain(|file| changed.contains(&file.path));
        ensure!(!files.is_empty(), "no file in a supported language was added or changed after {since} in {folder}");
    }
    Ok(files)
}

/// Completes all holes with every combination of context and prompt order.
fn evaluate_systems(
    args: &Args,
    workspace: &Workspace,
    corpus: &[Arc<Document>],
    holes: &[SelectedHole],
    model: &EvaluatedModel,
) -> Result<Vec<EvaluatedSystem>> {
    let contexts = args.context.runs();
    let runs: Vec<_> = contexts.iter().flat_map(|with| args.order.iter().map(|order| (*with, *order))).collect();
    if contexts.contains(&true) && model.config.context.definitions {
        workspace.index_all_symbols(|_| true);
    }
    let context = RepositoryContext { workspace, corpus };
    let strategy = Fill::shared();
    let bar = ProgressBar::new((runs.len() * holes.len()) as u64).with_style(progress::style());
    let system = |(with, order): (bool, OrderArg)| -> Result<EvaluatedSystem> {
        let name = format!("{} context, {}", if with { "with" } else { "without" }, order.name());
        bar.set_message(name.clone());
        let context = if with { Some(&context) } else { None };
        let measures = Measures { typing: args.typing, bits: args.bits };
        let evaluator = HoleEvaluator::new(model, strategy.clone(), measures, context, order);
        let items = holes.iter().map(|hole| evaluator.item(hole)).inspect(|_| bar.inc(1)).collect::<Result<_>>()?;
        Ok(EvaluatedSystem { name, items })
    };
    let systems = runs.into_iter().map(system).collect();
    bar.finish_and_clear();
    systems
}

fn report_title(root: &Path) -> String {
    let name = root.file_name().map_or_else(|| root.display().to_string(), |name| name.to_string_lossy().into_owned());
    match crate::git::output(root, &["rev-parse", "--short=12", "HEAD"]) {
        Ok(revision) => format!("holes in {name} at {}", revision.trim()),
        // The folder is not in a repository.
        Err(_) => format!("holes in {name}"),
    }
}

/// Rules that a reader needs to judge the figures.
fn report_notes(args: &Args, holes: &[SelectedHole], model: &EvaluatedModel) -> Vec<String> {
    let inline = &model.config.inline;
    let draw = match args.every {
        Some(every) => format!("one of every {every} holes of each kind"),
        None => format!("at most {} holes of each kind, seed {}", args.most, args.seed),
    };
    let files: std::collections::HashSet<_> = holes.iter().map(|hole| &hole.file.path).collect();
    let mut notes = vec![
        format!("{} holes in {} files: {draw}; greedy", holes.len(), files.len()),
        format!(
            "truncation: the text that an editor would show, of at most {} tokens; the first {} lines of a block, the \
             first line of anything else",
            inline.max_tokens, inline.max_lines
        ),
        "exact match: equal up to white space at both ends; intervals: 95 %, bootstrap over holes".into(),
    ];
    notes.extend(args.since.iter().map(|since| format!("files added or changed after {since}")));
    if args.context != ContextArg::Without {
        notes.push("context: definitions of the workspace, and the nearest files as open files".into());
    }
    if args.typing {
        notes.push(
            "typing: a suggestion is accepted as soon as its first line is right and does not end inside a word".into(),
        );
    }
    notes
}
