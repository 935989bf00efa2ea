//! What the git program says of a folder's history.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What is staged, as a diff.
pub(crate) fn staged(folder: &Path) -> Result<String> {
    // Outside a repository, `git diff` compares files and does not say what is missing.
    git(folder, &["rev-parse", "--git-dir"])?;
    git(folder, &["diff", "--cached", "--no-color", "--no-ext-diff"])
}

/// What git prints for these arguments in this folder.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new("git").arg("-C").arg(folder).args(["-c", "core.quotePath=false"]).args(arguments).output();
    let output = output.context("the history needs the program git: install it, or do without the history")?;
    let why = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git says: {}", why.trim());
    String::from_utf8(output.stdout).context("not UTF-8")
}
