//! Workspace folders: the files that may be read, and their symbols.
//!
//! Files that git ignores, that `.foretypeignore` or the option `context.excluded` names, or that usually contain
//! secrets are never read, neither for an index nor for a prompt.

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
use crate::source_text;

/// Folder that is open in an editor.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// Path of the folder.
    pub(crate) root: PathBuf,
    /// Symbols that its files define.
    pub(crate) symbols: Arc<SymbolIndex>,
    /// Index for searching its files by words.
    pub(crate) search: SearchIndex,
    excluded: Vec<String>,
    /// True once its symbols are being indexed.
    is_claimed: AtomicBool,
}

/// Workspaces that are open in any session.
#[derive(Debug, Default)]
pub(crate) struct Workspaces {
    open: Mutex<Vec<Weak<Workspace>>>,
}

const IGNORE_FILE: &str = ".foretypeignore";
/// Largest file that is read. Larger ones are usually generated.
const MAX_FILE_BYTES: u64 = 512 << 10;
/// Files of one workspace that are read.
const MAX_FILES: usize = 20_000;

impl Workspaces {
    /// Opens the workspace at `root`. Sessions that exclude the same files share it.
    pub(crate) fn open(&self, root: &Path, config: &Config) -> Arc<Workspace> {
        let mut open = self.open.lock();
        open.retain(|workspace| workspace.strong_count() > 0);
        let is_same = |workspace: &Arc<Workspace>| {
            workspace.root == root
                && workspace.excluded == config.context.excluded
                && workspace.search.is_enabled() == config.ask.search
        };
        if let Some(workspace) = open.iter().filter_map(Weak::upgrade).find(is_same) {
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
        let search =
            if config.ask.search { SearchIndex::for_workspace(root, &excluded) } else { SearchIndex::disabled() };
        Self { root: root.to_owned(), symbols: Arc::default(), search, excluded, is_claimed: AtomicBool::new(false) }
    }

    /// Opens the workspace at `root` with a search index of its own in `folder`.
    pub(crate) fn with_index_in(folder: &Path, root: &Path, config: &Config) -> Self {
        Self { search: SearchIndex::in_folder(Some(folder.to_owned())), ..Self::new(root, config) }
    }

    /// Name of the folder, as the prompt shows it.
    pub(crate) fn name(&self) -> Option<String> {
        self.root.file_name().map(|name| name.to_string_lossy().into_owned())
    }

    /// Path of a file relative to the root, with `/`; `None` for a file outside.
    pub(crate) fn relative_path(&self, path: &Path) -> Option<String> {
        path.strip_prefix(&self.root).ok().map(|path| path.to_string_lossy().replace('\\', "/"))
    }

    /// Claims the indexing of symbols. Returns true to the first caller only.
    pub(crate) fn claim_indexing(&self) -> bool {
        !self.is_claimed.swap(true, Ordering::Relaxed)
    }

    /// Indexes the symbols of all files that may be read. `progress` receives the number of files so far and returns
    /// false to stop.
    pub(crate) fn index_all_symbols(&self, progress: impl Fn(usize) -> bool) {
        for (number, path) in self.files().enumerate() {
            self.index_file(&path);
            if !progress(number + 1) {
                return;
            }
        }
    }

    /// Files that may be read, judging by their names and sizes.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let mut walk = WalkBuilder::new(&self.root);
        walk.require_git(false).follow_links(false).hidden(true).max_filesize(Some(MAX_FILE_BYTES));
        walk.add_custom_ignore_filename(IGNORE_FILE);
        let rules = self.excluded_patterns();
        walk.filter_entry(move |entry| !rules.matched(entry.path(), entry.path().is_dir()).is_ignore());
        let files = walk.build().flatten().filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
        files.take(MAX_FILES).map(ignore::DirEntry::into_path)
    }

    /// Updates the search index to the files that may be read; see [`SearchIndex::refresh`].
    ///
    /// # Errors
    /// If the index cannot be created.
    pub(crate) fn refresh_search(&self, progress: &dyn Fn(IndexProgress) -> bool) -> anyhow::Result<IndexChanges> {
        self.search.refresh(self.files().filter_map(|path| Some((self.relative_path(&path)?, path))), progress)
    }

    /// Updates the search index after files were created, changed or deleted on disk.
    ///
    /// # Errors
    /// If the index cannot be written.
    pub(crate) fn update_search(&self, paths: &[PathBuf]) -> anyhow::Result<IndexChanges> {
        let file = |path: &PathBuf| {
            let relative = self.relative_path(path)?;
            // As in a walk, hidden files are left out.
            if relative.split('/').any(|part| part.starts_with('.')) {
                return None;
            }
            let is_readable = !self.excludes(path) && path.metadata().is_ok_and(|data| data.len() <= MAX_FILE_BYTES);
            Some((relative, if is_readable { Some(path.clone()) } else { None }))
        };
        self.search.update_files(paths.iter().filter_map(file).collect())
    }

