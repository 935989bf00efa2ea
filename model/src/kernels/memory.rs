//! Memory for weights, allocated in large chunks that the system may back with huge pages. A decode step reads all of
//! it once, and a TLB miss for a small page costs as much as reading the page.

use std::alloc::Layout;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, Weak};

use half::f16;
use memmap2::MmapMut;
use parking_lot::Mutex;

use super::layout::LINE_BYTES;

/// 64 bytes, aligned to a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u8; LINE_BYTES]);

/// Size of a chunk in bytes.
const CHUNK_BYTES: usize = 64 << 20;

/// Chunk of memory, freed when no buffer in it is left.
struct MemoryChunk {
    map: MmapMut,
}

/// Chunk that buffers are allocated from, and the number of its lines in use.
static CURRENT_CHUNK: Mutex<(Weak<MemoryChunk>, usize)> = Mutex::new((Weak::new(), 0));

/// Buffer of lines.
pub(crate) struct LineBuffer {
    start: *mut Line,
    count: usize,
    /// Chunk that the lines lie in.
    _chunk: Option<Arc<MemoryChunk>>,
    /// Heap memory of the lines if no chunk could be mapped.
    _heap: Vec<Line>,
}

// SAFETY: the lines belong to this value alone, as the items of a `Vec` do.
unsafe impl Send for LineBuffer {}
// SAFETY: as above.
unsafe impl Sync for LineBuffer {}

impl LineBuffer {
    /// Allocates `count` lines of zeros.
    pub(crate) fn zeroed(count: usize) -> Self {
        let mut current = CURRENT_CHUNK.lock();
        let (chunk, used) = match current.0.upgrade() {
            Some(chunk) if (current.1 + count) * LINE_BYTES <= chunk.map.len() => (chunk, current.1),
            _ => match MemoryChunk::new((count * LINE_BYTES).max(CHUNK_BYTES)) {
                Some(chunk) => (Arc::new(chunk), 0),
                None => return Self::allocate(count),
            },
        };
        *current = (Arc::downgrade(&chunk), used + count);
        // The map is page-aligned and has room for `used + count` lines. Each line is given out once.
        let start = chunk.map.as_ptr().cast_mut().cast::<Line>().wrapping_add(used);
        Self { start, count, _chunk: Some(chunk), _heap: Vec::new() }
    }

    fn allocate(count: usize) -> Self {
        let mut heap = vec![Line([0; LINE_BYTES]); count];
        Self { start: heap.as_mut_ptr(), count, _chunk: None, _heap: heap }
    }
}

impl MemoryChunk {
    fn new(bytes: usize) -> Option<Self> {
        let map = MmapMut::map_anon(bytes).ok()?;
        // It fails where huge pages are not supported, which only costs speed.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Some(Self { map })
    }
}

/// Buffer of 16-bit floats that is returned to the system as soon as it is dropped. An allocator would keep it, once
/// per thread.
pub(crate) struct F16Buffer {
    map: Option<MmapMut>,
    count: usize,
}

impl F16Buffer {
    /// Allocates `count` zeros.
    pub(crate) fn zeroed(count: usize) -> Self {
        if count == 0 {
            return Self { map: None, count };
        }
        let Ok(map) = MmapMut::map_anon(count * size_of::<f16>()) else {
            std::alloc::handle_alloc_error(Layout::array::<f16>(count).unwrap_or(Layout::new::<f16>()))
        };
        Self { map: Some(map), count }
    }

    fn start(&self) -> *mut f16 {
        match &self.map {
            Some(map) => map.as_ptr().cast_mut().cast(),
            None => std::ptr::dangling_mut(),
        }
    }

    /// Range of the buffer, to be read.
    ///
    /// # Safety
    /// No thread may write the range while the slice is alive.
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &[f16] {
        assert!(range.start <= range.end && range.end <= self.count);
        // SAFETY: inside the map, which is page-aligned; by contract no thread writes it.
        unsafe { std::slice::from_raw_parts(self.start().add(range.start), range.len()) }
    }

    /// Range of the buffer, to be written.
    ///
    /// # Safety
    /// No other thread may use the range while the slice is alive.
    #[expect(clippy::mut_from_ref, reason = "threads have different ranges")]
    pub(crate) unsafe fn slice_mut(&self, range: Range<usize>) -> &mut [f16] {
        assert!(range.start <= range.end && range.end <= self.count);
        // SAFETY: inside the map, which is writable; by contract no other thread uses this range.
        unsafe { std::slice::from_raw_parts_mut(self.start().add(range.start), range.len()) }
    }
}

impl Deref for LineBuffer {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        // SAFETY: the lines lie in memory that this value keeps alive, and are initialised.
        unsafe { std::slice::from_raw_parts(self.start, self.count) }
    }
}

impl DerefMut for LineBuffer {
    fn deref_mut(&mut self) -> &mut [Line] {
        // SAFETY: as above, and the lines belong to this value alone.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.count) }
    }
}

impl std::fmt::Debug for LineBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} lines", self.count)
    }
}

/// Returns freed heap memory to the system. Building a tokenizer and writing a search index free tens of megabytes in
/// pieces that the allocator would keep.
pub fn trim_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zeroed_and_do_not_overlap() {
        let mut buffers: Vec<LineBuffer> = [3, 0, 7, CHUNK_BYTES / LINE_BYTES + 1, 5].map(LineBuffer::zeroed).into();
        for (i, buffer) in buffers.iter_mut().enumerate() {
            assert!(buffer.iter().all(|line| line.0 == [0; LINE_BYTES]));
            buffer.fill(Line([i as u8 + 1; LINE_BYTES]));
        }
        for (i, buffer) in buffers.iter().enumerate() {
            assert!(buffer.iter().all(|line| line.0 == [i as u8 + 1; LINE_BYTES]));
            assert!(buffer.as_ptr().addr().is_multiple_of(LINE_BYTES));
        }
    }
}
