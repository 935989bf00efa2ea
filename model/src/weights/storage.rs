//! Bytes of weights as they lie in a file, shared and perhaps mapped.

use std::ops::Range;
use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Result, bail};
use memmap2::Mmap;

/// A range of shared, immutable bytes, in a mapped file or in memory.
#[derive(Clone)]
pub(crate) struct Bytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
    /// The owner, if it is a mapped file.
    map: Option<Arc<Mmap>>,
}

impl Bytes {
    /// Creates the range of all bytes of `owner`.
    pub(crate) fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        let range = 0..(*owner).as_ref().len();
        Self { owner, range, map: None }
    }

    /// Creates the range of all bytes of a mapped file.
    pub(crate) fn mapped(map: Arc<Mmap>) -> Self {
        Self { map: Some(map.clone()), ..Self::new(map) }
    }

    /// Releases the pages of a mapped file that hold these bytes. Later reads load them from the file again.
    pub(crate) fn release(&self) {
        #[cfg(unix)]
        if let Some(map) = &self.map {
            // SAFETY: nobody writes to the map, so its pages come back from the file as they were.
            let released = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, self.range.start, self.range.len())
            };
            // The advice only saves memory: without it, the system reclaims the pages when it needs them.
            let _ = released;
        }
    }

    /// Returns a subrange, relative to the start of these bytes, or `None` if it is out of bounds.
    pub(crate) fn slice(&self, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.range.len() {
            return None;
        }
        let range = self.range.start + range.start..self.range.start + range.end;
        Some(Self { owner: self.owner.clone(), range, map: self.map.clone() })
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

/// A quantised matrix in the block format of its file.
pub(crate) struct QuantizedMatrix {
    /// Block format.
    pub(crate) dtype: GgmlDType,
    /// Rows (outputs) and columns (inputs).
    pub(crate) shape: (usize, usize),
    /// Blocks, row after row.
    pub(crate) bytes: Bytes,
    /// Device that the matrix is to be loaded onto.
    pub(crate) device: Device,
}

impl QuantizedMatrix {
    /// Checks that the length of `bytes` matches the shape.
    ///
    /// # Errors
    /// Fails if it does not, or if a row is not made of whole blocks.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { dtype, shape, bytes, .. } = self;
        let (columns, bytes) = (shape.1, bytes.as_ref().len());
        let expected = shape.0 * columns / dtype.block_size() * dtype.type_size();
        if !columns.is_multiple_of(dtype.block_size()) || bytes != expected {
            bail!("{bytes} bytes cannot hold a {dtype:?} matrix of shape {shape:?}");
        }
        Ok(())
    }

    /// Returns the matrix of a range of rows. It shares the bytes: rows are made of whole blocks.
    ///
    /// # Errors
    /// Fails if the range is outside the matrix.
    pub(crate) fn slice_rows(&self, rows: Range<usize>) -> Result<Self> {
        let row = self.shape.1 / self.dtype.block_size() * self.dtype.type_size();
        let Some(bytes) = self.bytes.slice(rows.start * row..rows.end * row) else {
            bail!("rows {rows:?} are outside a matrix of {} rows", self.shape.0)
        };
        Ok(Self { dtype: self.dtype, shape: (rows.len(), self.shape.1), bytes, device: self.device.clone() })
    }
}
