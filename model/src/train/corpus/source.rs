//! Where a corpus comes from: a folder with its files, with git or without.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use serde::Serialize;

use super::error::CorpusError;
use super::git;
use super::ignores::Ignores;
use super::reason::{LeftOut, Reason};

/// A folder that a corpus is collected from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its name, no two alike: that of the folder, with a number behind it where another source has the same.
    pub repository: String,
    /// Absolute and without links.
    pub folder: PathBuf,
    /// Whether git says which files belong to it.
    pub git: bool,
}

/// A file that may become part of the corpus.
pub(super) struct Candidate<'a> {
    pub(super) source: &'a Source,
    /// Relative to the source, with `/`.
    pub(super) path: String,
    /// When a commit last touched it, in Unix seconds.
    pub(super) committed: Option<i64>,
    /// Whether `.foretypeignore` names it.
    pub(super) ignored: bool,
}

impl Candidate<'_> {
    pub(super) fn left_out(&self, reason: Reason) -> LeftOut {
        LeftOut { repository: self.source.repository.clone(), path: self.path.clone(), reason, duplicate_of: None }
    }
}

impl Source {
    /// Opens each folder once, however often it is named.
    pub(super) fn open_all<P: AsRef<Path>>(folders: &[P], git: bool) -> Result<Vec<Self>, CorpusError> {
        let mut sources: Vec<Self> = Vec::new();
        for folder in folders {
            let mut source = Self::open(folder.as_ref(), git)?;
            if sources.iter().all(|other| other.folder != source.folder) {
                source.repository = unlike(&sources, source.repository);
                sources.push(source);
            }
        }
        if sources.is_empty() { Err(CorpusError::NoSources) } else { Ok(sources) }
    }

    fn open(named: &Path, git: bool) -> Result<Self, CorpusError> {
        let open = |source| CorpusError::Open { folder: named.to_owned(), source };
        let folder = named.canonicalize().map_err(open)?;
        if !folder.is_dir() {
            return Err(CorpusError::NotAFolder { path: named.to_owned() });
        }
        let repository = worktree(&folder).is_some();
        if !repository && ["HEAD", "objects", "refs"].iter().all(|part| folder.join(part).exists()) {
            return Err(CorpusError::Bare { folder: named.to_owned() });
        }
        let name = folder.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy());
        Ok(Self { repository: name.into_owned(), folder, git: git && repository })
    }

    /// The files in it, by path.
    pub(super) fn candidates(&self) -> Result<Vec<Candidate<'_>>, CorpusError> {
        let (paths, times) = self.paths()?;
        // What a repository's ignore file says holds for a part of it, too.
        let mut ignores = Ignores::new(worktree(&self.folder).unwrap_or(&self.folder));
        let candidate = |path: String| {
            let (ignored, committed) = (ignores.name(&self.folder.join(&path))?, times.get(&path).copied());
            Ok(Candidate { source: self, path, committed, ignored })
        };
        paths.into_iter().map(candidate).collect()
    }

    /// The paths, sorted, and when commits last touched them.
    fn paths(&self) -> Result<(Vec<String>, HashMap<String, i64>), CorpusError> {
        let folder = self.folder.clone();
        if !self.git {
            let paths = walk(&folder);
            return if paths.is_empty() { Err(CorpusError::Empty { folder }) } else { Ok((paths, HashMap::new())) };
        }
        let paths = git::tracked(&folder)?;
        if paths.is_empty() {
            return Err(CorpusError::Untracked { folder });
        }
        let times = git::commit_times(&folder, &paths)?;
        Ok((paths, times))
    }
}

/// The root of the git repository that a folder lies in.
fn worktree(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}

/// The name, or with a number if a source has it.
fn unlike(sources: &[Source], name: String) -> String {
    let taken = |name: &String| sources.iter().any(|source| source.repository == *name);
    let mut free = name.clone();
    let mut number = 1;
    while taken(&free) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}

/// All paths in a folder but hidden and git-ignored ones, sorted. Links are named, so that they can be reported.
fn walk(folder: &Path) -> Vec<String> {
    let mut walk = WalkBuilder::new(folder);
    walk.require_git(false).parents(false).ignore(false).follow_links(false).hidden(true);
    let mut paths = Vec::new();
    for entry in walk.build() {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| !kind.is_dir()) => {
                paths.extend(relative(folder, entry.path()));
            }
            Ok(_) => (),
            Err(error) => tracing::warn!("left out of the corpus: {error}"),
        }
    }
    paths.sort_unstable();
    paths
}

/// The path from a folder on, with `/`.
fn relative(folder: &Path, path: &Path) -> Option<String> {
    let parts: Vec<_> = path.strip_prefix(folder).ok()?.iter().map(|part| part.to_string_lossy()).collect();
    Some(parts.join("/"))
}
