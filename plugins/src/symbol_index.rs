//! Index of the workspace's symbols: the definitions of each name, and the files that mention it.
//!
//! Readers share it while one writer updates it file by file. It holds signatures and word hashes, not texts, so a
//! large workspace takes little memory.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::{Language, syntax};

/// Maximum number of definitions that are indexed per file.
const MAX_ITEMS_PER_FILE: usize = 500;
/// Length to which signatures are cut.
const MAX_SIGNATURE_BYTES: usize = 240;
/// Maximum length of a file that is indexed.
const MAX_FILE_BYTES: usize = 1 << 20;

/// A definition of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// File that contains it, relative to the workspace.
    pub path: Arc<str>,
    /// Language of the file.
    pub language: Language,
    /// Byte offset of its start.
    pub offset: usize,
    /// Its text up to the body.
    pub signature: String,
}

/// Index of the definitions and words of all files of a workspace.
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
    /// Names that the file defines.
    names: Vec<String>,
    /// Sorted hashes of the distinct words of the file, four bytes each.
    word_hashes: Box<[u32]>,
}

impl SymbolIndex {
    /// Indexes a file, replacing its former entries.
    pub fn update(&self, path: &str, language: Language, text: &str) {
        let (definitions, word_hashes) = if text.len() > MAX_FILE_BYTES {
            (Vec::new(), Box::default())
        } else {
            (definitions_in(path, language, text), word_hashes(text))
        };
        let mut tables = self.tables.write();
        tables.remove_file(path);
        let names = definitions.iter().map(|(name, _)| name.clone()).collect();
        tables.by_path.insert(path.into(), IndexedFile { names, word_hashes });
        for (name, definition) in definitions {
            tables.by_name.entry(name).or_default().push(definition);
        }
    }

    /// Removes a file from the index.
    pub fn remove(&self, path: &str) {
        self.tables.write().remove_file(path);
    }

    /// Definitions of a name in the whole workspace.
    pub fn definitions(&self, name: &str) -> Vec<Definition> {
        self.tables.read().by_name.get(name).cloned().unwrap_or_default()
    }

    /// Files that contain `name` as a whole word, in no particular order. A hash collision may add a file that does
    /// not.
    pub(crate) fn files_mentioning(&self, name: &str) -> Vec<Arc<str>> {
        let hash = word_hash(name);
        let tables = self.tables.read();
        let contains = |file: &IndexedFile| file.word_hashes.binary_search(&hash).is_ok();
        tables.by_path.iter().filter(|(_, file)| contains(file)).map(|(path, _)| path.clone()).collect()
    }

    /// Number of indexed files.
    #[cfg(test)]
    fn file_count(&self) -> usize {
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

/// Sorted hashes of the distinct words of a text.
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

/// Returns true if code of one language can use names that the other defines.
pub(crate) fn share_symbols(a: Language, b: Language) -> bool {
    let family = |language| match language {
        Language::TypeScript | Language::Tsx => Language::JavaScript,
        Language::Cpp => Language::C,
        other => other,
    };
    family(a) == family(b)
}

/// Number of folders on the way from one path to the other.
pub(crate) fn path_distance(a: &str, b: &str) -> usize {
    let common = a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).count();
    a.split('/').count() + b.split('/').count() - 2 * common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_found_and_removed_with_their_file() {
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
