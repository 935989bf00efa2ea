//! Text to type from the current files of a folder, which needs no history.

use std::ops::RangeInclusive;

use anyhow::Result;
use foretype_plugins::context::secrets;
use foretype_plugins::random::Random;

use super::args::Args;
use super::source_file::{MAX_FILE_LINES, SourceFile, choose_files, draw_runs};

/// Files that are drawn before the choice.
const MAX_DRAWN_FILES: usize = 60;
/// Lines of the smallest file that is used.
const MIN_FILE_LINES: usize = 20;

/// Random files with random runs of their lines, without hidden files, files that git ignores, and files with secrets.
pub(super) fn source_files(args: &Args, random: &mut Random) -> Result<Vec<SourceFile>> {
    let mut paths = Vec::new();
    for entry in ignore::WalkBuilder::new(&args.folder).build().flatten() {
        let path = entry.path().strip_prefix(&args.folder).unwrap_or(entry.path());
        let path = path.to_string_lossy().replace('\\', "/");
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if is_file && args.accepts_path(&path) && !secrets::is_secret_path(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    random.shuffle(&mut paths);
    let drawn = paths.into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(args.folder.join(&path)).ok()?;
        source_file(path, text, &args.run_length_range(), random)
    });
    choose_files(drawn.take(MAX_DRAWN_FILES).collect(), args.files.into())
}

/// The file with some runs, or `None` if it has too few to type.
fn source_file(
    path: String,
    text: String,
    run_lengths: &RangeInclusive<usize>,
    random: &mut Random,
) -> Option<SourceFile> {
    let lines: Vec<_> = text.lines().collect();
    let has_good_size = (MIN_FILE_LINES..=MAX_FILE_LINES).contains(&lines.len());
    if !has_good_size || text.contains('\r') || secrets::contains_secret(&text) {
        return None;
    }
    let line_runs = draw_runs(&lines, 1..lines.len(), run_lengths, random);
    if line_runs.len() > 1 { Some(SourceFile { path, text, line_runs }) } else { None }
}
