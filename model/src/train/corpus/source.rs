//! Directories that a corpus is collected from, with or without git.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use serde::Serialize;

use super::error::CorpusError;
use super::exclusion::{ExcludedFile, ExclusionReason};
use super::git;
use super::ignore_rules::IgnoreRules;

/// A directory that a corpus is collected from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CorpusSource {
    /// The unique name of the source: the directory's name, followed by a number if another source has the same.
    pub repository: String,
    /// The absolute path without links.
    pub folder: PathBuf,
    /// True if git determines which files belong to the source.
    pub git: bool,
}

/// A file that has not been filtered yet.
pub(super) struct CandidateFile<'a> {
    pub(super) source: &'a CorpusSource,
    /// The path relative to the source, with `/` as separator.
    pub(super) path: String,
    /// Time of the last commit that changed the file, in Unix seconds.
    pub(super) committed: Option<i64>,
    /// True if a `.foretypeignore` file excludes it.
    pub(super) ignored: bool,
}

impl CandidateFile<'_> {
    /// Records a file as excluded for a reason.
    pub(super) fn exclude(&self, reason: ExclusionReason) -> ExcludedFile {
        ExcludedFile { repository: self.source.repository.clone(), path: self.path.clone(), reason, duplicate_of: None }
    }
}

impl CorpusSource {
    /// Opens each directory once, however often it is given.
    pub(super) fn open_all<P: AsRef<Path>>(folders: &[P], git: bool) -> Result<Vec<Self>, CorpusError> {
        let mut sources: Vec<Self> = Vec::new();
        for folder in folders {
            let mut source = Self::open(folder.as_ref(), git)?;
            if sources.iter().all(|other| other.folder != source.folder) {
                source.repository = unique_name(&sources, source.repository);
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

    /// The files of the source, sorted by path.
    pub(super) fn candidates(&self) -> Result<Vec<CandidateFile<'_>>, CorpusError> {
        let (paths, times) = self.paths()?;
        // A repository's ignore file also applies if only a part of the repository is collected.
        let mut ignores = IgnoreRules::new(worktree(&self.folder).unwrap_or(&self.folder));
        let candidate = |path: String| {
            let (ignored, committed) = (ignores.is_ignored(&self.folder.join(&path))?, times.get(&path).copied());
            Ok(CandidateFile { source: self, path, committed, ignored })
        };
        paths.into_iter().map(candidate).collect()
    }

    /// The sorted paths, and the times of the last commits that changed them.
    fn paths(&self) -> Result<(Vec<String>, HashMap<String, i64>), CorpusError> {
        let folder = self.folder.clone();
        if !self.git {
            let paths = walk_directory(&folder);
            return if paths.is_empty() { Err(CorpusError::Empty { folder }) } else { Ok((paths, HashMap::new())) };
        }
        let paths = git::tracked_files(&folder)?;
        if paths.is_empty() {
            return Err(CorpusError::Untracked { folder });
        }
        let times = git::commit_times(&folder, &paths)?;
        Ok((paths, times))
    }
}

/// The root of the git repository that contains a directory.
fn worktree(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}

/// The name, followed by a number if another source already has it.
fn unique_name(sources: &[CorpusSource], name: String) -> String {
    let taken = |name: &String| sources.iter().any(|source| source.repository == *name);
    let mut free = name.clone();
    let mut number = 1;
    while taken(&free) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}

/// All paths in a directory except for hidden and git-ignored ones, sorted. Links are included, so that they can be
/// reported.
fn walk_directory(folder: &Path) -> Vec<String> {
    let mut walk = WalkBuilder::new(folder);
    walk.require_git(false).parents(false).ignore(false).follow_links(false).hidden(true);
    let mut paths = Vec::new();
    for entry in walk.build() {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| !kind.is_dir()) => {
                paths.extend(relative_path(folder, entry.path()));
            }
            Ok(_) => (),
            Err(error) => tracing::warn!("excluded from the corpus: {error}"),
        }
    }
    paths.sort_unstable();
    paths
}

/// The path relative to a directory, with `/` as separator.
fn relative_path(folder: &Path, path: &Path) -> Option<String> {
    let parts: Vec<_> = path.strip_prefix(folder).ok()?.iter().map(|part| part.to_string_lossy()).collect();
    Some(parts.join("/"))
}
