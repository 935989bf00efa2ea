//! What git knows of a folder, asked of the program `git`.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::error::CorpusError;

/// Variables that would make git look at another repository; a hook that starts a training sets them.
const ELSEWHERE: [&str; 4] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"];

/// The files in a folder that git tracks: relative to the folder, sorted.
pub(super) fn tracked(folder: &Path) -> Result<Vec<String>, CorpusError> {
    let output = git(folder, &["ls-files", "-z"]).output().map_err(|e| missing(folder, e))?;
    if !output.status.success() {
        return Err(failed(folder, String::from_utf8_lossy(&output.stderr).trim()));
    }
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut paths: Vec<_> = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    paths.sort_unstable();
    // A path in conflict stands there once for each side.
    paths.dedup();
    Ok(paths)
}

/// When a commit last touched each of these paths, in Unix seconds, from one pass over the history that ends as soon as all
/// are known. A path that was never committed is missing.
pub(super) fn commit_times(folder: &Path, paths: &[String]) -> Result<HashMap<String, i64>, CorpusError> {
    let head = git(folder, &["rev-parse", "--verify", "--quiet", "HEAD"]).stdout(Stdio::null()).status();
    if !head.map_err(|e| missing(folder, e))?.success() {
        return Ok(HashMap::new());
    }
    // A `/` before the time tells it from a path: those are relative.
    let format = ["log", "-z", "--format=/%ct", "--name-only", "--no-renames", "--no-show-signature"];
    let mut log = git(folder, &format);
    log.args(["-c", "--relative", "HEAD", "--"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = log.spawn().map_err(|e| missing(folder, e))?;
    let mut wanted: HashSet<&str> = paths.iter().map(String::as_str).collect();
    let times = match child.stdout.take() {
        Some(output) => first_times(BufReader::new(output), &mut wanted),
        None => Ok(HashMap::new()),
    };
    finish(&mut child, wanted.is_empty() && times.is_ok())
        .and(times)
        .map_err(|error| failed(folder, &format!("the history cannot be read ({error}); see what `git log` says")))
}

/// Reads times and the paths below them. The newest commit comes first, so the first time of a path is the one wanted.
fn first_times(log: impl BufRead, wanted: &mut HashSet<&str>) -> std::io::Result<HashMap<String, i64>> {
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
            && wanted.remove(path)
        {
            times.insert(path.to_owned(), time);
        }
        if wanted.is_empty() {
            break;
        }
    }
    Ok(times)
}

/// Ends a process that has said enough, or waits for one that has said all.
fn finish(child: &mut Child, enough: bool) -> std::io::Result<()> {
    if enough {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait()?;
    if enough || status.success() { Ok(()) } else { Err(std::io::Error::other(status.to_string())) }
}

fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "core.quotePath=false"]).args(arguments);
    command.stdin(Stdio::null());
    for name in ELSEWHERE {
        command.env_remove(name);
    }
    command
}

fn missing(folder: &Path, source: std::io::Error) -> CorpusError {
    CorpusError::NoGit { folder: folder.to_owned(), source }
}

fn failed(folder: &Path, message: &str) -> CorpusError {
    CorpusError::Git { folder: folder.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_of_a_path_counts_and_reading_stops_when_all_are_known() {
        let log = "/30\0\nb\0/20\0\0a\0b\0/10\0\na\0c\0/5\0\nc\0";
        let mut wanted = HashSet::from(["a", "b"]);
        let times = first_times(log.as_bytes(), &mut wanted).expect("it can be read");
        assert_eq!(times, HashMap::from([("a".to_owned(), 20), ("b".to_owned(), 30)]));
        assert!(wanted.is_empty());
    }

    #[test]
    fn a_path_of_digits_is_no_time() {
        let mut wanted = HashSet::from(["17", "new"]);
        let times = first_times("/9\0\n17\0".as_bytes(), &mut wanted).expect("it can be read");
        assert_eq!((times["17"], wanted.len()), (9, 1));
    }
}