    /// Updates the symbols of a file after it was created, changed or deleted on disk.
    pub(crate) fn update_symbols(&self, path: &Path) {
        let Some(relative) = self.relative_path(path) else { return };
        let is_readable = path.metadata().is_ok_and(|data| data.is_file() && data.len() <= MAX_FILE_BYTES);
        if is_readable && !self.excludes(path) {
            self.index_file(path);
        } else {
            self.symbols.remove(&relative);
        }
    }

    fn index_file(&self, path: &Path) {
        let Some(relative) = self.relative_path(path) else { return };
        let language = Language::from_path(&relative);
        if language == Language::PlainText || secrets::is_secret_path(&relative) {
            return;
        }
        match std::fs::read_to_string(path) {
            Ok(text) if !secrets::contains_secret(&text) => self.symbols.update(&relative, language, &text),
            // Unreadable, binary, or with secrets: none of its symbols may be shown.
            _ => self.symbols.remove(&relative),
        }
    }

    /// True if a file may not be read: it is outside, ignored, excluded, or secret by its name. Reads ignore files.
    pub(crate) fn excludes(&self, path: &Path) -> bool {
        let Ok(inside) = path.strip_prefix(&self.root) else { return true };
        if secrets::is_secret_path(&path.to_string_lossy()) {
            return true;
        }
        let named = self.excluded_patterns();
        let mut chain: Vec<Gitignore> =
            vec![Gitignore::new(self.root.join(".git/info/exclude")).0, ignore_rules(&self.root)];
        let mut current = self.root.clone();
        let parts: Vec<_> = inside.components().collect();
        for (at, part) in parts.iter().enumerate() {
            current.push(part);
            let folder = at + 1 < parts.len();
            // The deepest ignore file with a matching rule decides.
            let matched =
                chain.iter().rev().map(|rules| rules.matched(&current, folder)).find(|matched| !matched.is_none());
            if matched.is_some_and(|matched| matched.is_ignore()) || named.matched(&current, folder).is_ignore() {
                return true;
            }
            if folder {
                chain.push(ignore_rules(&current));
            }
        }
        false
    }

    /// Patterns of the option `context.excluded`.
    fn excluded_patterns(&self) -> Override {
        let mut builder = OverrideBuilder::new(&self.root);
        for pattern in &self.excluded {
            // An invalid pattern excludes nothing; the others still apply.
            let _ = builder.add(&format!("!{pattern}"));
        }
        builder.build().unwrap_or_else(|_| Override::empty())
    }
}

/// Indexes the symbols of the files below `root`, as far as `limit` allows. Files that git ignores, hidden files and
/// files that usually hold secrets are left out.
pub(crate) fn index_symbols(root: &Path, limit: Duration) -> Arc<SymbolIndex> {
    let started = Instant::now();
    let index = SymbolIndex::default();
    let walk = WalkBuilder::new(root).add_custom_ignore_filename(IGNORE_FILE).build();
    for entry in walk.flatten().take_while(|_| started.elapsed() < limit) {
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
        let language = Language::from_path(&path);
        let is_small = entry.metadata().is_ok_and(|data| data.is_file() && data.len() < 1 << 20);
        if language == Language::PlainText || !is_small || secrets::is_secret_path(&path) {
            continue;
        }
        if let Ok(text) = source_text::read_lines(entry.path()) {
            index.update(&path, language, &text);
        }
    }
    Arc::new(index)
}

/// Rules of the ignore files in a folder.
fn ignore_rules(folder: &Path) -> Gitignore {
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
    fn symbols_of_readable_files_follow_changes_on_disk() {
        let secret = format!("def gamma(): return '{}{}'\n", "ghp_", "x".repeat(36));
        let files = [
            (".gitignore", "out/\n"),
            ("a.py", "def alpha(x):\n    return x\n"),
            ("out/b.py", "def beta(x):\n    return x\n"),
            ("c.py", secret.as_str()),
        ];
        let (folder, workspace) = workspace(&files, &[]);
        assert!(workspace.claim_indexing() && !workspace.claim_indexing(), "the second claim is refused");
        workspace.index_all_symbols(|_| true);
        let known = |name: &str| !workspace.symbols.definitions(name).is_empty();
        assert!(known("alpha") && !known("beta") && !known("gamma"));
        let change = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("writable");
            workspace.update_symbols(&path);
        };
        change("a.py", "def delta(x):\n    return x\n");
        assert!(known("delta") && !known("alpha"));
        change("out/b.py", "def beta(x, y):\n    return x\n");
        assert!(!known("beta"));
        change("a.py", &secret);
        assert!(!known("delta") && !known("gamma"));
        change("a.py", "def delta(x):\n    return x\n");
        std::fs::remove_file(folder.path().join("a.py")).expect("it was there");
        workspace.update_symbols(&folder.path().join("a.py"));
        assert!(!known("delta"));
    }
}
