//! A bounds-checked reader of the numbers and strings in a mapped file.

use std::ops::Range;

use crate::weights::Fault;

/// A read position in the file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    /// Creates a cursor at the start of the file.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Number of unread bytes.
    fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// Advances past the next `len` bytes and returns their range.
    fn take(&mut self, len: u64) -> Result<Range<usize>, Fault> {
        match usize::try_from(len) {
            Ok(len) if len <= self.remaining() => {
                self.offset += len;
                Ok(self.offset - len..self.offset)
            }
            _ => Err(Fault::Malformed(format!("the file ends at byte {}, inside its header", self.bytes.len()))),
        }
    }

    /// Reads the next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let range = self.take(N as u64)?;
        Ok(std::array::from_fn(|i| self.bytes[range.start + i]))
    }

    /// Reads a little-endian 32-bit integer.
    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a little-endian 64-bit integer.
    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads a count of items of at least `item_bytes` each. A count that the rest of the file cannot hold is an error,
    /// so it is safe to allocate for the result.
    pub(super) fn count(&mut self, item_bytes: usize, what: &str) -> Result<usize, Fault> {
        let count = self.u64()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.remaining() / item_bytes => Ok(count),
            _ => Err(Fault::Malformed(format!("the file claims to have {count} {what}, more than the file can hold"))),
        }
    }

    /// Reads a length-prefixed string and returns its range.
    pub(super) fn string_range(&mut self) -> Result<Range<usize>, Fault> {
        let len = self.u64()?;
        self.take(len)
    }

    /// Reads a string that must be UTF-8, such as a name.
    pub(super) fn string(&mut self) -> Result<&'a str, Fault> {
        let range = self.string_range()?;
        std::str::from_utf8(&self.bytes[range]).map_err(|_| Fault::Malformed("a name is not UTF-8".into()))
    }

    /// Advances past `count` items of `item_bytes` each and returns their range.
    pub(super) fn array_range(&mut self, count: usize, item_bytes: usize) -> Result<Range<usize>, Fault> {
        self.take((count as u64).saturating_mul(item_bytes as u64))
    }
}
