//! Workspace access of plugins: only files that may enter a prompt.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foretype_plugins::context::secrets;
use foretype_plugins::luau::{GitStatus, WorkspaceAccess};
use foretype_plugins::tasks::ask::{SearchHit, search_terms};
use ignore::overrides::OverrideBuilder;
use parking_lot::Mutex;

use super::git::{self, GitStateCache};
use crate::config::Config;
use crate::search::SearchResult;
use crate::source_text;
use crate::workspace::{Workspace, Workspaces};

/// Bytes of a file that may be read. Larger files are generated.
const MAX_FILE_BYTES: u64 = 512 << 10;
/// Age at which the list of all files is refreshed.
const MAX_LIST_AGE: Duration = Duration::from_secs(5);
/// Time limit for listing all files. Files beyond it are left out.
const LIST_TIME_LIMIT: Duration = Duration::from_millis(50);

/// Readable files of a workspace.
#[derive(Debug)]
pub(super) struct WorkspaceFiles {
    workspace: Option<Arc<Workspace>>,
    file_list: Mutex<Option<(Instant, Arc<Vec<String>>)>>,
    git: Arc<GitStateCache>,
}

impl WorkspaceFiles {
    /// Returns the files of the workspace at `root`; none without a root.
    pub(super) fn new(root: Option<&Path>, config: &Config) -> Self {
        Self::in_workspace(root.map(|root| Workspaces::default().open(root, config)))
    }

    /// Returns the files of a workspace; none without one.
    pub(super) fn in_workspace(workspace: Option<Arc<Workspace>>) -> Self {
        Self { workspace, file_list: Mutex::default(), git: Arc::default() }
    }

    /// Returns the workspace, if there is one.
    pub(super) fn workspace(&self) -> Option<&Workspace> {
        self.workspace.as_deref()
    }

    /// Returns the absolute path of a file if it may be read: it lies in the workspace, also after following links, and
    /// is neither hidden, ignored, secret nor too large.
    fn readable_path(&self, path: &str) -> Option<PathBuf> {
        let workspace = self.workspace.as_ref()?;
        if !Path::new(path).components().all(is_visible_component) {
            return None;
        }
        let full = workspace.root.join(path);
        let real = full.canonicalize().ok()?;
        if !real.starts_with(workspace.root.canonicalize().ok()?) || workspace.excludes(&full) {
            return None;
        }
        let metadata = real.metadata().ok()?;
        let is_readable = metadata.is_file() && metadata.len() <= MAX_FILE_BYTES;
        if is_readable && !secrets::is_secret_path(&real.to_string_lossy()) { Some(full) } else { None }
    }

    /// Returns the paths of all files that may be read, relative to the workspace.
    fn list(&self) -> Arc<Vec<String>> {
        let mut cached = self.file_list.lock();
        if let Some((at, files)) = &*cached
            && at.elapsed() < MAX_LIST_AGE
        {
            return files.clone();
        }
        let started = Instant::now();
        let mut files: Vec<_> = self
            .workspace
            .iter()
            .flat_map(|workspace| {
                let found = workspace.files().take_while(|_| started.elapsed() < LIST_TIME_LIMIT);
                found.filter_map(|path| workspace.relative_path(&path)).filter(|path| !secrets::is_secret_path(path))
            })
            .collect();
        files.sort();
        let files = Arc::new(files);
        *cached = Some((Instant::now(), files.clone()));
        files
    }
}

/// Returns true if plugins may see the git status of a file, which need not exist any more.
fn is_visible(workspace: &Workspace, path: &str) -> bool {
    Path::new(path).components().all(|part| is_visible_component(part))
        && !workspace.excludes(&workspace.root.join(path))
}

fn is_visible_component(part: Component<'_>) -> bool {
    matches!(part, Component::Normal(name) if !name.to_string_lossy().starts_with('.'))
}

impl WorkspaceAccess for WorkspaceFiles {
    fn read(&self, path: &str) -> Option<String> {
        let text = source_text::read_lines(&self.readable_path(path)?).ok()?;
        if secrets::contains_secret(&text) { None } else { Some(text) }
    }

    fn files(&self, glob: &str, most: usize) -> Vec<String> {
        let Some(workspace) = &self.workspace else { return Vec::new() };
        let mut builder = OverrideBuilder::new(&workspace.root);
        let Ok(Ok(rules)) = builder.add(glob).map(|builder| builder.build()) else { return Vec::new() };
        let fits = |path: &&String| rules.matched(path, false).is_whitelist();
        self.list().iter().filter(fits).take(most).cloned().collect()
    }

