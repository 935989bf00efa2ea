//! The files around the open ones: which may be read, and what they define.
//!
//! Git-ignored files, what `.foretypeignore` and the option `context.excluded` name, and files that usually hold secrets
//! are never read: not for an index, not for a prompt.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use foretype_plugins::Language;
use foretype_plugins::context::secrets;
use foretype_plugins::symbol_index::SymbolIndex;
use ignore::WalkBuilder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::overrides::{Override, OverrideBuilder};
use parking_lot::Mutex;

use crate::config::Config;
use crate::search::{IndexChanges, IndexProgress, SearchIndex};

/// A folder that is open in some editor.
#[derive(Debug)]
pub struct Workspace {
    /// Its path.
    pub root: PathBuf,
    /// What its files define.
    pub symbols: Arc<SymbolIndex>,
    /// Finds pieces of them by words.
    pub search: SearchIndex,
    excluded: Vec<String>,
    scanned: AtomicBool,
}

/// The workspaces that are open in any session.
#[derive(Debug, Default)]
pub struct Workspaces {
    open: Mutex<Vec<Weak<Workspace>>>,
}

const IGNORE_FILE: &str = ".foretypeignore";
/// Larger files are made by machines.
const MAX_FILE_BYTES: u64 = 512 << 10;
const MAX_FILES: usize = 20_000;

impl Workspaces {
    /// The workspace at `root`, shared by all who exclude the same files.
    pub fn open(&self, root: &Path, config: &Config) -> Arc<Workspace> {
        let mut open = self.open.lock();
        open.retain(|workspace| workspace.strong_count() > 0);
        let same = |workspace: &Arc<Workspace>| {
            let same = workspace.search.is_enabled() == config.ask.search && workspace.excluded == config.context.excluded;
            workspace.root == root && same
        };
        if let Some(workspace) = open.iter().filter_map(Weak::upgrade).find(same) {
            return workspace;
        }
        let workspace = Arc::new(Workspace::new(root, config));
        open.push(Arc::downgrade(&workspace));
        workspace
    }
}

impl Workspace {
    fn new(root: &Path, config: &Config) -> Self {
        let excluded = config.context.excluded.clone();
        let search = if config.ask.search { SearchIndex::for_workspace(root, &excluded) } else { SearchIndex::disabled() };
        Self { root: root.to_owned(), symbols: Arc::default(), search, excluded, scanned: AtomicBool::new(false) }
    }

    /// The workspace at `root` with its search index in `folder`, which nobody shares.
    pub fn indexed_in(folder: &Path, root: &Path, config: &Config) -> Self {
        Self { search: SearchIndex::in_folder(Some(folder.to_owned())), ..Self::new(root, config) }
    }

    /// The name that a prompt shows for the whole.
    pub fn name(&self) -> Option<String> {
        self.root.file_name().map(|name| name.to_string_lossy().into_owned())
    }

    /// The path of a file relative to the root, with `/`; `None` outside.
    pub fn relative(&self, path: &Path) -> Option<String> {
        path.strip_prefix(&self.root).ok().map(|path| path.to_string_lossy().replace('\\', "/"))
    }

    /// Whether the caller is the first to ask, and so the one to scan.
    pub fn claim_scan(&self) -> bool {
        !self.scanned.swap(true, Ordering::Relaxed)
    }

    /// Reads all files that may be read. `progress` is told how many were; it returns false to stop.
    pub fn scan(&self, progress: impl Fn(usize) -> bool) {
        for (number, path) in self.files().enumerate() {
            self.index(&path);
            if !progress(number + 1) {
                return;
            }
        }
    }

    /// The files that may be read, as far as their names and sizes say.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let mut walk = WalkBuilder::new(&self.root);
        walk.require_git(false).follow_links(false).hidden(true).max_filesize(Some(MAX_FILE_BYTES));
        walk.add_custom_ignore_filename(IGNORE_FILE);
        let rules = self.named();
        walk.filter_entry(move |entry| !rules.matched(entry.path(), entry.path().is_dir()).is_ignore());
        let files = walk.build().flatten().filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
        files.take(MAX_FILES).map(ignore::DirEntry::into_path)
    }

    /// Brings the search index up to date with the files that may be read; see [`Search::refresh`].
    ///
    /// # Errors
    /// If there can be no index.
    pub fn refresh_search(&self, progress: &dyn Fn(IndexProgress) -> bool) -> anyhow::Result<IndexChanges> {
        self.search.refresh(self.files().filter_map(|path| Some((self.relative(&path)?, path))), progress)
    }

    /// Files were created, changed or deleted on disk: the search index follows.
    ///
    /// # Errors
    /// If the index cannot be written.
    pub fn touched_search(&self, paths: &[PathBuf]) -> anyhow::Result<IndexChanges> {
        let file = |path: &PathBuf| {
            // A walk leaves hidden files out, too.
            let relative = self.relative(path).filter(|it| !it.split('/').any(|part| part.starts_with('.')))?;
            let shown = !self.excludes(path) && path.metadata().is_ok_and(|data| data.len() <= MAX_FILE_BYTES);
            Some((relative, shown.then(|| path.clone())))
        };
        self.search.update_files(paths.iter().filter_map(file).collect())
    }

    /// A file was created, changed or deleted on disk.
    pub fn touched(&self, path: &Path) {
        let Some(relative) = self.relative(path) else { return };
        let readable = path.metadata().is_ok_and(|data| data.is_file() && data.len() <= MAX_FILE_BYTES);
        if readable && !self.excludes(path) {
            self.index(path);
        } else {
            self.symbols.remove(&relative);
        }
    }

    fn index(&self, path: &Path) {
        let Some(relative) = self.relative(path) else { return };
        let language = Language::from_path(&relative);
        if language == Language::PlainText || secrets::in_path(&relative) {
            return;
        }
        match std::fs::read_to_string(path) {
            Ok(text) if !secrets::in_text(&text) => self.symbols.update(&relative, language, &text),
            // Unreadable, no text, or secret: none of its symbols may be shown.
            _ => self.symbols.remove(&relative),
        }
    }

    /// Whether a file may not be read: outside, ignored, excluded or secret by its name.
    pub fn excludes(&self, path: &Path) -> bool {
        let Ok(inside) = path.strip_prefix(&self.root) else { return true };
        if secrets::in_path(&path.to_string_lossy()) {
            return true;
        }
        let named = self.named();
        let mut chain: Vec<Gitignore> =
            vec![Gitignore::new(self.root.join(".git/info/exclude")).0, ignores(&self.root)];
        let mut current = self.root.clone();
        let parts: Vec<_> = inside.components().collect();
        for (at, part) in parts.iter().enumerate() {
            current.push(part);
            let folder = at + 1 < parts.len();
            // The deepest file that says something decides.
            let said = chain.iter().rev().map(|rules| rules.matched(&current, folder)).find(|said| !said.is_none());
            if said.is_some_and(|said| said.is_ignore()) || named.matched(&current, folder).is_ignore() {
                return true;
            }
            if folder {
                chain.push(ignores(&current));
            }
        }
        false
    }

    /// What the configuration excludes.
    fn named(&self) -> Override {
        let mut builder = OverrideBuilder::new(&self.root);
        for pattern in &self.excluded {
            // A pattern that makes no sense excludes nothing; the rest still holds.
            let _ = builder.add(&format!("!{pattern}"));
        }
        builder.build().unwrap_or_else(|_| Override::empty())
    }
}

