//! Suggestion cache: generations of the model for a document, so that typing into a suggestion needs no model.
//!
//! A [`Generation`] is one run of the model for one cursor of a document. While the user types what it has written, or
//! what it is about to write, requests are answered from it and it goes on; a generation that an edit contradicts is
//! cancelled. Finished generations stay in the cache, so that deleting and typing again is free.
//!
//! The cache is a trie: a generation is stored under the text that leads to its cursor, so the cost of a lookup is
//! linear in the length of that text and independent of the number of generations.

mod generation;
mod recent_windows;
mod region;
mod typing_cadence;

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Instant;

use fnv::FnvHasher;

pub(crate) use generation::{Completion, Generation, Lookup};
pub(crate) use recent_windows::RecentWindows;
pub(crate) use region::{EditRegion, RegionCursor};
pub(crate) use typing_cadence::TypingCadence;

/// Longest prefix of an unfinished text that can be displayed on its own: complete lines, or else complete words.
pub(crate) fn displayable_prefix(text: &str) -> &str {
    match text.rfind('\n') {
        Some(end) if !text[..end].trim().is_empty() => &text[..end],
        _ => text.trim_end_matches(|letter: char| letter.is_alphanumeric() || letter == '_'),
    }
}

/// Regions of a document that are tracked.
const MAX_REGIONS: usize = 4;
/// Bytes of generations that are cached for one document.
const MAX_CACHED_BYTES: usize = 1 << 20;
/// Texts of removed generations that are kept as drafts.
const MAX_RECENT_TEXTS: usize = 16;
/// Lengths of the text before the cursor by which the cursor is located in such a text. A longer match is more
/// reliable, so the longest is tried first.
const DRAFT_CONTEXT_BYTES: [usize; 3] = [32, 16, 8];

/// Suggestions for one document.
#[derive(Debug, Default)]
pub(crate) struct SuggestionCache {
    /// Regions, the latest last.
    regions: VecDeque<Arc<EditRegion>>,
    /// Generations by the path that leads to their cursor, each with its id; ids increase.
    by_path: HashMap<PathHash, Vec<(u64, Arc<Generation>)>>,
    /// The same generations, the latest last.
    generations: VecDeque<Arc<Generation>>,
    next_id: u64,
    /// Texts of removed generations, each after the text that preceded it. The model may write them again.
    retired_texts: VecDeque<String>,
    /// Windows of the last prompts, for the next prompt to reuse.
    pub(crate) recent_windows: RecentWindows,
    /// Typing speed in this document.
    pub(crate) typing_cadence: TypingCadence,
}

/// Node of the trie: the FNV-1a hash of a region and a path in it, extended byte by byte. A collision costs time but no
/// correctness, since the path of each generation that is found is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PathHash(u64);

impl PathHash {
    fn of_region(region: &Arc<EditRegion>) -> Self {
        let mut hasher = FnvHasher::default();
        hasher.write_usize(Arc::as_ptr(region) as usize);
        Self(hasher.finish())
    }

    fn of_cursor(cursor: &RegionCursor) -> Self {
        let mut hasher = FnvHasher::with_key(Self::of_region(&cursor.region).0);
        hasher.write(cursor.path.as_bytes());
        Self(hasher.finish())
    }

    fn extend(self, byte: u8) -> Self {
        let mut hasher = FnvHasher::with_key(self.0);
        hasher.write_u8(byte);
        Self(hasher.finish())
    }
}

impl SuggestionCache {
    /// Finds the latest generation of at least `candidates` candidates that has a completion for this cursor, or may
    /// still write one. Returns it with the cursor in its region.
    pub(crate) fn find(&self, text: &str, cursor: usize, candidates: usize) -> Option<(Arc<Generation>, RegionCursor)> {
        self.regions.iter().rev().find_map(|region| {
            let cursor = region.locate(text, cursor)?;
            let usable = self.generations_along(&cursor).filter(|(_, generation)| {
                generation.candidates() >= candidates && generation.lookup(&cursor) != Lookup::Miss
            });
            let (_, latest) = usable.max_by_key(|(id, _)| *id)?;
            Some((latest.clone(), cursor))
        })
    }

    /// Generations that started at a prefix of the path to `cursor`.
    fn generations_along(&self, cursor: &RegionCursor) -> impl Iterator<Item = &(u64, Arc<Generation>)> {
        let root = PathHash::of_region(&cursor.region);
        let nodes = cursor.path.bytes().scan(root, |node, byte| {
            *node = node.extend(byte);
            Some(*node)
        });
        std::iter::once(root).chain(nodes).filter_map(|node| self.by_path.get(&node)).flatten()
    }

    /// Starts a generation and cancels the others that are running.
    pub(crate) fn start(&mut self, text: &Arc<str>, cursor: usize, candidates: usize) -> Arc<Generation> {
        self.cancel_unless(|_| false);
        self.insert(text, cursor, candidates, None)
    }

    /// Starts a prefetch for a text in which a suggestion of `suggestion_len` bytes before the cursor has been
    /// accepted. Returns `None` if it is not needed or has to wait: the continuation is cached, or something else is
    /// running.
    pub(crate) fn start_prefetch(
        &mut self,
        text: &Arc<str>,
        cursor: usize,
        suggestion_len: usize,
    ) -> Option<Arc<Generation>> {
        self.cancel_unless(|generation| !generation.is_prefetch() || generation.origin().is_at(text, cursor));
        let is_busy = self.generations.iter().any(|generation| generation.is_running());
        if is_busy || self.find(text, cursor, 1).is_some() {
            return None;
        }
        Some(self.insert(text, cursor, 1, Some(suggestion_len)))
    }

