//! `foretype bench trace`, and what a trace is: files with their starting text, and the keys that somebody presses in them.
//!
//! The keys of a [`TypingSegment`] spell its target: the text that stands there in the end. A key that a later backspace takes
//! back is a slip. The keys are what a person without suggestions would press; which of them suggestions save is found
//! out in the replay.

mod compose;
mod contents;
mod history;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use foretype_plugins::random::Random;
use serde::{Deserialize, Serialize};

/// Arguments of `foretype bench trace`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A git repository, or any folder of source text
    folder: PathBuf,
    /// Where to write the trace
    #[arg(long, short)]
    output: PathBuf,
    /// The same seed makes the same trace from the same folder
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is typed: lines that commits added, or lines of the files as they are
    #[arg(long, value_enum, default_value_t = TraceSource::History)]
    from: TraceSource,
    /// With `--from history`: the newest commit to take
    #[arg(long, default_value = "HEAD")]
    revision: String,
    /// How many files the typist switches between
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    files: u8,
    /// About how many keys to press; more where it takes more to type at a place of each file to its end
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u16).range(10..))]
    keys: u16,
    /// About how many lines to type at a place before going to another one
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(2..=24))]
    stay: u8,
    /// Only files with these ends of their names, for example `rs,lua`; all known languages when left out
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TraceSource {
    /// Lines that commits added, one after the other typed into the files as they were
    History,
    /// Lines of the files that lie in the folder now
    Contents,
}

/// A file as it is in the end, and the runs of lines in it that are to be typed.
#[derive(Debug, Clone, PartialEq)]
struct SourceFile {
    path: String,
    text: String,
    /// First line (from 0) and number of lines, in rising order, apart from each other.
    line_runs: Vec<(usize, usize)>,
}

/// Runs `foretype bench trace`.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut random = Random::new(args.seed);
    let pieces = match args.from {
        TraceSource::History => history::source_files(args, &mut random)?,
        TraceSource::Contents => contents::source_files(args, &mut random)?,
    };
    let about = args.command_line()?;
    let trace = compose::compose(about, &pieces, args.keys.into(), args.stay.into(), &mut random)?;
    std::fs::write(&args.output, trace.to_json()?).with_context(|| format!("cannot write {}", args.output.display()))?;
    println!("{}: {} keys in {} files", args.output.display(), trace.key_count(), trace.files.len());
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// The command that makes the same trace again, but for the folder and the output.
    fn command_line(&self) -> Result<String> {
        let source = match self.from {
            TraceSource::History => format!("history --revision {}", history::resolve_commit(&self.folder, &self.revision)?),
            TraceSource::Contents => "contents".to_owned(),
        };
        let only = if self.only.is_empty() { String::new() } else { format!(" --only {}", self.only.join(",")) };
        let Self { seed, files, keys, stay, .. } = self;
        Ok(format!(
            "foretype bench trace --from {source} --seed {seed} --files {files} --keys {keys} --stay {stay}{only}"
        ))
    }

    /// How many lines may be typed one below the other.
    fn run_length_range(&self) -> std::ops::RangeInclusive<usize> {
        let stay = usize::from(self.stay);
        (stay / 2).max(2)..=stay * 5 / 2
    }

    /// Whether a file may be typed into: of a known language, and of those that were asked for.
    fn accepts_path(&self, path: &str) -> bool {
        let known = foretype_plugins::Language::from_path(path) != foretype_plugins::Language::PlainText;
        let end = path.rsplit('.').next().unwrap_or_default();
        known && (self.only.is_empty() || self.only.iter().any(|only| only == end))
    }
}

/// So many pieces, of as many different languages as there are.
fn choose_files(pieces: Vec<SourceFile>, wanted: usize) -> Result<Vec<SourceFile>> {
    ensure!(pieces.len() >= wanted, "only {} files have lines to type, {wanted} were asked for", pieces.len());
    let end = |piece: &SourceFile| piece.path.rsplit('.').next().map(str::to_owned);
    let (mut first, mut more): (Vec<SourceFile>, Vec<SourceFile>) = (Vec::new(), Vec::new());
    for piece in pieces {
        let known = first.iter().any(|other| end(other) == end(&piece));
        if known { more.push(piece) } else { first.push(piece) }
    }
    first.append(&mut more);
    first.truncate(wanted);
    Ok(first)
}

/// Lines that a file may have: prompts of all systems then show about the same of it.
const MAX_FILE_LINES: usize = 300;
/// Runs of one file, or of one long piece that a commit added.
const MAX_RUNS_PER_FILE: usize = 4;

/// Some random runs of lines that are worth typing, within a range of lines and apart from each other, in rising order.
fn draw_runs(
    lines: &[&str],
    within: std::ops::Range<usize>,
    run: &std::ops::RangeInclusive<usize>,
    random: &mut Random,
) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    // Many draws fail: they overlap an earlier run or are not worth typing.
    for _ in 0..MAX_RUNS_PER_FILE * 10 {
        let count = run.start() + random.below(run.end() - run.start() + 1);
        let first = within.start + random.below((within.len() + 1).saturating_sub(count));
        let apart = runs.iter().all(|(other, length)| first > other + length || first + count < *other);
        let fits = first + count <= within.end && runs.len() < MAX_RUNS_PER_FILE && apart;
        if fits && lines.get(first..first + count).is_some_and(is_worth_typing) {
            runs.push((first, count));
        }
    }
    runs.sort_unstable();
    runs
}

/// Whether lines are worth typing: none is very long, few are blank, few are prose.
fn is_worth_typing(lines: &[&str]) -> bool {
    let is_prose = |line: &&&str| ["//", "#", "--", "*", "/*"].iter().any(|mark| line.trim().starts_with(mark));
    let prose = lines.iter().filter(is_prose).count();
    let blank = lines.iter().filter(|line| line.trim().is_empty()).count();
    let plain = lines.iter().all(|line| line.len() <= 80 && !line.contains('\u{8}'));
    let ends = lines.first().is_some_and(|line| !line.trim().is_empty());
    plain
        && ends
        && blank * 4 <= lines.len()
        && prose * 4 <= lines.len()
        && lines.iter().map(|line| line.trim().len()).sum::<usize>() >= 20
}
