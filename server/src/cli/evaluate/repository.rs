//! Pieces taken out of the files of a folder: how much of them is written again, with and without what the rest of the
//! folder says, and what that costs.
//!
//! Everything goes the way of a key in an editor: the same strategy, stops and trimming, the same budget of the prompt.

pub(in crate::cli) mod files;
mod fill;
pub(in crate::cli) mod selection;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use foretype_plugins::holes::{self, Kind};
use foretype_plugins::{Document, registry};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::evaluate::items::{EvaluationReport, EvaluatedSystem};
use crate::evaluate::output::OutputArgs;
use crate::evaluate::{EvaluatedModel, ModelArgs, OrderArg};
use crate::models;
use crate::workspace::{Workspace, Workspaces};
use fill::{HoleEvaluator, RepositoryContext};
use selection::{SelectedHole, HoleSelection};

/// Arguments of `foretype evaluate repository`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder of source text
    folder: PathBuf,
    #[command(flatten)]
    which: ModelArgs,
    /// Take every Nth hole of each kind
    #[arg(long, conflicts_with = "most", value_parser = clap::value_parser!(u32).range(1..))]
    every: Option<u32>,
    /// Take so many holes of each kind, drawn by the seed
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Seed of the draw, of the places where rests of lines begin, and of the intervals
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is taken out: line, rest (of a line), block, arguments, call
    #[arg(long, value_delimiter = ',', value_parser = parse_kind, default_value = "line,rest,block,arguments,call")]
    kinds: Vec<Kind>,
    /// Whether the prompt may hold snippets of other files
    #[arg(long, value_enum, default_value_t = ContextArg::With)]
    context: ContextArg,
    /// Orders of the prompt to compare
    #[arg(long, value_delimiter = ',', default_value = "anchored")]
    order: Vec<OrderArg>,
    /// Holes only in files that fit one of these patterns, written as in .gitignore
    #[arg(long, value_name = "GLOB")]
    files: Vec<String>,
    /// Holes only in files that were added or changed after this revision or date (YYYY-MM-DD)
    #[arg(long, value_name = "REVISION|DATE")]
    since: Option<String>,
    /// Also type each hole key by key and count the characters that come from suggestions; takes many times as long
    #[arg(long)]
    typing: bool,
    /// Also measure how many bits per byte what stood in the hole costs the model to guess; reads each prompt twice
    #[arg(long)]
    bits: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ContextArg {
    /// As in an editor: definitions of the workspace, and the nearest files as if they were open
    With,
    /// The file alone
    Without,
    /// One after the other
    Both,
}

impl ContextArg {
    fn runs(self) -> &'static [bool] {
        match self {
            Self::With => &[true],
            Self::Without => &[false],
            Self::Both => &[true, false],
        }
    }
}

impl Args {
    fn draw(&self) -> HoleSelection {
        HoleSelection { kinds: self.kinds.clone(), seed: self.seed, every: self.every, max_per_kind: self.most }
    }
}

fn parse_kind(name: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.map(Kind::name).join(", ");
    Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| format!("say some of: {}", names()))
}

/// Runs the evaluation and reports it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    args.output.check_paths()?;
    ensure!(args.folder.is_dir(), "{} is no folder", args.folder.display());
    let root = args.folder.canonicalize().with_context(|| format!("cannot read {}", args.folder.display()))?;
    let config = Config::load(Some(&root))?;
    // A model that is not there is told of before a large folder is read.
    models::resolve(args.which.model.as_deref().or(config.model.as_deref()))?;
    let workspace = Workspaces::default().open(&root, &config);
    let corpus = files::source_files(&workspace);
    let chosen = select_holes(args, &root, &corpus)?;
    let asked = EvaluatedModel::load(&args.which, Some(&root))?;
    let systems = evaluate_systems(args, &workspace, &corpus, &chosen, &asked)?;
    let notes = report_notes(args, &chosen, &asked);
    let report = EvaluationReport::new(report_title(&root), asked.name(), notes, args.seed, systems);
    args.output.deliver(&report)?;
    Ok(ExitCode::SUCCESS)
}

/// The holes that are asked for; an error says why there are none.
fn select_holes(args: &Args, root: &Path, corpus: &[Arc<Document>]) -> Result<Vec<SelectedHole>> {
    let files = files_with_holes(args, root, corpus)?;
    let chosen = selection::select(&files, &args.draw());
    let kinds: Vec<_> = args.kinds.iter().map(|kind| kind.name()).collect();
    let folder = args.folder.display();
    ensure!(!chosen.is_empty(), "no holes of kind {} in {} files of {folder}", kinds.join(", "), files.len());
    Ok(chosen)
}

