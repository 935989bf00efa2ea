//! Lexical search over the files of a workspace, for questions and for `foretype search`: an index of chunks of files
//! ([`foretype_plugins::chunks`]), ranked by BM25. It is kept in the cache folder and updated with the files that
//! changed.
//!
//! The index contains words and positions, but no text: the text of a result is read from its file, and only if the
//! file still contains there what was indexed. Files that may not enter a prompt are never indexed.

mod index;
mod store;
mod terms;
mod update;

pub(crate) use index::{SearchIndex, SearchResult};
pub(crate) use update::{IndexChanges, IndexProgress, spawn_background};

#[cfg(test)]
mod tests;
