//! Lines that commits added, found by the git program.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::Result;
use foretype::git;
use foretype_plugins::random::Random;

use super::{Args, MAX_FILE_LINES, SourceFile, choose_files, draw_runs, is_worth_typing};

/// Commits that are looked at.
const MAX_COMMITS: &str = "1000";
/// Of these, so many are drawn.
const MAX_DRAWN_COMMITS: usize = 40;

/// Files of random commits with the lines that those added, each file once.
pub(super) fn source_files(args: &Args, random: &mut Random) -> Result<Vec<SourceFile>> {
    let list = git::output(&args.folder, &["log", "--no-merges", "--format=%H", "-n", MAX_COMMITS, &args.revision, "--"])?;
    let mut commits: Vec<_> = list.lines().collect();
    random.shuffle(&mut commits);
    let mut pieces: Vec<SourceFile> = Vec::new();
    for commit in commits.into_iter().take(MAX_DRAWN_COMMITS) {
        let mut found = files_of_commit(args, commit, random)?;
        random.shuffle(&mut found);
        found.retain(|piece| pieces.iter().all(|other| other.path != piece.path));
        pieces.append(&mut found);
    }
    choose_files(pieces, args.files.into())
}

/// The commit that a revision names.
pub(super) fn resolve_commit(folder: &Path, revision: &str) -> Result<String> {
    let named = git::output(folder, &["rev-parse", "--verify", "--short=12", &format!("{revision}^{{commit}}")])?;
    Ok(named.trim().to_owned())
}

/// What one commit added to each file, with the file as the commit left it.
fn files_of_commit(args: &Args, commit: &str, random: &mut Random) -> Result<Vec<SourceFile>> {
    let folder = &args.folder;
    let difference = git::output(folder, &["show", "--unified=0", "--format=", "--no-color", "--no-ext-diff", commit])?;
    let mut pieces = Vec::new();
    for (path, runs) in added_runs(&difference, *args.run_length_range().start()) {
        if !args.accepts_path(&path) {
            continue;
        }
        let Ok(text) = git::output(folder, &["show", &format!("{commit}:{path}")]) else { continue };
        let lines: Vec<_> = text.lines().collect();
        let runs: Vec<_> = runs.into_iter().flat_map(|run| typable_runs(&lines, run, &args.run_length_range(), random)).collect();
        if runs.len() > 1 && lines.len() <= MAX_FILE_LINES && !text.contains('\r') {
            pieces.push(SourceFile { path, text, line_runs: runs });
        }
    }
    Ok(pieces)
}

/// Of a run of added lines what is to be typed: all of it, or some pieces of a long one. A file's first line stays, so
/// that there is a line to begin after.
fn typable_runs(
    lines: &[&str],
    (first, count): (usize, usize),
    run: &RangeInclusive<usize>,
    random: &mut Random,
) -> Vec<(usize, usize)> {
    let range = first.max(1)..(first + count).min(lines.len());
    match range.len() {
        length if length > *run.end() => draw_runs(lines, range, run, random),
        length if lines.get(range.clone()).is_some_and(is_worth_typing) => vec![(range.start, length)],
        _ => Vec::new(),
    }
}

/// The runs of at least so many added lines of each file in a difference without context: first line from 0, and how many.
fn added_runs(difference: &str, least: usize) -> Vec<(String, Vec<(usize, usize)>)> {
    let mut files: Vec<(String, Vec<(usize, usize)>)> = Vec::new();
    for line in difference.lines() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            files.push((path.to_owned(), Vec::new()));
        } else if let Some((first, count)) = line.strip_prefix("@@ ").and_then(parse_hunk)
            && count >= least
            && let Some((_, runs)) = files.last_mut()
        {
            runs.push((first, count));
        }
    }
    files
}

/// Of `-a,b +first,count @@ ...`: the first added line from 0, and how many.
fn parse_hunk(header: &str) -> Option<(usize, usize)> {
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
        assert_eq!(added_runs(difference, 2), [("x.rs".to_owned(), vec![(1, 3), (29, 40)])]);
    }

    #[test]
    fn a_file_that_was_deleted_gives_nothing() {
        assert_eq!(parse_hunk("-1,3 +0,0 @@"), None);
        assert_eq!(parse_hunk("nonsense"), None);
    }
}
