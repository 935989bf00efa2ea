//! Text to type from a repository's history: lines that commits added.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::Result;
use foretype::git;
use foretype_plugins::random::Random;

use super::args::Args;
use super::source_file::{MAX_FILE_LINES, SourceFile, choose_files, draw_runs, is_worth_typing};

/// Number of newest commits to draw from, as an argument of git.
const MAX_COMMITS: &str = "1000";
/// Commits that are drawn.
const MAX_DRAWN_COMMITS: usize = 40;

/// Files of random commits with the lines that these added, each file once.
pub(super) fn source_files(args: &Args, random: &mut Random) -> Result<Vec<SourceFile>> {
    let log = ["log", "--no-merges", "--format=%H", "-n", MAX_COMMITS, &args.revision, "--"];
    let list = git::output(&args.folder, &log)?;
    let mut commits: Vec<_> = list.lines().collect();
    random.shuffle(&mut commits);
    let mut files: Vec<SourceFile> = Vec::new();
    for commit in commits.into_iter().take(MAX_DRAWN_COMMITS) {
        let mut found = files_of_commit(args, commit, random)?;
        random.shuffle(&mut found);
        found.retain(|file| files.iter().all(|other| other.path != file.path));
        files.append(&mut found);
    }
    choose_files(files, args.files.into())
}

/// Commit that a revision names.
pub(super) fn resolve_commit(folder: &Path, revision: &str) -> Result<String> {
    let commit = git::output(folder, &["rev-parse", "--verify", "--short=12", &format!("{revision}^{{commit}}")])?;
    Ok(commit.trim().to_owned())
}

/// Files that a commit added lines to, as it left them, with runs of the added lines.
fn files_of_commit(args: &Args, commit: &str, random: &mut Random) -> Result<Vec<SourceFile>> {
    let folder = &args.folder;
    let run_lengths = args.run_length_range();
    let show = ["show", "--unified=0", "--format=", "--no-color", "--no-ext-diff", commit];
    let diff = git::output(folder, &show)?;
    let mut files = Vec::new();
    for (path, added) in added_runs(&diff, *run_lengths.start()) {
        if !args.accepts_path(&path) {
            continue;
        }
        let Ok(text) = git::output(folder, &["show", &format!("{commit}:{path}")]) else { continue };
        let lines: Vec<_> = text.lines().collect();
        let mut line_runs = Vec::new();
        for run in added {
            line_runs.extend(typable_runs(&lines, run, &run_lengths, random));
        }
        if line_runs.len() > 1 && lines.len() <= MAX_FILE_LINES && !text.contains('\r') {
            files.push(SourceFile { path, text, line_runs });
        }
    }
    Ok(files)
}

/// Runs to type of a run of added lines: all of it, or some parts if it is long. The first line of a file stays, so
/// that typing starts after a line.
fn typable_runs(
    lines: &[&str],
    (first, count): (usize, usize),
    run_lengths: &RangeInclusive<usize>,
    random: &mut Random,
) -> Vec<(usize, usize)> {
    let range = first.max(1)..(first + count).min(lines.len());
    if range.len() > *run_lengths.end() {
        return draw_runs(lines, range, run_lengths, random);
    }
    if lines.get(range.clone()).is_some_and(is_worth_typing) { vec![(range.start, range.len())] } else { Vec::new() }
}

/// Runs of at least `min_lines` added lines in a diff without context, by file: first line, from 0, and number of
/// lines.
fn added_runs(diff: &str, min_lines: usize) -> Vec<(String, Vec<(usize, usize)>)> {
    let mut files: Vec<(String, Vec<(usize, usize)>)> = Vec::new();
    for line in diff.lines() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            files.push((path.to_owned(), Vec::new()));
        } else if let Some((first, count)) = line.strip_prefix("@@ ").and_then(parse_hunk)
            && count >= min_lines
            && let Some((_, runs)) = files.last_mut()
        {
            runs.push((first, count));
        }
    }
    files
}

/// First added line, from 0, and number of added lines from the header `-a,b +first,count @@ ...`.
fn parse_hunk(header: &str) -> Option<(usize, usize)> {
    let new = header.split(' ').find_map(|word| word.strip_prefix('+'))?;
    let (first, count) = new.split_once(',').unwrap_or((new, "1"));
    Some((first.parse::<usize>().ok()?.checked_sub(1)?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_lines_are_found_in_a_diff() {
        let diff = "diff --git a/x.rs b/x.rs\n--- a/x.rs\n+++ b/x.rs\n@@ -1,0 +2,3 @@ fn x\n+a\n+b\n+c\n\
            @@ -9 +12 @@\n-q\n+r\n@@ -20,0 +30,40 @@\n+long\n--- a/y.rs\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-x\n";
        assert_eq!(added_runs(diff, 2), [("x.rs".to_owned(), vec![(1, 3), (29, 40)])]);
    }

    #[test]
    fn a_deleted_file_has_no_added_lines() {
        assert_eq!(parse_hunk("-1,3 +0,0 @@"), None);
        assert_eq!(parse_hunk("nonsense"), None);
    }
}