/// Indexes the symbols of the files below `root`, as far as `limit` allows. Files that git ignores, hidden files and files
/// that usually hold secrets are left out.
pub(crate) fn index_symbols(root: &Path, limit: Duration) -> Arc<SymbolIndex> {
    let started = Instant::now();
    let index = SymbolIndex::default();
    let walk = WalkBuilder::new(root).add_custom_ignore_filename(IGNORE_FILE).build();
    for entry in walk.flatten().take_while(|_| started.elapsed() < limit) {
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
        let language = Language::from_path(&path);
        let is_small = entry.metadata().is_ok_and(|data| data.is_file() && data.len() < 1 << 20);
        if language == Language::PlainText || !is_small || secrets::in_path(&path) {
            continue;
        }
        if let Ok(text) = std::fs::read_to_string(entry.path()) {
            index.update(&path, language, &text);
        }
    }
    Arc::new(index)
}

fn ignores(folder: &Path) -> Gitignore {
    let mut builder = GitignoreBuilder::new(folder);
    for name in [".gitignore", IGNORE_FILE] {
        // A missing file has no rules.
        let _ = builder.add(folder.join(name));
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(files: &[(&str, &str)], excluded: &[&str]) -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            std::fs::write(path, text).expect("writable");
        }
        let mut config = Config::default();
        config.context.excluded = excluded.iter().map(|pattern| (*pattern).to_owned()).collect();
        let workspace = Workspace::new(folder.path(), &config);
        (folder, workspace)
    }

    #[test]
    fn ignored_excluded_and_secret_files_are_not_read() {
        let files = [
            (".gitignore", "target/\n*.log\n!keep.log\n"),
            ("sub/.gitignore", "local.py\n"),
            (".foretypeignore", "private/\n"),
            ("main.py", ""),
        ];
        let (folder, workspace) = workspace(&files, &["generated/**"]);
        let excludes = |name: &str| workspace.excludes(&folder.path().join(name));
        for name in [
            "target/x/y.rs",
            "a.log",
            "sub/local.py",
            "private/a.py",
            ".env",
            "sub/.env.local",
            "id_rsa",
            "generated/a.py",
        ] {
            assert!(excludes(name), "{name}");
        }
        for name in ["main.py", "keep.log", "sub/other.py", "local.py", "environment.py"] {
            assert!(!excludes(name), "{name}");
        }
        assert!(workspace.excludes(Path::new("/etc/passwd")), "outside");
    }

    #[test]
    fn a_scan_finds_what_may_be_read_and_follows_changes_on_disk() {
        let secret = format!("def gamma(): return '{}{}'\n", "ghp_", "x".repeat(36));
        let files = [
            (".gitignore", "out/\n"),
            ("a.py", "def alpha(x):\n    return x\n"),
            ("out/b.py", "def beta(x):\n    return x\n"),
            ("c.py", secret.as_str()),
        ];
        let (folder, workspace) = workspace(&files, &[]);
        assert!(workspace.claim_scan() && !workspace.claim_scan(), "one scan is enough");
        workspace.scan(|_| true);
        let known = |name: &str| !workspace.symbols.definitions(name).is_empty();
        assert!(known("alpha") && !known("beta") && !known("gamma"));
        let change = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("writable");
            workspace.touched(&path);
        };
        change("a.py", "def delta(x):\n    return x\n");
        assert!(known("delta") && !known("alpha"));
        change("out/b.py", "def beta(x, y):\n    return x\n");
        assert!(!known("beta"));
        change("a.py", &secret);
        assert!(!known("delta") && !known("gamma"));
        change("a.py", "def delta(x):\n    return x\n");
        std::fs::remove_file(folder.path().join("a.py")).expect("it was there");
        workspace.touched(&folder.path().join("a.py"));
        assert!(!known("delta"));
    }
}
