//! Access of plugins to the workspace.

use std::sync::Arc;
use std::time::Duration;

use crate::tasks::ask::SearchHit;

/// Access of plugins to the workspace. The implementation refuses files that must not enter a prompt: files that git
/// ignores, files with secrets, and everything outside.
pub trait WorkspaceAccess: Send + Sync {
    /// Returns the text of a file by its path relative to the workspace; `None` if it is missing or must not be read.
    fn read(&self, path: &str) -> Option<String>;

    /// Returns the paths of at most `limit` readable files that match a glob, in order.
    fn files(&self, glob: &str, limit: usize) -> Vec<String>;

    /// Returns at most `limit` pieces of readable files that match words best, the best first; none before the
    /// workspace has been indexed.
    fn search(&self, words: &str, limit: usize) -> Vec<SearchHit>;

    /// Returns the git status of the workspace if it is known or becomes known within `max_wait`.
    fn git(&self, max_wait: Duration) -> Option<Arc<GitStatus>>;

    /// Writes a line to the log.
    fn log(&self, plugin: &str, message: &str);
}

/// Git status of a workspace, without files that must not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitStatus {
    /// Current branch; `None` if no branch is checked out.
    pub branch: Option<String>,
    /// Paths and diffs of staged files.
    pub staged: Vec<(String, String)>,
    /// Paths of files in the last commits, the latest first.
    pub recent_files: Vec<String>,
}
