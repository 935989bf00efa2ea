//! Lines of the files that lie in a folder, where there is no history.

use std::ops::RangeInclusive;

use anyhow::Result;
use foretype_plugins::context::secrets;
use foretype_plugins::random::Random;

use super::{Args, MAX_FILE_LINES, SourceFile, choose_files, draw_runs};

/// Files that are looked at.
const MAX_DRAWN_FILES: usize = 60;

/// Random files with random runs of their lines. What git ignores, hidden files and files with secrets are left out.
pub(super) fn source_files(args: &Args, random: &mut Random) -> Result<Vec<SourceFile>> {
    let mut paths = Vec::new();
    for entry in ignore::WalkBuilder::new(&args.folder).build().flatten() {
        let path = entry.path().strip_prefix(&args.folder).unwrap_or(entry.path());
        let path = path.to_string_lossy().replace('\\', "/");
        if entry.file_type().is_some_and(|kind| kind.is_file()) && args.accepts_path(&path) && !secrets::in_path(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    random.shuffle(&mut paths);
    let pieces = paths.into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(args.folder.join(&path)).ok()?;
        source_file(path, text, &args.run_length_range(), random)
    });
    choose_files(pieces.take(MAX_DRAWN_FILES).collect(), args.files.into())
}

/// The file with some runs, if there are any to type.
fn source_file(path: String, text: String, run: &RangeInclusive<usize>, random: &mut Random) -> Option<SourceFile> {
    let lines: Vec<_> = text.lines().collect();
    if !(20..=MAX_FILE_LINES).contains(&lines.len()) || text.contains('\r') || secrets::in_text(&text) {
        return None;
    }
    let runs = draw_runs(&lines, 1..lines.len(), run, random);
    (runs.len() > 1).then_some(SourceFile { path, text, line_runs: runs })
}
