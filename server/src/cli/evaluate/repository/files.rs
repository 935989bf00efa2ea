//! Files of a folder: those with holes, and those that serve as context.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foretype_plugins::context::secrets;
use foretype_plugins::{Document, Language};
use ignore::overrides::{Override, OverrideBuilder};

use crate::git;
use crate::source_text;
use crate::workspace::Workspace;

/// Files of a workspace in known languages, in the order of their paths, without those that git ignores, that are
/// excluded or that hold a secret.
pub(crate) fn source_files(workspace: &Workspace) -> Vec<Arc<Document>> {
    let file = |path: std::path::PathBuf| {
        let relative = workspace.relative_path(&path)?;
        let language = Language::from_path(&relative);
        if language == Language::PlainText || secrets::is_secret_path(&relative) {
            return None;
        }
        let text = source_text::read_lines(&path).ok().filter(|text| !secrets::contains_secret(text))?;
        Some(Arc::new(Document { path: relative, language, text: text.into(), tree: None }))
    };
    let mut files: Vec<_> = workspace.files().filter_map(file).collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// Matcher for the patterns of `--files`. Without a pattern it matches every file.
pub(super) fn file_patterns(root: &Path, patterns: &[String]) -> Result<Override> {
    let mut builder = OverrideBuilder::new(root);
    for pattern in patterns {
        builder.add(pattern).with_context(|| format!("--files {pattern} is not a valid pattern"))?;
    }
    Ok(builder.build()?)
}

/// Files that were added or changed after a revision or a date. After a revision, uncommitted changes count as well.
pub(super) fn changed_since(root: &Path, since: &str) -> Result<HashSet<String>> {
    let names = ["--name-only", "--no-renames", "--relative", "--diff-filter=AM"];
    // Outside a repository, this gives a clearer error than the commands below.
    git::output(root, &["rev-parse", "--git-dir"]).context("--since needs the history of the folder")?;
    let commit = format!("{since}^{{commit}}");
    let named = git::output(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]);
    let list = match &named {
        Ok(commit) => git::output(root, &[&["diff"][..], &names[..], &[commit.trim(), "--", "."]].concat())?,
        Err(_) => {
            ensure!(is_date(since), "--since {since} is neither a revision of this repository nor a date (YYYY-MM-DD)");
            // Without a time of day, git would take the current one.
            let time = if since.len() == 10 { " 00:00:00" } else { "" };
            let after = format!("--since={since}{time}");
            git::output(root, &[&["log", "--format="][..], &names[..], &[&after, "HEAD", "--", "."]].concat())?
        }
    };
    Ok(list.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Returns true if the text is a date, optionally followed by a time of day.
fn is_date(text: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit();
    let shape: String = text.chars().take(10).map(|c| if digits(c) { '0' } else { c }).collect();
    shape == "0000-00-00" && text.chars().all(|c| digits(c) || "-:+TZ ".contains(c))
}

/// Files of the same language that are nearest in the folder tree, as a user might have them open.
pub(crate) fn nearest_files(corpus: &[Arc<Document>], own: &Document, max_files: usize) -> Arc<[Arc<Document>]> {
    let mut others: Vec<_> =
        corpus.iter().filter(|file| file.language == own.language && file.path != own.path).collect();
    // The sort is stable: files at the same distance stay sorted by path.
    others.sort_by_key(|file| path_distance(&file.path, &own.path));
    others.into_iter().take(max_files).cloned().collect()
}

/// Number of steps up and down the folder tree from one file to the other.
fn path_distance(one: &str, other: &str) -> usize {
    let parts = |path: &'_ str| path.split('/').count();
    let shared = one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other).count();
    parts(one) + parts(other) - 2 * shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Arc<Document> {
        Arc::new(Document { path: path.into(), language: Language::from_path(path), text: "".into(), tree: None })
    }

    #[test]
    fn the_nearest_files_of_the_same_language_are_chosen_as_open_files() {
        let corpus = ["a/b/own.py", "a/b/x.py", "a/b/x.rs", "a/y.py", "z/z/z.py"].map(file);
        let found = nearest_files(&corpus, &corpus[0], 2);
        assert_eq!(found.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a/b/x.py", "a/y.py"]);
    }

    #[test]
    fn dates_are_distinguished_from_other_text() {
        assert!(is_date("2024-05-01") && is_date("2024-05-01 12:30") && is_date("2024-05-01T12:30:00+02:00"));
        assert!(!is_date("yesterday") && !is_date("2024") && !is_date("2024-05-01 --output=x"));
    }

    #[test]
    fn patterns_work_as_in_gitignore() {
        let named = file_patterns(Path::new("/root"), &["*.py".into(), "!test_*".into()]).expect("patterns");
        let takes = |path: &str| !named.matched(path, false).is_ignore();
        assert!(takes("a/x.py") && !takes("a/test_x.py") && !takes("a.rs"));
        assert!(super::file_patterns(Path::new("/root"), &["a{".into()]).is_err());
        let all = super::file_patterns(Path::new("/root"), &[]).expect("none");
        assert!(!all.matched("a.rs", false).is_ignore());
    }
}
