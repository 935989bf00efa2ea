//! Source files with runs of lines that are worth typing.

use std::ops::{Range, RangeInclusive};

use anyhow::{Result, ensure};
use foretype_plugins::random::Random;

/// Line limit of a file. Small files keep the prompts of all systems comparable.
pub(super) const MAX_FILE_LINES: usize = 300;
/// Limit for the runs of one file, or of one long run that a commit added.
const MAX_RUNS_PER_FILE: usize = 4;
/// Random draws per run. Many of them fail: they overlap an earlier run or are not worth typing.
const DRAWS_PER_RUN: usize = 10;
/// Length of the longest line that is worth typing.
const MAX_LINE_BYTES: usize = 80;
/// Total length, without indentation, of the shortest run that is worth typing.
const MIN_RUN_BYTES: usize = 20;

/// A file in its final state, and the runs of its lines that are to be typed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SourceFile {
    pub(super) path: String,
    pub(super) text: String,
    /// First line, from 0, and number of lines. Runs are in ascending order and do not touch.
    pub(super) line_runs: Vec<(usize, usize)>,
}

/// Chooses `count` files of as many different languages as possible.
///
/// # Errors
/// If there are fewer files.
pub(super) fn choose_files(files: Vec<SourceFile>, count: usize) -> Result<Vec<SourceFile>> {
    ensure!(files.len() >= count, "only {} files have lines to type, but --files needs {count}", files.len());
    let extension = |file: &SourceFile| file.path.rsplit('.').next().map(str::to_owned);
    let (mut first_of_language, mut others): (Vec<SourceFile>, Vec<SourceFile>) = (Vec::new(), Vec::new());
    for file in files {
        if first_of_language.iter().any(|other| extension(other) == extension(&file)) {
            others.push(file);
        } else {
            first_of_language.push(file);
        }
    }
    let mut chosen = first_of_language;
    chosen.append(&mut others);
    chosen.truncate(count);
    Ok(chosen)
}

/// Draws random runs of lines that are worth typing, inside `within` and apart from each other, in ascending order.
pub(super) fn draw_runs(
    lines: &[&str],
    within: Range<usize>,
    run_lengths: &RangeInclusive<usize>,
    random: &mut Random,
) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for _ in 0..MAX_RUNS_PER_FILE * DRAWS_PER_RUN {
        let count = run_lengths.start() + random.below(run_lengths.end() - run_lengths.start() + 1);
        let first = within.start + random.below((within.len() + 1).saturating_sub(count));
        let is_apart = runs.iter().all(|(other, length)| first > other + length || first + count < *other);
        let fits = first + count <= within.end && runs.len() < MAX_RUNS_PER_FILE && is_apart;
        if fits && lines.get(first..first + count).is_some_and(is_worth_typing) {
            runs.push((first, count));
        }
    }
    runs.sort_unstable();
    runs
}

/// Returns true if no line is very long, few are blank, few are prose and there is something to type.
pub(super) fn is_worth_typing(lines: &[&str]) -> bool {
    let is_prose = |line: &&&str| ["//", "#", "--", "*", "/*"].iter().any(|mark| line.trim().starts_with(mark));
    let prose = lines.iter().filter(is_prose).count();
    let blank = lines.iter().filter(|line| line.trim().is_empty()).count();
    let is_typable = lines.iter().all(|line| line.len() <= MAX_LINE_BYTES && !line.contains('\u{8}'));
    let starts_with_text = lines.first().is_some_and(|line| !line.trim().is_empty());
    is_typable
        && starts_with_text
        && blank * 4 <= lines.len()
        && prose * 4 <= lines.len()
        && lines.iter().map(|line| line.trim().len()).sum::<usize>() >= MIN_RUN_BYTES
}
