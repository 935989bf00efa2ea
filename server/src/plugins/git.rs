//! What git says of a workspace, asked in the background: nobody who types waits for it.
//!
//! The program is run so that it starts no other program that the repository names (hooks, monitors, filters, pagers), within
//! limits of time and output.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foretype_plugins::context::secrets;
use foretype_plugins::luau::Git;

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(3);
/// How long one run of the program may take.
const LIMIT: Duration = Duration::from_secs(2);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(2);
/// Bytes of its output that are read.
const OUTPUT: u64 = 256 << 10;
/// Files of the last commits.
const RECENT: usize = 50;

/// What git said last.
#[derive(Debug, Default)]
pub(super) struct Facts {
    state: Mutex<State>,
    known: Condvar,
}

#[derive(Debug, Default)]
struct State {
    at: Option<Instant>,
    asking: bool,
    git: Option<Arc<Git>>,
}

impl Facts {
    /// What is known now. What is old is asked for again; the first time that is waited for, so long.
    pub(super) fn now(
        self: &Arc<Self>,
        patience: Duration,
        ask: impl FnOnce() -> Option<Git> + Send + 'static,
    ) -> Option<Arc<Git>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.asking && state.at.is_none_or(|at| at.elapsed() > FRESH) {
            state.asking = true;
            let facts = self.clone();
            std::thread::spawn(move || facts.answer(ask()));
        }
        let unknown = |state: &mut State| state.at.is_none();
        let waited = self.known.wait_timeout_while(state, patience, unknown);
        waited.unwrap_or_else(PoisonError::into_inner).0.git.clone()
    }

    fn answer(&self, git: Option<Git>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { at: Some(Instant::now()), asking: false, git: git.map(Arc::new) };
        self.known.notify_all();
    }
}

/// Asks git about a folder; `may_be_read` says of paths relative to it which may be told.
pub(super) fn ask(folder: &Path, may_be_read: impl Fn(&str) -> bool) -> Option<Git> {
    let branch = run(folder, &["branch", "--show-current"])?;
    let diff = ["diff", "--cached", "--relative", "--no-color", "--no-ext-diff", "--no-textconv"];
    let staged = run(folder, &diff).unwrap_or_default();
    let log = ["log", "-n", "20", "--name-only", "--format=", "--relative", "--no-show-signature"];
    // A repository without a commit has no log.
    let recent = run(folder, &log).unwrap_or_default();
    let branch = branch.trim().to_owned();
    Some(Git {
        branch: (!branch.is_empty()).then_some(branch),
        staged: files(&staged).filter(|(path, text)| may_be_read(path) && !secrets::in_text(text)).collect(),
        recent: distinct(recent.lines()).filter(|path| may_be_read(path)).take(RECENT).collect(),
    })
}

fn distinct<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let mut seen = HashSet::new();
    lines.filter(move |line| !line.is_empty() && seen.insert(line.to_owned())).map(str::to_owned)
}

/// The files of a diff with their hunks; without those whose path cannot be read off it.
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

/// What git prints; `None` if it fails, takes too long or is not there.
fn run(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).arg("--no-pager");
    for setting in
        ["core.fsmonitor=false", "core.hooksPath=/dev/null", "core.quotePath=false", "diff.mnemonicPrefix=false"]
    {
        command.args(["-c", setting]);
    }
    command.args(["-c", "diff.noprefix=false"]).args(arguments).env("GIT_OPTIONAL_LOCKS", "0");
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    within_limits(child.ok()?)
}

fn within_limits(mut child: Child) -> Option<String> {
    let output = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before a failure is whole up to there, and a failure ends the program too.
        let _ = output.take(OUTPUT).read_to_end(&mut bytes);
        bytes
    });
    let started = Instant::now();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break Some(status),
            None if started.elapsed() < LIMIT => std::thread::sleep(LOOK),
            None => break None,
        }
    };
    if status.is_none() {
        // It may have ended just now.
        let _ = child.kill();
        let _ = child.wait();
    }
    let bytes = reader.join().ok()?;
    let whole = status.is_some_and(|status| status.success()) || bytes.len() as u64 == OUTPUT;
    whole.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_taken_apart_by_file() {
        let diff = "diff --git a/a.py b/a.py\nindex 1..2 100644\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n\
                    diff --git a/b b/b\nsimilarity index 100%\n\
                    diff --git a/c.py b/c.py\ndeleted file\n--- a/c.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-z\n";
        let found: Vec<_> = files(diff).collect();
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        assert_eq!(found[0], file("a.py", "@@ -1 +1 @@\n-x\n+y\n"));
        assert_eq!((found[1].0.as_str(), found.len()), ("c.py", 2));
    }

    #[test]
    fn what_is_asked_for_is_waited_for_once_and_never_longer_than_the_patience() {
        let facts = Arc::new(Facts::default());
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let slow = move || {
            wait.recv().ok()?;
            Some(Git::default())
        };
        assert_eq!(facts.now(Duration::from_millis(1), slow), None);
        assert_eq!(facts.now(Duration::from_millis(1), || unreachable!("it is being asked")), None);
        go.send(()).expect("it waits");
        assert!(facts.now(Duration::from_secs(60), || unreachable!("it was asked")).is_some());
    }
}
