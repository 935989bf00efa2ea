//! Questions about the history of a folder, put to the program `git`.

use std::path::Path;

use anyhow::Result;
use foretype_model::git::GitCommand;

/// Returns the staged changes of the repository at `folder` as a diff.
///
/// # Errors
/// If git cannot be run or fails, or `folder` is not in a repository.
pub(crate) fn staged_diff(folder: &Path) -> Result<String> {
    staged(&GitCommand::new(folder))
}

/// Returns the staged changes of the repository at the current folder as a diff. In a hook, the environment names the
/// index that is about to be committed.
///
/// # Errors
/// If git cannot be run or fails, or the folder is not in a repository.
pub(crate) fn staged_diff_here() -> Result<String> {
    staged(&GitCommand::new(Path::new(".")).inherit_repository())
}

fn staged(git: &GitCommand) -> Result<String> {
    // Outside a repository, `git diff` compares files and does not say what is missing.
    git.run(&["rev-parse", "--git-dir"])?;
    Ok(git.run(&["diff", "--cached"])?)
}

/// Returns what git prints for these arguments in `folder`.
///
/// # Errors
/// If git cannot be run, fails, or exceeds its limits of time and output.
pub fn output(folder: &Path, arguments: &[&str]) -> Result<String> {
    Ok(GitCommand::new(folder).run(arguments)?)
}