    fn insert(
        &mut self,
        text: &Arc<str>,
        cursor: usize,
        candidates: usize,
        suggestion_len: Option<usize>,
    ) -> Arc<Generation> {
        let origin = self.regions.iter().rev().find_map(|region| region.locate(text, cursor));
        let origin = origin.unwrap_or_else(|| self.add_region(text, cursor));
        let suggestion_start = suggestion_len.map(|len| origin.path.len().saturating_sub(len));
        let node = PathHash::of_cursor(&origin);
        let generation = Generation::new(origin, candidates, suggestion_start);
        self.by_path.entry(node).or_default().push((self.next_id, generation.clone()));
        self.next_id += 1;
        self.generations.push_back(generation.clone());
        let mut bytes: usize = self.generations.iter().map(|generation| generation.size_bytes()).sum();
        while bytes > MAX_CACHED_BYTES && self.generations.len() > 1 {
            let oldest = self.generations[0].clone();
            bytes = bytes.saturating_sub(oldest.size_bytes());
            self.evict(&oldest);
        }
        generation
    }

    /// Adds a region that ends at the cursor, in place of the oldest one if there are too many.
    fn add_region(&mut self, text: &Arc<str>, cursor: usize) -> RegionCursor {
        if self.regions.len() == MAX_REGIONS
            && let Some(oldest) = self.regions.pop_front()
        {
            for generation in self.generations.clone() {
                if Arc::ptr_eq(&generation.origin().region, &oldest) {
                    self.evict(&generation);
                }
            }
        }
        let region = EditRegion::ending_at(text, cursor);
        self.regions.push_back(region.clone());
        let empty = || RegionCursor { region: region.clone(), path: String::new(), tail: String::new() };
        region.locate(text, cursor).unwrap_or_else(empty)
    }

    /// Records an edit of the document, which is `text` now. Running generations that the edit contradicts are
    /// cancelled.
    pub(crate) fn apply_edit(&mut self, text: &str) {
        self.typing_cadence.record_key(Instant::now());
        self.cancel_unless(|generation| generation.survives_edit(text));
    }

    /// Removes all generations, because the model might write something else now: another document was edited, or the
    /// model or an option has changed. Requests that are waiting for a generation still get what it writes, since an
    /// editor that has received nothing does not ask again.
    pub(crate) fn invalidate(&mut self) {
        for generation in self.generations.clone() {
            generation.detach();
            self.remove(&generation);
        }
    }

    /// Drafts for this cursor, for speculative decoding: texts that earlier generations wrote here, the latest first.
    pub(crate) fn likely_completions(&self, cursor: &RegionCursor) -> Vec<String> {
        let mut cached: Vec<_> = self.generations_along(cursor).collect();
        cached.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        let cached = cached.into_iter().filter_map(|(_, generation)| generation.draft_after(cursor));
        let path = &cursor.path;
        let contexts = DRAFT_CONTEXT_BYTES.iter().filter_map(|bytes| path.get(path.len().checked_sub(*bytes)?..));
        let after = |context: &str, text: &String| Some(text[text.rfind(context)? + context.len()..].to_owned());
        let retired =
            contexts.flat_map(|context| self.retired_texts.iter().rev().filter_map(move |text| after(context, text)));
        cached.chain(retired).filter(|draft| !draft.is_empty()).collect()
    }

    /// Texts of the latest generations, each after the text that preceded it; the latest last.
    pub(crate) fn recent_generations(&self) -> Vec<Arc<str>> {
        let cached = self.generations.iter().rev().take(MAX_RECENT_TEXTS).map(|generation| generation.text());
        let latest = cached.chain(self.retired_texts.iter().rev().cloned()).take(MAX_RECENT_TEXTS);
        let mut texts: Vec<Arc<str>> = latest.map(Arc::from).collect();
        texts.reverse();
        texts
    }

    /// Cancels the running generations for which `keep` is false, and removes those that are cancelled.
    fn cancel_unless(&mut self, keep: impl Fn(&Generation) -> bool) {
        for generation in self.generations.clone() {
            let is_finished = generation.usage().is_some();
            if generation.is_cancelled() || (!is_finished && !keep(&generation)) {
                self.evict(&generation);
            }
        }
    }

    fn evict(&mut self, generation: &Arc<Generation>) {
        generation.cancel();
        self.remove(generation);
    }

    /// Removes a generation from the trie. Its text is kept as a draft.
    fn remove(&mut self, generation: &Arc<Generation>) {
        self.generations.retain(|other| !Arc::ptr_eq(other, generation));
        let node = PathHash::of_cursor(generation.origin());
        if let Some(here) = self.by_path.get_mut(&node) {
            here.retain(|(_, other)| !Arc::ptr_eq(other, generation));
            if here.is_empty() {
                self.by_path.remove(&node);
            }
        }
        self.retired_texts.push_back(generation.text());
        if self.retired_texts.len() > MAX_RECENT_TEXTS {
            self.retired_texts.pop_front();
        }
    }
}

impl Drop for SuggestionCache {
    fn drop(&mut self) {
        for generation in &self.generations {
            generation.cancel();
        }
    }
}

#[cfg(test)]
mod tests;
