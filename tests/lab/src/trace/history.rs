//! Lines that commits added, found by the git program.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::Result;
use foretype_plugins::random::Random;

use super::{Args, MOST_LINES, Piece, choose, draw, typable};
use crate::cli::git::git;

/// Commits that are looked at.
const COMMITS: &str = "1000";
/// Of these, so many are drawn.
const DRAWN: usize = 40;

/// Files of random commits with the lines that those added, each file once.
pub(super) fn pieces(args: &Args, random: &mut Random) -> Result<Vec<Piece>> {
    let list = git(&args.folder, &["log", "--no-merges", "--format=%H", "-n", COMMITS, &args.revision, "--"])?;
    let mut commits: Vec<_> = list.lines().collect();
    random.shuffle(&mut commits);
    let mut pieces: Vec<Piece> = Vec::new();
    for commit in commits.into_iter().take(DRAWN) {
        let mut found = of_commit(args, commit, random)?;
        random.shuffle(&mut found);
        found.retain(|piece| pieces.iter().all(|other| other.path != piece.path));
        pieces.append(&mut found);
    }
    choose(pieces, args.files.into())
}

/// The commit that a revision names.
pub(super) fn commit(folder: &Path, revision: &str) -> Result<String> {
    let named = git(folder, &["rev-parse", "--verify", "--short=12", &format!("{revision}^{{commit}}")])?;
    Ok(named.trim().to_owned())
}

/// What one commit added to each file, with the file as the commit left it.
fn of_commit(args: &Args, commit: &str, random: &mut Random) -> Result<Vec<Piece>> {
    let folder = &args.folder;
    let difference = git(folder, &["show", "--unified=0", "--format=", "--no-color", "--no-ext-diff", commit])?;
    let mut pieces = Vec::new();
    for (path, runs) in added(&difference, *args.run().start()) {
        if !args.takes(&path) {
            continue;
        }
        let Ok(text) = git(folder, &["show", &format!("{commit}:{path}")]) else { continue };
        let lines: Vec<_> = text.lines().collect();
        let runs: Vec<_> = runs.into_iter().flat_map(|run| within(&lines, run, &args.run(), random)).collect();
        if runs.len() > 1 && lines.len() <= MOST_LINES && !text.contains('\r') {
            pieces.push(Piece { path, text, runs });
        }
    }
    Ok(pieces)
}

/// Of a run of added lines what is to be typed: all of it, or some pieces of a long one. A file's first line stays, so
/// that there is a line to begin after.
fn within(
    lines: &[&str],
    (first, count): (usize, usize),
    run: &RangeInclusive<usize>,
    random: &mut Random,
) -> Vec<(usize, usize)> {
    let range = first.max(1)..(first + count).min(lines.len());
    match range.len() {
        length if length > *run.end() => draw(lines, range, run, random),
        length if lines.get(range.clone()).is_some_and(typable) => vec![(range.start, length)],
        _ => Vec::new(),
    }
}

/// The runs of at least so many added lines of each file in a difference without context: first line from 0, and how many.
fn added(difference: &str, least: usize) -> Vec<(String, Vec<(usize, usize)>)> {
    let mut files: Vec<(String, Vec<(usize, usize)>)> = Vec::new();
    for line in difference.lines() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            files.push((path.to_owned(), Vec::new()));
        } else if let Some((first, count)) = line.strip_prefix("@@ ").and_then(hunk)
            && count >= least
            && let Some((_, runs)) = files.last_mut()
        {
            runs.push((first, count));
        }
    }
    files
}

/// Of `-a,b +first,count @@ ...`: the first added line from 0, and how many.
fn hunk(header: &str) -> Option<(usize, usize)> {
    let new = header.split(' ').find_map(|word| word.strip_prefix('+'))?;
    let (first, count) = new.split_once(',').unwrap_or((new, "1"));
    Some((first.parse::<usize>().ok()?.checked_sub(1)?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_lines_are_found_in_a_difference() {
        let difference = "diff --git a/x.rs b/x.rs\n--- a/x.rs\n+++ b/x.rs\n@@ -1,0 +2,3 @@ fn x\n+a\n+b\n+c\n\
            @@ -9 +12 @@\n-q\n+r\n@@ -20,0 +30,40 @@\n+long\n--- a/y.rs\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-x\n";
        assert_eq!(added(difference, 2), [("x.rs".to_owned(), vec![(1, 3), (29, 40)])]);
    }

    #[test]
    fn a_file_that_was_deleted_gives_nothing() {
        assert_eq!(hunk("-1,3 +0,0 @@"), None);
        assert_eq!(hunk("nonsense"), None);
    }
}
