//! The bytes of all tokens in one allocation.

/// Byte strings indexed by token id.
#[derive(Default)]
pub(super) struct TokenBytes {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl TokenBytes {
    /// Stores byte strings in the order of their ids.
    pub(super) fn new(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            all.bytes.extend(piece);
            all.ends.push(all.bytes.len() as u32);
        }
        all
    }

    /// The bytes of a token; empty for an unknown id.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        let Some(&end) = self.ends.get(id as usize) else { return &[] };
        let start = if id == 0 { 0 } else { self.ends[id as usize - 1] };
        &self.bytes[start as usize..end as usize]
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}
