//! `foretype search WORDS`: searches the workspace as questions do.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use foretype_plugins::tasks::ask::search_terms;
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::search::{IndexChanges, IndexProgress, SearchResult};
use crate::source_text;
use crate::workspace::{Workspace, Workspaces};

/// Arguments of `foretype search`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Words, names or a whole question to search for
    #[arg(value_name = "WORDS", required = true)]
    words: Vec<String>,
    /// Search the workspace of this folder [default: the current folder]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Print at most this many results
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Print the time and memory of indexing and searching
    #[arg(long)]
    verbose: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `foretype search`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let words = args.words.join(" ");
    let wanted = search_terms(&words, "");
    ensure!(!wanted.is_empty(), "{words:?} contains no word to search for: use words from the code");
    let folder = match &args.folder {
        Some(folder) => folder.canonicalize().with_context(|| format!("there is no folder {}", folder.display()))?,
        None => std::env::current_dir()?,
    };
    let root = super::source_file::workspace_root(&folder.join("file"))?;
    let config = Config::load(Some(&root))?;
    let workspace = Workspaces::default().open(&root, &config);
    ensure!(workspace.search.is_enabled(), "the search is turned off: set the option ask.search to true");
    let started = Instant::now();
    let changes = refresh_with_bar(&workspace, None)?;
    let updated = started.elapsed();
    let found = workspace.search.find(&wanted, usize::from(args.limit));
    let searched = started.elapsed() - updated;
    let found: Vec<SearchResult> = found.into_iter().filter(|it| is_current(&workspace, it)).collect();
    if args.json {
        super::output::print_json(&serde_json::json!({ "root": root, "found": found, "index": changes }))?;
    } else if found.is_empty() {
        println!("Nothing found in {}.", root.display());
    } else {
        for it in &found {
            println!("{:>6.2}  {}:{}-{}  {}", it.score, it.path, it.first_line, it.last_line, it.names);
        }
    }
    if changes.is_stale {
        eprintln!("foretype: another process is indexing, so some files may be missing: try again later");
    }
    if args.verbose {
        let IndexChanges { indexed, removed, .. } = changes;
        eprintln!(
            "foretype: {indexed} files indexed, {removed} removed in {:.2} s; searched in {:.1} ms{}",
            updated.as_secs_f64(),
            searched.as_secs_f64() * 1e3,
            peak_memory_mb().map(|megabytes| format!("; peak memory {megabytes} MB")).unwrap_or_default(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns true if the file of a result may be read and still contains what was indexed.
fn is_current(workspace: &Workspace, found: &SearchResult) -> bool {
    let file = workspace.root.join(&found.path);
    !workspace.excludes(&file) && source_text::read_lines(&file).is_ok_and(|text| found.text(&text).is_some())
}

/// Updates the search index, with a progress bar if there are many files. Stops after `limit`; files indexed by then
/// are kept.
pub(super) fn refresh_with_bar(workspace: &Workspace, limit: Option<Duration>) -> Result<IndexChanges> {
    /// Number of files from which on a bar is shown.
    const MIN_FILES_FOR_BAR: usize = 200;
    let started = Instant::now();
    let bar = std::cell::OnceCell::new();
    let progress = |IndexProgress { done, total: of }: IndexProgress| {
        if of >= MIN_FILES_FOR_BAR {
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

/// Returns the peak memory of this process in megabytes, if the system reports it.
fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1000)
}
