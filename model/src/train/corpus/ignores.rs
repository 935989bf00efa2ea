//! `.foretypeignore`: what its author wants left out, in the syntax of `.gitignore`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ignore::gitignore::Gitignore;

use super::error::CorpusError;

const NAME: &str = ".foretypeignore";

/// The rules of all folders below a root.
pub(super) struct Ignores {
    root: PathBuf,
    known: HashMap<PathBuf, Folder>,
}

/// What holds in a folder.
#[derive(Clone, Default)]
struct Folder {
    /// Everything in it is left out.
    whole: bool,
    /// Its rules and those of the folders above, its own last.
    rules: Vec<Rc<Gitignore>>,
}

impl Ignores {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: HashMap::new() }
    }

    /// Whether rules name a file below the root.
    pub(super) fn name(&mut self, path: &Path) -> Result<bool, CorpusError> {
        let Some(folder) = path.parent() else { return Ok(false) };
        Ok(self.folder(folder)?.names(path, false))
    }

    fn folder(&mut self, path: &Path) -> Result<Folder, CorpusError> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        let mut folder = match path.parent() {
            Some(parent) if path != self.root => {
                let above = self.folder(parent)?;
                Folder { whole: above.names(path, true), rules: above.rules }
            }
            _ => Folder::default(),
        };
        folder.rules.extend(rules(path)?);
        self.known.insert(path.to_owned(), folder.clone());
        Ok(folder)
    }
}

impl Folder {
    /// The deepest file that says something decides; what is in a folder that is left out cannot be brought back.
    fn names(&self, path: &Path, is_folder: bool) -> bool {
        let mut said = self.rules.iter().rev().map(|rules| rules.matched(path, is_folder));
        self.whole || said.find(|it| !it.is_none()).is_some_and(|it| it.is_ignore())
    }
}

/// The rules in a folder, if there are any.
fn rules(folder: &Path) -> Result<Option<Rc<Gitignore>>, CorpusError> {
    let file = folder.join(NAME);
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
    fn the_deepest_rule_decides_but_an_ignored_folder_stays_so() {
        let folder = folder(&[
            (NAME, "*.sql\nprivate/\n/top.rs\n"),
            ("sub/.foretypeignore", "!keep.sql\nlocal.rs\n"),
            ("private/.foretypeignore", "!*\n"),
        ]);
        let mut ignores = Ignores::new(folder.path());
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
            assert_eq!(ignores.name(&folder.path().join(path)).expect("sound rules"), ignored, "{path}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_understood_is_an_error_that_names_it() {
        let folder = folder(&[(NAME, "fine\n{a,\n")]);
        let error = Ignores::new(folder.path()).name(&folder.path().join("x")).expect_err("a broken rule");
        assert!(error.to_string().contains("{a,"), "{error}");
    }
}
