//! Lines of the files that lie in a folder, where there is no history.

use std::ops::RangeInclusive;

use anyhow::Result;
use foretype_plugins::context::secrets;
use foretype_plugins::random::Random;

use super::{Args, MOST_LINES, Piece, choose, draw};

/// Files that are looked at.
const DRAWN: usize = 60;

/// Random files with random runs of their lines. What git ignores, hidden files and files with secrets are left out.
pub(super) fn pieces(args: &Args, random: &mut Random) -> Result<Vec<Piece>> {
    let mut paths = Vec::new();
    for entry in ignore::WalkBuilder::new(&args.folder).build().flatten() {
        let path = entry.path().strip_prefix(&args.folder).unwrap_or(entry.path());
        let path = path.to_string_lossy().replace('\\', "/");
        if entry.file_type().is_some_and(|kind| kind.is_file()) && args.takes(&path) && !secrets::in_path(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    random.shuffle(&mut paths);
    let pieces = paths.into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(args.folder.join(&path)).ok()?;
        piece(path, text, &args.run(), random)
    });
    choose(pieces.take(DRAWN).collect(), args.files.into())
}

/// The file with some runs, if there are any to type.
fn piece(path: String, text: String, run: &RangeInclusive<usize>, random: &mut Random) -> Option<Piece> {
    let lines: Vec<_> = text.lines().collect();
    if !(20..=MOST_LINES).contains(&lines.len()) || text.contains('\r') || secrets::in_text(&text) {
        return None;
    }
    let runs = draw(&lines, 1..lines.len(), run, random);
    (runs.len() > 1).then_some(Piece { path, text, runs })
}
