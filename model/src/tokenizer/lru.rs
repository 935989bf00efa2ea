//! Texts that were tokenised a moment ago: on the typing path all parts of a prompt but one are the same again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shorter texts are tokenised faster than they are found.
const MIN_CACHED_TEXT_BYTES: usize = 256;
/// How many bytes of text are kept in all.
const MAX_CACHED_BYTES: usize = 1 << 20;

/// The latest texts and their ids, the most recently used last.
#[derive(Default)]
pub(super) struct EncodingLru {
    texts: Mutex<VecDeque<(String, Vec<u32>)>>,
}

impl EncodingLru {
    /// The ids of a text, by `encode` where they are not known.
    pub(super) fn encode_with(&self, text: &str, encode: impl Fn(&str) -> Vec<u32>) -> Vec<u32> {
        if !(MIN_CACHED_TEXT_BYTES..=MAX_CACHED_BYTES / 4).contains(&text.len()) {
            return encode(text);
        }
        if let Some(ids) = self.lookup(text) {
            return ids;
        }
        let ids = encode(text);
        let mut texts = self.lock();
        texts.push_back((text.to_string(), ids.clone()));
        while texts.iter().map(|(text, _)| text.len()).sum::<usize>() > MAX_CACHED_BYTES {
            texts.pop_front();
        }
        ids
    }

    fn lookup(&self, text: &str) -> Option<Vec<u32>> {
        let mut texts = self.lock();
        let at = texts.iter().position(|(known, _)| known == text)?;
        let found = texts.remove(at)?;
        let ids = found.1.clone();
        texts.push_back(found);
        Some(ids)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Vec<u32>)>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_long_text_is_tokenised_once_and_the_oldest_is_forgotten() {
        let recent = EncodingLru::default();
        let calls = Cell::new(0);
        let encode = |text: &str| {
            calls.set(calls.get() + 1);
            vec![text.len() as u32]
        };
        let text = |n: usize| n.to_string().repeat(MAX_CACHED_BYTES / 8);
        for n in [1, 1, 2, 1] {
            assert_eq!(recent.encode_with(&text(n), encode), [MAX_CACHED_BYTES as u32 / 8]);
        }
        assert_eq!(calls.get(), 2);
        (3..=9).for_each(|n| drop(recent.encode_with(&text(n), encode)));
        let before = calls.get();
        recent.encode_with(&text(9), encode);
        assert_eq!(calls.get(), before);
        recent.encode_with(&text(2), encode);
        assert_eq!(calls.get(), before + 1);
    }
}
