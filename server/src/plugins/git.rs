//! The state of a workspace's git repository, queried in the background so that typing never waits for it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foretype_model::git::GitCommand;
use foretype_plugins::context::secrets;
use foretype_plugins::luau::GitStatus;
use parking_lot::{Condvar, Mutex};

/// Age at which a state is queried again.
const MAX_STATE_AGE: Duration = Duration::from_secs(3);
/// Time limit of one run of git.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of git's output that are read.
const MAX_OUTPUT_BYTES: u64 = 256 << 10;
/// Recently committed files that plugins get.
const MAX_RECENT_FILES: usize = 50;

/// Cache of the last state that git reported.
#[derive(Debug, Default)]
pub(super) struct GitStateCache {
    cached: Mutex<CachedGitState>,
    first_query_done: Condvar,
}

#[derive(Debug, Default)]
struct CachedGitState {
    queried_at: Option<Instant>,
    in_progress: bool,
    git: Option<Arc<GitStatus>>,
}

impl GitStateCache {
    /// Returns the last known state and starts a new query if it is old. Only the first query is waited for, for at
    /// most `patience`.
    pub(super) fn current(
        self: &Arc<Self>,
        patience: Duration,
        query: impl FnOnce() -> Option<GitStatus> + Send + 'static,
    ) -> Option<Arc<GitStatus>> {
        let mut cached = self.cached.lock();
        if !cached.in_progress && cached.queried_at.is_none_or(|at| at.elapsed() > MAX_STATE_AGE) {
            cached.in_progress = true;
            let cache = self.clone();
            std::thread::spawn(move || cache.store(query()));
        }
        let is_unknown = |cached: &mut CachedGitState| cached.queried_at.is_none();
        self.first_query_done.wait_while_for(&mut cached, is_unknown, patience);
        cached.git.clone()
    }

    fn store(&self, git: Option<GitStatus>) {
        let state = CachedGitState { queried_at: Some(Instant::now()), in_progress: false, git: git.map(Arc::new) };
        *self.cached.lock() = state;
        self.first_query_done.notify_all();
    }
}

/// Queries git about a folder; `may_be_read` decides which paths, relative to the folder, plugins may learn of. `None`
/// outside a repository.
pub(super) fn query(folder: &Path, may_be_read: impl Fn(&str) -> bool) -> Option<GitStatus> {
    let git = GitCommand::new(folder).time_limit(TIME_LIMIT).max_output_bytes(MAX_OUTPUT_BYTES);
    let branch = git.run_head(&["branch", "--show-current"]).ok()?;
    let staged = git.run_head(&["diff", "--cached", "--relative"]).unwrap_or_default();
    // A repository without a commit has no log.
    let log = ["log", "-n", "20", "--name-only", "--format=", "--relative"];
    let recent = git.run_head(&log).unwrap_or_default();
    let branch = branch.trim();
    Some(GitStatus {
        branch: if branch.is_empty() { None } else { Some(branch.to_owned()) },
        staged: files(&staged).filter(|(path, text)| may_be_read(path) && !secrets::contains_secret(text)).collect(),
        recent_files: distinct(recent.lines()).filter(|path| may_be_read(path)).take(MAX_RECENT_FILES).collect(),
    })
}

fn distinct<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let mut seen = HashSet::new();
    lines.filter(move |line| !line.is_empty() && seen.insert(line.to_owned())).map(str::to_owned)
}

/// Splits a diff into files with their hunks. Files whose path the diff does not name are left out.
fn files(diff: &str) -> impl Iterator<Item = (String, String)> {
    let marked = format!("\n{diff}");
    let pieces: Vec<_> = marked.split("\ndiff --git ").skip(1).filter_map(file).collect();
    pieces.into_iter()
}

fn file(piece: &str) -> Option<(String, String)> {
    let (head, hunks) = piece.split_once("\n@@ ")?;
    let path = |mark: &str| head.lines().find_map(|line| line.strip_prefix(mark));
    let path = path("+++ b/").or_else(|| path("--- a/"))?;
    Some((path.trim_end_matches('\t').to_owned(), format!("@@ {hunks}\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_split_by_file() {
        let diff = "diff --git a/a.py b/a.py\nindex 1..2 100644\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n\
                    diff --git a/b b/b\nsimilarity index 100%\n\
                    diff --git a/c.py b/c.py\ndeleted file\n--- a/c.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-z\n";
        let found: Vec<_> = files(diff).collect();
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        assert_eq!(found[0], file("a.py", "@@ -1 +1 @@\n-x\n+y\n"));
        assert_eq!((found[1].0.as_str(), found.len()), ("c.py", 2));
    }

    #[test]
    fn only_the_first_query_is_waited_for_and_never_longer_than_the_patience() {
        let cache = Arc::new(GitStateCache::default());
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let slow = move || {
            wait.recv().ok()?;
            Some(GitStatus::default())
        };
        assert_eq!(cache.current(Duration::from_millis(1), slow), None);
        assert_eq!(cache.current(Duration::from_millis(1), || unreachable!("it is being asked")), None);
        go.send(()).expect("it waits");
        assert!(cache.current(Duration::from_secs(60), || unreachable!("it was asked")).is_some());
    }
}