    fn search(&self, words: &str, most: usize) -> Vec<SearchHit> {
        let Some(workspace) = &self.workspace else { return Vec::new() };
        let hit = |found: SearchResult| {
            let text = self.read(&found.path)?;
            found.into_hit(text.into())
        };
        workspace.search.find(&search_terms(words, ""), most).into_iter().filter_map(hit).collect()
    }

    fn git(&self, patience: Duration) -> Option<Arc<GitStatus>> {
        let workspace = self.workspace.clone()?;
        self.git.current(patience, move || git::query(&workspace.root, |path| is_visible(&workspace, path)))
    }

    fn log(&self, plugin: &str, message: &str) {
        tracing::info!("plugin {plugin}: {message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_git_status_has_readable_files_only_and_starts_no_other_program() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        let write = |name: &str, text: &str| std::fs::write(root.join(name), text).expect("writable");
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new("git");
            command.arg("-C").arg(root).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments);
            assert!(command.output().expect("git runs").status.success(), "{arguments:?}");
        };
        let git = || WorkspaceFiles::new(Some(root), &Config::default()).git(Duration::from_secs(10));
        assert_eq!(git(), None, "no repository");
        write("a.py", "a = 1\n");
        write(".env", "KEY=1\n");
        run(&["init", "-q", "-b", "topic"]);
        run(&["add", "-A", "-f"]);
        run(&["commit", "-q", "-m", "first"]);
        write("a.py", "a = 2\n");
        write("b.py", &format!("key = '{}{}'\n", "ghp_", "x".repeat(36)));
        write(".env", "KEY=2\n");
        run(&["add", "-A", "-f"]);
        // Programs that the configuration of a repository names.
        for setting in ["core.fsmonitor", "diff.external", "core.pager"] {
            run(&["config", setting, "touch ran"]);
        }
        let git = git().expect("a repository");
        assert_eq!((git.branch.as_deref(), git.recent_files.as_slice()), (Some("topic"), &["a.py".to_owned()][..]));
        assert_eq!(git.staged, [("a.py".to_owned(), "@@ -1 +1 @@\n-a = 1\n+a = 2\n".to_owned())]);
        assert!(!root.join("ran").exists());
    }

    #[test]
    fn a_search_finds_indexed_files_that_are_still_readable() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("work");
        std::fs::create_dir(&root).expect("writable");
        let write = |name: &str, text: &str| std::fs::write(root.join(name), text).expect("writable");
        ["a.py", "b.py", "c.py"]
            .into_iter()
            .for_each(|name| write(name, "import os\n\n\ndef with_backoff(call):\n    return call()\n"));
        let workspace = Workspace::with_index_in(&folder.path().join("index"), &root, &Config::default());
        let files = WorkspaceFiles::in_workspace(Some(Arc::new(workspace)));
        let found = |most| files.search("backoff", most).into_iter().map(|hit| hit.path).collect::<Vec<_>>();
        assert_eq!(found(9), [""; 0], "nothing is indexed yet");
        files.workspace().expect("one").refresh_search(&|_| true).expect("an index");
        assert_eq!((found(9), found(2).len()), (["a.py", "b.py", "c.py"].map(str::to_owned).into(), 2));
        write("a.py", "other = 1\n");
        write(".gitignore", "b.py\n");
        assert_eq!(found(9), ["c.py"]);
    }

    #[test]
    fn plugins_read_only_files_that_may_enter_a_prompt() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let outside = tempfile::tempdir().expect("another");
        std::fs::write(outside.path().join("o.py"), "outside").expect("writable");
        let secret = format!("key = '{}{}'", "ghp_", "x".repeat(36));
        for (name, text) in [
            ("src/a.py", "a = 1"),
            (".gitignore", "out/\n"),
            ("out/b.py", "b"),
            (".env", "c"),
            ("src/d.py", &secret),
            (".git/config", "e"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            std::fs::write(path, text).expect("writable");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path().join("o.py"), folder.path().join("link.py")).expect("a link");
        let files = WorkspaceFiles::new(Some(folder.path()), &Config::default());
        assert_eq!(files.read("src/a.py").as_deref(), Some("a = 1"));
        let absolute = outside.path().join("o.py").to_string_lossy().into_owned();
        let back = format!("../{}/o.py", outside.path().file_name().expect("a name").to_string_lossy());
        for refused in
            ["out/b.py", ".env", "src/d.py", ".git/config", "link.py", "src", "", "src/../src/a.py", &absolute, &back]
        {
            assert_eq!(files.read(refused), None, "{refused}");
        }
        assert_eq!(files.files("src/**/*.py", 10), ["src/a.py", "src/d.py"]);
        assert_eq!(files.files("*.py", 1).len(), 1);
        assert_eq!(files.files("[", 9), [""; 0]);
    }
}
