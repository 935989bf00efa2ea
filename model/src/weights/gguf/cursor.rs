//! Reads numbers and texts from the front of a mapped file, and never past its end.

use std::ops::Range;

use crate::weights::Fault;

/// A place in the file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Where the next byte is.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// The range of the next `len` bytes, which are passed over.
    fn take(&mut self, len: u64) -> Result<Range<usize>, Fault> {
        match usize::try_from(len) {
            Ok(len) if len <= self.remaining() => {
                self.offset += len;
                Ok(self.offset - len..self.offset)
            }
            _ => Err(Fault::Malformed(format!("the file ends at byte {}, inside its header", self.bytes.len()))),
        }
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let range = self.take(N as u64)?;
        Ok(std::array::from_fn(|i| self.bytes[range.start + i]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count of things of at least `each` bytes: refused where the rest of the file cannot hold them, so that it is safe to
    /// allocate for.
    pub(super) fn count(&mut self, each: usize, what: &str) -> Result<usize, Fault> {
        let count = self.u64()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.remaining() / each => Ok(count),
            _ => Err(Fault::Malformed(format!("it claims {count} {what}, more than the file can hold"))),
        }
    }

    /// The range of a text with its length before it.
    pub(super) fn string_range(&mut self) -> Result<Range<usize>, Fault> {
        let len = self.u64()?;
        self.take(len)
    }

    /// A text that must be UTF-8, such as a name.
    pub(super) fn string(&mut self) -> Result<&'a str, Fault> {
        let range = self.string_range()?;
        std::str::from_utf8(&self.bytes[range]).map_err(|_| Fault::Malformed("a name is not UTF-8".into()))
    }

    /// The range of `count` things of `each` bytes.
    pub(super) fn array_range(&mut self, count: usize, each: usize) -> Result<Range<usize>, Fault> {
        self.take((count as u64).saturating_mul(each as u64))
    }
}