/// The files that holes are looked for in.
fn files_with_holes(args: &Args, root: &Path, corpus: &[Arc<Document>]) -> Result<Vec<Arc<Document>>> {
    let known = |file: &&Arc<Document>| holes::languages().any(|language| language == file.language);
    let mut files: Vec<_> = corpus.iter().filter(known).cloned().collect();
    let folder = args.folder.display();
    if files.is_empty() {
        let names: Vec<_> = holes::languages().map(|language| language.id()).collect();
        bail!("{folder} has no file of a language whose holes are known: {}", names.join(", "));
    }
    let count = files.len();
    let named = files::file_patterns(root, &args.files)?;
    files.retain(|file| !named.matched(&file.path, false).is_ignore());
    ensure!(!files.is_empty(), "none of the {count} files in {folder} fits --files {}", args.files.join(" --files "));
    if let Some(since) = &args.since {
        let changed = files::changed_since(root, since)?;
        files.retain(|file| changed.contains(&file.path));
        ensure!(!files.is_empty(), "no file of a known language was added or changed after {since} in {folder}");
    }
    Ok(files)
}

/// Asks in every way for all holes.
fn evaluate_systems(
    args: &Args,
    workspace: &Workspace,
    corpus: &[Arc<Document>],
    chosen: &[SelectedHole],
    asked: &EvaluatedModel,
) -> Result<Vec<EvaluatedSystem>> {
    let with = args.context.runs().iter();
    let runs: Vec<_> = with.flat_map(|with| args.order.iter().map(|order| (*with, *order))).collect();
    if runs.iter().any(|(with, _)| *with) && asked.config.context.definitions {
        workspace.scan(|_| true);
    }
    let surroundings = RepositoryContext { workspace, corpus };
    let strategy = registry::strategy("fill").context("the fill strategy is missing")?;
    let bar = ProgressBar::new((runs.len() * chosen.len()) as u64).with_style(progress_style());
    let system = |(with, order): (bool, OrderArg)| -> Result<EvaluatedSystem> {
        let name = format!("{} context, {}", if with { "with" } else { "without" }, order.name());
        bar.set_message(name.clone());
        let filler = HoleEvaluator::new(asked, strategy.clone(), args, with.then_some(&surroundings), order);
        let items = chosen.iter().map(|hole| filler.item(hole)).inspect(|_| bar.inc(1)).collect::<Result<_>>()?;
        Ok(EvaluatedSystem { name, items })
    };
    let systems = runs.into_iter().map(system).collect();
    bar.finish_and_clear();
    systems
}

/// How a bar looks that counts places.
pub(in crate::cli) fn progress_style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta} left");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn report_title(root: &Path) -> String {
    let name = root.file_name().map_or_else(|| root.display().to_string(), |name| name.to_string_lossy().into_owned());
    let revision = crate::git::output(root, &["rev-parse", "--short=12", "HEAD"]);
    match revision {
        Ok(revision) => format!("holes in {name} at {}", revision.trim()),
        // Not every folder has a history.
        Err(_) => format!("holes in {name}"),
    }
}

/// What a reader of the figures has to know.
fn report_notes(args: &Args, chosen: &[SelectedHole], asked: &EvaluatedModel) -> Vec<String> {
    let inline = &asked.config.inline;
    let draw = match args.every {
        Some(every) => format!("one of every {every} holes of each kind"),
        None => format!("at most {} holes of each kind, seed {}", args.most, args.seed),
    };
    let files: std::collections::HashSet<_> = chosen.iter().map(|hole| &hole.file.path).collect();
    let mut notes = vec![
        format!("{} holes in {} files: {draw}; greedy", chosen.len(), files.len()),
        format!(
            "truncation: what an editor would show, ended and trimmed by the live rules after at most {} tokens; of blocks \
             its first {} lines, of everything else its first line",
            inline.max_tokens, inline.max_lines
        ),
        "exact match: every character but white space at both ends; intervals: 95 %, bootstrap over holes".into(),
    ];
    notes.extend(args.since.iter().map(|since| format!("files added or changed after {since}")));
    if args.context != ContextArg::Without {
        notes.push("context: definitions of the workspace, and the nearest files as if they were open".into());
    }
    if args.typing {
        notes.push(
            "typing: a suggestion is accepted as soon as its first line is right and does not end inside a word".into(),
        );
    }
    notes
}
