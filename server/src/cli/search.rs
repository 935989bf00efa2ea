//! `foretype search WORDS`: what a search of the workspace finds, as questions use it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use foretype_plugins::strategies::ask::wanted;
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::search::{Changes, Found, Progress};
use crate::workspace::{Workspace, Workspaces};

/// Arguments of `foretype search`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Words or names, or a whole question
    #[arg(value_name = "WORDS", required = true)]
    words: Vec<String>,
    /// A folder of the workspace; unset, the one that you are in
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// How many places to show
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Say what the index and the search cost
    #[arg(long)]
    verbose: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `foretype search`.
pub fn run(args: &Args) -> Result<ExitCode> {
    let words = args.words.join(" ");
    let wanted = wanted(&words, "");
    ensure!(!wanted.is_empty(), "{words:?} holds no word to search for: name something that is in the code");
    let folder = match &args.folder {
        Some(folder) => folder.canonicalize().with_context(|| format!("there is no folder {}", folder.display()))?,
        None => std::env::current_dir()?,
    };
    let root = super::complete::root_of(&folder.join("file"))?;
    let config = Config::load(Some(&root))?;
    let workspace = Workspaces::default().open(&root, &config);
    ensure!(workspace.search.is_on(), "the search is off here (option ask.search)");
    let started = Instant::now();
    let changes = refresh(&workspace, None)?;
    let updated = started.elapsed();
    let found = workspace.search.find(&wanted, usize::from(args.limit));
    let searched = started.elapsed() - updated;
    let found: Vec<Found> = found.into_iter().filter(|it| is_there(&workspace, it)).collect();
    if args.json {
        super::print_json(&serde_json::json!({ "root": root, "found": found, "index": changes }))?;
    } else if found.is_empty() {
        println!("Nothing is found in {}.", root.display());
    } else {
        found.iter().for_each(|it| println!("{:>6.2}  {}:{}-{}  {}", it.score, it.path, it.first, it.last, it.names));
    }
    if changes.behind {
        eprintln!("foretype: another process is indexing: some files may be missing");
    }
    if args.verbose {
        let Changes { indexed, removed, .. } = changes;
        eprintln!(
            "foretype: {indexed} files indexed, {removed} removed in {:.2} s; searched in {:.1} ms{}",
            updated.as_secs_f64(),
            searched.as_secs_f64() * 1e3,
            memory().map(|megabytes| format!("; {megabytes} MB of memory at the most")).unwrap_or_default(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a place may be shown and still holds what was indexed.
fn is_there(workspace: &Workspace, found: &Found) -> bool {
    let file = workspace.root.join(&found.path);
    let text = (!workspace.excludes(&file)).then(|| std::fs::read_to_string(&file).ok()).flatten();
    text.is_some_and(|text| found.text(&text).is_some())
}

/// Indexes what changed, with a bar where that is much. Stops after `limit`: what is done is kept.
pub(super) fn refresh(workspace: &Workspace, limit: Option<Duration>) -> Result<Changes> {
    /// So many files take a moment.
    const MANY: usize = 200;
    let started = Instant::now();
    let bar = std::cell::OnceCell::new();
    let progress = |Progress { done, of }: Progress| {
        if of >= MANY {
            let bar = bar.get_or_init(|| {
                let bar = ProgressBar::new(of as u64).with_message("indexing for questions");
                let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar
            });
            bar.set_position(done as u64);
        }
        limit.is_none_or(|limit| started.elapsed() < limit)
    };
    let changes = workspace.refresh_search(&progress);
    if let Some(bar) = bar.get() {
        bar.finish_and_clear();
    }
    changes
}

/// Megabytes of memory that this process had at the most, where that can be told.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1000)
}
