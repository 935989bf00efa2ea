//! Files of a repository that samples are made of, and the context that each has of the others.

use std::sync::Arc;

use crate::random::Random;
use crate::request::Document;
use crate::symbol_index::{self, SymbolIndex};

/// Number of files before and after one, in path order, that are considered.
const PATH_NEIGHBORS: usize = 32;
/// Number of the nearest of them that may be open.
const MAX_OPEN_CANDIDATES: usize = 12;
/// Maximum number of open files.
const MAX_OPEN_FILES: usize = 6;

/// The files of a repository.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    name: Option<String>,
    files: Vec<Arc<Document>>,
    symbols: Arc<SymbolIndex>,
}

impl Repository {
    /// A repository of these files with a symbol index, like that of a running server.
    pub fn new(name: Option<String>, files: Vec<Document>) -> Self {
        let repository = Self::without_symbols(name, files);
        for file in &repository.files {
            repository.symbols.update(&file.path, file.language, &file.text);
        }
        repository
    }

    /// A repository without a symbol index, which is fast to build; its samples show no definitions.
    fn without_symbols(name: Option<String>, files: Vec<Document>) -> Self {
        let mut files: Vec<_> = files.into_iter().map(Arc::new).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { name, files, symbols: Arc::default() }
    }

    /// Name of the repository, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Files in path order.
    pub fn files(&self) -> &[Arc<Document>] {
        &self.files
    }

    /// Symbol index of all files.
    pub(super) fn symbols(&self) -> Arc<SymbolIndex> {
        self.symbols.clone()
    }

    /// Draws the files that might be open together with one: some of the nearest that share its symbols.
    pub(super) fn draw_open_files(&self, file: usize, random: &mut Random) -> Arc<[Arc<Document>]> {
        let Some(own) = self.files.get(file) else { return Arc::new([]) };
        let near = file.saturating_sub(PATH_NEIGHBORS)..(file + PATH_NEIGHBORS + 1).min(self.files.len());
        let others = near.filter(|other| *other != file).map(|other| &self.files[other]);
        let mut others: Vec<_> =
            others.filter(|other| symbol_index::share_symbols(other.language, own.language)).cloned().collect();
        others.sort_by_key(|other| symbol_index::path_distance(&other.path, &own.path));
        others.truncate(MAX_OPEN_CANDIDATES);
        random.shuffle(&mut others);
        others.truncate(random.below(MAX_OPEN_FILES + 1));
        others.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    fn file(path: &str) -> Document {
        Document { path: path.into(), language: Language::from_path(path), text: "x = 1\n".into(), tree: None }
    }

    #[test]
    fn open_files_are_near_and_of_the_same_language() {
        let near = (0..20).map(|i| file(&format!("a/b/{i}.py")));
        let far = (0..20).map(|i| file(&format!("z/y/{i}.py")));
        let files = near.chain(far).chain([file("a/b/x.rs"), file("a/b/own.py")]).collect();
        let repository = Repository::new(None, files);
        let own = repository.files().iter().position(|file| file.path == "a/b/own.py").expect("it is there");
        let mut counts = [0; MAX_OPEN_FILES + 1];
        for seed in 0..100 {
            let related = repository.draw_open_files(own, &mut Random::new(seed));
            counts[related.len()] += 1;
            let fits = |path: &str| path.starts_with("a/b/") && path.ends_with(".py") && path != "a/b/own.py";
            assert!(related.iter().all(|file| fits(&file.path)), "{related:?}");
        }
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    }
}
