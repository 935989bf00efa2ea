//! An index of the workspace's symbols.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::{Language, syntax};

/// Items taken from one file at the most.
const ITEMS: usize = 500;
/// Bytes of a signature that are kept.
const SIGNATURE: usize = 240;
/// Files larger than this are not indexed.
const LARGEST: usize = 1 << 20;

/// One definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The file it is in, relative to the workspace.
    pub path: Arc<str>,
    /// The language of the file.
    pub language: Language,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// Its first lines, up to its body.
    pub signature: String,
}

/// Where each name of the workspace is defined. Many may read while one writes.
#[derive(Debug, Default)]
pub struct SymbolIndex {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_name: HashMap<String, Vec<Definition>>,
    by_path: HashMap<Arc<str>, File>,
}

#[derive(Debug)]
struct File {
    /// What it defines.
    names: Vec<String>,
    /// Hashes of all its words, sorted: four bytes a word, so that a large workspace is searched without being held.
    words: Box<[u32]>,
}

impl SymbolIndex {
    /// Replaces what is known of a file.
    pub fn update(&self, path: &str, language: Language, text: &str) {
        let definitions = if text.len() > LARGEST { Vec::new() } else { definitions(path, language, text) };
        let words = if text.len() > LARGEST { Box::default() } else { words(text) };
        let mut inner = self.inner.write();
        inner.forget(path);
        let names = definitions.iter().map(|(name, _)| name.clone()).collect();
        inner.by_path.insert(path.into(), File { names, words });
        for (name, definition) in definitions {
            inner.by_name.entry(name).or_default().push(definition);
        }
    }

    /// Forgets a file.
    pub fn remove(&self, path: &str) {
        self.inner.write().forget(path);
    }

    /// The definitions of a name.
    pub fn definitions(&self, name: &str) -> Vec<Definition> {
        let inner = self.inner.read();
        inner.by_name.get(name).cloned().unwrap_or_default()
    }

    /// Files in which a name stands as a whole word, in no order; seldom one in which it does not.
    pub fn mentions(&self, name: &str) -> Vec<Arc<str>> {
        let wanted = hash(name);
        let inner = self.inner.read();
        let has = |file: &File| file.words.binary_search(&wanted).is_ok();
        inner.by_path.iter().filter(|(_, file)| has(file)).map(|(path, _)| path.clone()).collect()
    }

    /// Files that are known.
    pub fn files(&self) -> usize {
        self.inner.read().by_path.len()
    }
}

impl Inner {
    fn forget(&mut self, path: &str) {
        let Some(file) = self.by_path.remove(path) else { return };
        for name in file.names.into_iter().collect::<HashSet<_>>() {
            if let Some(definitions) = self.by_name.get_mut(&name) {
                definitions.retain(|definition| &*definition.path != path);
                if definitions.is_empty() {
                    self.by_name.remove(&name);
                }
            }
        }
    }
}

fn hash(word: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish() as u32
}

/// The hashes of a text's words, sorted.
fn words(text: &str) -> Box<[u32]> {
    let split = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut words: Vec<_> = split.filter(|word| !word.is_empty()).map(hash).collect();
    words.sort_unstable();
    words.dedup();
    words.into()
}

fn definitions(path: &str, language: Language, text: &str) -> Vec<(String, Definition)> {
    let Some(tree) = syntax::parse(language, text, None) else { return Vec::new() };
    let path: Arc<str> = path.into();
    let items = syntax::items(&tree, text, ITEMS).into_iter();
    items
        .map(|item| {
            let signature = text.get(item.signature.clone()).unwrap_or_default().trim_end();
            let signature = signature[..signature.floor_char_boundary(SIGNATURE)].to_owned();
            (item.name, Definition { path: path.clone(), language, offset: item.range.start, signature })
        })
        .collect()
}

/// Whether code of one language uses names that the other defines.
pub(crate) fn related(a: Language, b: Language) -> bool {
    let family = |language| match language {
        Language::TypeScript | Language::Tsx => Language::JavaScript,
        Language::Cpp => Language::C,
        other => other,
    };
    family(a) == family(b)
}

/// How many folders lie between two files.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let common = a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).count();
    a.split('/').count() + b.split('/').count() - 2 * common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_it_is_defined_and_forgotten_with_its_file() {
        let index = SymbolIndex::default();
        index.update("a.py", Language::Python, "def alpha(x, y):\n    return x\n");
        assert_eq!(index.definitions("alpha")[0].signature, "def alpha(x, y):");
        index.update("a.py", Language::Python, "def beta(x):\n    return x\n");
        assert!(index.definitions("alpha").is_empty());
        assert_eq!(index.definitions("beta").len(), 1);
        index.remove("a.py");
        assert!(index.definitions("beta").is_empty());
        assert_eq!(index.files(), 0);
    }

    #[test]
    fn many_files_are_indexed() {
        let index = SymbolIndex::default();
        for i in 0..500 {
            index.update(&format!("m{i}.py"), Language::Python, &format!("def name_{i}(x):\n    return x\n"));
        }
        assert_eq!(index.files(), 500);
        assert_eq!(&*index.definitions("name_321")[0].path, "m321.py");
    }
}
