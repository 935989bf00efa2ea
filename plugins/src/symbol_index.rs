//! An index of the workspace's symbols.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::{Language, syntax};

/// Items taken from one file at the most.
const MAX_ITEMS_PER_FILE: usize = 500;
/// Bytes of a signature that are kept.
const MAX_SIGNATURE_BYTES: usize = 240;
/// Files larger than this are not indexed.
const MAX_FILE_BYTES: usize = 1 << 20;

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
    tables: RwLock<IndexTables>,
}

#[derive(Debug, Default)]
struct IndexTables {
    by_name: HashMap<String, Vec<Definition>>,
    by_path: HashMap<Arc<str>, IndexedFile>,
}

#[derive(Debug)]
struct IndexedFile {
    /// What it defines.
    names: Vec<String>,
    /// Hashes of all its words, sorted: four bytes a word, so that a large workspace is searched without being held.
    word_hashes: Box<[u32]>,
}

impl SymbolIndex {
    /// Replaces what is known of a file.
    pub fn update(&self, path: &str, language: Language, text: &str) {
        let definitions = if text.len() > MAX_FILE_BYTES { Vec::new() } else { definitions_in(path, language, text) };
        let words = if text.len() > MAX_FILE_BYTES { Box::default() } else { word_hashes(text) };
        let mut inner = self.tables.write();
        inner.remove_file(path);
        let names = definitions.iter().map(|(name, _)| name.clone()).collect();
        inner.by_path.insert(path.into(), IndexedFile { names, word_hashes: words });
        for (name, definition) in definitions {
            inner.by_name.entry(name).or_default().push(definition);
        }
    }

    /// Forgets a file.
    pub fn remove(&self, path: &str) {
        self.tables.write().remove_file(path);
    }

    /// The definitions of a name.
    pub fn definitions(&self, name: &str) -> Vec<Definition> {
        let inner = self.tables.read();
        inner.by_name.get(name).cloned().unwrap_or_default()
    }

    /// Files in which a name stands as a whole word, in no order; seldom one in which it does not.
    pub fn files_mentioning(&self, name: &str) -> Vec<Arc<str>> {
        let wanted = word_hash(name);
        let inner = self.tables.read();
        let has = |file: &IndexedFile| file.word_hashes.binary_search(&wanted).is_ok();
        inner.by_path.iter().filter(|(_, file)| has(file)).map(|(path, _)| path.clone()).collect()
    }

    /// Files that are known.
    pub fn file_count(&self) -> usize {
        self.tables.read().by_path.len()
    }
}

impl IndexTables {
    fn remove_file(&mut self, path: &str) {
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

fn word_hash(word: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish() as u32
}

/// The hashes of a text's words, sorted.
fn word_hashes(text: &str) -> Box<[u32]> {
    let split = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut words: Vec<_> = split.filter(|word| !word.is_empty()).map(word_hash).collect();
    words.sort_unstable();
    words.dedup();
    words.into()
}

fn definitions_in(path: &str, language: Language, text: &str) -> Vec<(String, Definition)> {
    let Some(tree) = syntax::parse(language, text, None) else { return Vec::new() };
    let path: Arc<str> = path.into();
    let items = syntax::items(&tree, text, MAX_ITEMS_PER_FILE).into_iter();
    items
        .map(|item| {
            let signature = text.get(item.signature.clone()).unwrap_or_default().trim_end();
            let signature = signature[..signature.floor_char_boundary(MAX_SIGNATURE_BYTES)].to_owned();
            (item.name, Definition { path: path.clone(), language, offset: item.range.start, signature })
        })
        .collect()
}

/// Whether code of one language uses names that the other defines.
pub(crate) fn share_symbols(a: Language, b: Language) -> bool {
    let family = |language| match language {
        Language::TypeScript | Language::Tsx => Language::JavaScript,
        Language::Cpp => Language::C,
        other => other,
    };
    family(a) == family(b)
}

/// How many folders lie between two files.
pub(crate) fn path_distance(a: &str, b: &str) -> usize {
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
        assert_eq!(index.file_count(), 0);
    }

    #[test]
    fn many_files_are_indexed() {
        let index = SymbolIndex::default();
        for i in 0..500 {
            index.update(&format!("m{i}.py"), Language::Python, &format!("def name_{i}(x):\n    return x\n"));
        }
        assert_eq!(index.file_count(), 500);
        assert_eq!(&*index.definitions("name_321")[0].path, "m321.py");
    }
}
