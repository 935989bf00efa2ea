//! A least-cachely-used cache of encoded texts: while the user types, all parts of a prompt but one stay the same.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Minimum length of cached texts. Shorter ones are encoded faster than they are found.
const MIN_CACHED_TEXT_BYTES: usize = 256;
/// Limit of the total length of the cached texts.
const MAX_CACHED_BYTES: usize = 1 << 20;

/// Texts with their token ids, the most cachely used last.
#[derive(Default)]
pub(super) struct EncodingLru {
    texts: Mutex<VecDeque<(String, Vec<u32>)>>,
}

impl EncodingLru {
    /// Returns the cached ids of a text, or encodes and caches it.
    pub(super) fn encode_with(&self, text: &str, encode: impl Fn(&str) -> Vec<u32>) -> Vec<u32> {
        if !(MIN_CACHED_TEXT_BYTES..=MAX_CACHED_BYTES / 4).contains(&text.len()) {
            return encode(text);
        }
        if let Some(ids) = self.lookup(text) {
            return ids;
        }
        let ids = encode(text);
        let mut texts = self.texts.lock();
        texts.push_back((text.to_string(), ids.clone()));
        while texts.iter().map(|(text, _)| text.len()).sum::<usize>() > MAX_CACHED_BYTES {
            texts.pop_front();
        }
        ids
    }

    fn lookup(&self, text: &str) -> Option<Vec<u32>> {
        let mut texts = self.texts.lock();
        let at = texts.iter().position(|(known, _)| known == text)?;
        let found = texts.remove(at)?;
        let ids = found.1.clone();
        texts.push_back(found);
        Some(ids)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn long_texts_are_encoded_once_and_the_oldest_is_evicted() {
        let cache = EncodingLru::default();
        let calls = Cell::new(0);
        let encode = |text: &str| {
            calls.set(calls.get() + 1);
            vec![text.len() as u32]
        };
        let text = |n: usize| n.to_string().repeat(MAX_CACHED_BYTES / 8);
        for n in [1, 1, 2, 1] {
            assert_eq!(cache.encode_with(&text(n), encode), [MAX_CACHED_BYTES as u32 / 8]);
        }
        assert_eq!(calls.get(), 2);
        for n in 3..=9 {
            cache.encode_with(&text(n), encode);
        }
        let before = calls.get();
        cache.encode_with(&text(9), encode);
        assert_eq!(calls.get(), before);
        cache.encode_with(&text(2), encode);
        assert_eq!(calls.get(), before + 1);
    }
}
