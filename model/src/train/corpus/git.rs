//! Files that git tracks in a folder, and the times of their last commits.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use super::error::CorpusError;
use crate::git::{GitCommand, GitError};

/// Time limit of a git command: reading a history of a million commits takes minutes.
const TIME_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Lists the files in a folder that git tracks: relative to the folder, sorted.
///
/// # Errors
/// If git cannot be run or fails.
pub(super) fn tracked_files(folder: &Path) -> Result<Vec<String>, CorpusError> {
    let list = |output: &mut dyn BufRead| {
        let names = output.split(0).map(|name| Ok(String::from_utf8_lossy(&name?).into_owned()));
        names.collect::<std::io::Result<Vec<_>>>()
    };
    let listed = command(folder).stream(&["ls-files", "-z"], list);
    let mut paths = listed.map_err(|error| corpus_error(folder, error))?;
    paths.sort_unstable();
    // A path in conflict is listed once for each side.
    paths.dedup();
    Ok(paths)
}

/// Finds the time at which a commit last touched each of these paths, in Unix seconds, in one pass over the history
/// that ends as soon as all are known. A path that was never committed is missing.
///
/// # Errors
/// If git cannot be run or fails.
pub(super) fn commit_times(folder: &Path, paths: &[String]) -> Result<HashMap<String, i64>, CorpusError> {
    match command(folder).run(&["rev-parse", "--verify", "--quiet", "HEAD"]) {
        Ok(_) => {}
        // A repository without a commit.
        Err(GitError::Failed(_)) => return Ok(HashMap::new()),
        Err(error) => return Err(corpus_error(folder, error)),
    }
    // A `/` before the time tells it from a path: paths are relative.
    let log = ["log", "-z", "--format=/%ct", "--name-only", "--no-renames", "-c", "--relative", "HEAD", "--"];
    let mut remaining: HashSet<&str> = paths.iter().map(String::as_str).collect();
    let times = command(folder).stream(&log, |output| first_times(output, &mut remaining));
    times.map_err(|error| corpus_error(folder, error))
}

/// Reads times and the paths below them. The newest commit comes first, so the first time of a path is the one wanted.
fn first_times(log: &mut dyn BufRead, remaining: &mut HashSet<&str>) -> std::io::Result<HashMap<String, i64>> {
    let mut times = HashMap::new();
    let mut time = None;
    for field in log.split(0) {
        let field = String::from_utf8_lossy(&field?).into_owned();
        if let Some(seconds) = field.strip_prefix('/') {
            time = seconds.parse().ok();
            continue;
        }
        // The first path of a commit comes after an empty line.
        let path = field.strip_prefix('\n').unwrap_or(&field);
        if let Some(time) = time
            && remaining.remove(path)
        {
            times.insert(path.to_owned(), time);
        }
        if remaining.is_empty() {
            break;
        }
    }
    Ok(times)
}

fn command(folder: &Path) -> GitCommand {
    GitCommand::new(folder).time_limit(TIME_LIMIT)
}

fn corpus_error(folder: &Path, error: GitError) -> CorpusError {
    let folder = folder.to_owned();
    match error {
        GitError::Start(source) => CorpusError::NoGit { folder, source },
        GitError::Failed(message) => CorpusError::Git { folder, message },
        error => CorpusError::Git { folder, message: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_commit_time_of_each_path_is_read() {
        let log = "/30\0\nb\0/20\0\0a\0b\0/10\0\na\0c\0/5\0\nc\0";
        let mut remaining = HashSet::from(["a", "b"]);
        let times = first_times(&mut log.as_bytes(), &mut remaining).expect("it can be read");
        assert_eq!(times, HashMap::from([("a".to_owned(), 20), ("b".to_owned(), 30)]));
        assert!(remaining.is_empty());
    }

    #[test]
    fn a_path_of_digits_is_not_a_time() {
        let mut remaining = HashSet::from(["17", "new"]);
        let times = first_times(&mut "/9\0\n17\0".as_bytes(), &mut remaining).expect("it can be read");
        assert_eq!((times["17"], remaining.len()), (9, 1));
    }
}
