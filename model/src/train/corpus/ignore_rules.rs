//! Rules of `.foretypeignore` files, which exclude files from training in the syntax of `.gitignore`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ignore::gitignore::Gitignore;

use super::error::CorpusError;

const IGNORE_FILE_NAME: &str = ".foretypeignore";

/// The rules of all directories below a root.
pub(super) struct IgnoreRules {
    root: PathBuf,
    known: HashMap<PathBuf, DirectoryRules>,
}

/// The rules that apply to a directory.
#[derive(Clone, Default)]
struct DirectoryRules {
    /// True if everything in the directory is ignored.
    whole: bool,
    /// The rules of the directory and its ancestors, its own last.
    rules: Vec<Rc<Gitignore>>,
}

impl IgnoreRules {
    /// Creates the rules of a source.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: HashMap::new() }
    }

    /// Returns true if rules exclude a file below the root.
    pub(super) fn is_ignored(&mut self, path: &Path) -> Result<bool, CorpusError> {
        let Some(folder) = path.parent() else { return Ok(false) };
        Ok(self.folder(folder)?.ignores(path, false))
    }

    fn folder(&mut self, path: &Path) -> Result<DirectoryRules, CorpusError> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        let mut folder = match path.parent() {
            Some(parent) if path != self.root => {
                let above = self.folder(parent)?;
                DirectoryRules { whole: above.ignores(path, true), rules: above.rules }
            }
            _ => DirectoryRules::default(),
        };
        folder.rules.extend(rules(path)?);
        self.known.insert(path.to_owned(), folder.clone());
        Ok(folder)
    }
}

impl DirectoryRules {
    /// Returns true if the path is ignored. The deepest rule that matches decides, but a file in an ignored directory
    /// cannot be re-included.
    fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        let mut matches = self.rules.iter().rev().map(|rules| rules.matched(path, is_folder));
        self.whole || matches.find(|it| !it.is_none()).is_some_and(|it| it.is_ignore())
    }
}

/// Reads the ignore file of a directory, if there is one.
fn rules(folder: &Path) -> Result<Option<Rc<Gitignore>>, CorpusError> {
    let file = folder.join(IGNORE_FILE_NAME);
    if !file.is_file() {
        return Ok(None);
    }
    match Gitignore::new(&file) {
        (rules, None) => Ok(Some(Rc::new(rules))),
        (_, Some(error)) => Err(CorpusError::IgnoreFile { message: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder;
    use super::*;

    #[test]
    fn the_deepest_rule_decides_but_an_ignored_directory_stays_ignored() {
        let folder = folder(&[
            (IGNORE_FILE_NAME, "*.sql\nprivate/\n/top.rs\n"),
            ("sub/.foretypeignore", "!keep.sql\nlocal.rs\n"),
            ("private/.foretypeignore", "!*\n"),
        ]);
        let mut ignores = IgnoreRules::new(folder.path());
        for (path, ignored) in [
            ("a.sql", true),
            ("sub/a.sql", true),
            ("sub/keep.sql", false),
            ("sub/local.rs", true),
            ("local.rs", false),
            ("top.rs", true),
            ("sub/top.rs", false),
            ("private/deep/a.rs", true),
        ] {
            assert_eq!(ignores.is_ignored(&folder.path().join(path)).expect("sound rules"), ignored, "{path}");
        }
    }

    #[test]
    fn an_invalid_rule_is_an_error_that_names_it() {
        let folder = folder(&[(IGNORE_FILE_NAME, "fine\n{a,\n")]);
        let error = IgnoreRules::new(folder.path()).is_ignored(&folder.path().join("x")).expect_err("a broken rule");
        assert!(error.to_string().contains("{a,"), "{error}");
    }
}
