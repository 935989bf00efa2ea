//! Memory for weights, taken in large pieces that the system may back with large pages: a decode step reads all of it once, and
//! looking up a small page costs as much as reading it.

use std::alloc::Layout;
use std::ops::{Deref, DerefMut, Range};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use half::f16;
use memmap2::MmapMut;

use super::layout::LINE;
use super::pool::pool;

/// 64 bytes that begin where a cache line begins.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u8; LINE]);

/// Bytes of a piece.
const PIECE: usize = 64 << 20;

/// A piece of memory, freed when nobody has a part of it.
struct Piece {
    map: MmapMut,
}

/// The piece that parts are taken from, and the lines of it that are taken.
static CURRENT: Mutex<(Weak<Piece>, usize)> = Mutex::new((Weak::new(), 0));

/// Some lines of memory.
pub(crate) struct Lines {
    start: *mut Line,
    count: usize,
    /// What they are a part of.
    _piece: Option<Arc<Piece>>,
    /// Or their own memory, where the system gives no piece.
    _own: Vec<Line>,
}

// SAFETY: the lines belong to this value alone; they are shared and sent as a `Vec` is.
unsafe impl Send for Lines {}
// SAFETY: as above.
unsafe impl Sync for Lines {}

impl Lines {
    /// Lines of zeros.
    pub(crate) fn zeroed(count: usize) -> Self {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        let (piece, used) = match current.0.upgrade() {
            Some(piece) if (current.1 + count) * LINE <= piece.map.len() => (piece, current.1),
            _ => match Piece::new((count * LINE).max(PIECE)) {
                Some(piece) => (Arc::new(piece), 0),
                None => return Self::own(count),
            },
        };
        *current = (Arc::downgrade(&piece), used + count);
        // The map begins at a page and is as long as the count of used lines says. Each part is given out once.
        let start = piece.map.as_ptr().cast_mut().cast::<Line>().wrapping_add(used);
        Self { start, count, _piece: Some(piece), _own: Vec::new() }
    }

    fn own(count: usize) -> Self {
        let mut own = vec![Line([0; LINE]); count];
        Self { start: own.as_mut_ptr(), count, _piece: None, _own: own }
    }
}

impl Piece {
    fn new(bytes: usize) -> Option<Self> {
        let map = MmapMut::map_anon(bytes).ok()?;
        // Without large pages it is only slower.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Some(Self { map })
    }
}

/// Memory of its own, which the system has back as soon as it is dropped. An allocator would keep it, once for each thread that
/// has asked for some.
pub(crate) struct F16Buffer {
    map: Option<MmapMut>,
    count: usize,
}

impl F16Buffer {
    /// So many zeros.
    pub(crate) fn zeroed(count: usize) -> Self {
        let bytes = count * size_of::<f16>();
        let map = (bytes > 0).then(|| {
            let none = |_| std::alloc::handle_alloc_error(Layout::array::<f16>(count).unwrap_or(Layout::new::<f16>()));
            MmapMut::map_anon(bytes).unwrap_or_else(none)
        });
        Self { map, count }
    }

    fn start(&self) -> *mut f16 {
        self.map.as_ref().map_or(std::ptr::dangling_mut(), |map| map.as_ptr().cast_mut().cast())
    }

    /// A part, to be read.
    ///
    /// # Safety
    /// Nobody may write it meanwhile.
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &[f16] {
        assert!(range.start <= range.end && range.end <= self.count);
        // SAFETY: inside the map, which begins at a page; by contract nobody writes it.
        unsafe { std::slice::from_raw_parts(self.start().add(range.start), range.len()) }
    }

    /// A part, to be written.
    ///
    /// # Safety
    /// Nobody else may use it meanwhile.
    #[expect(clippy::mut_from_ref, reason = "threads have different parts")]
    pub(crate) unsafe fn slice_mut(&self, range: Range<usize>) -> &mut [f16] {
        assert!(range.start <= range.end && range.end <= self.count);
        // SAFETY: inside the map, which may be written; by contract nobody else uses this part.
        unsafe { std::slice::from_raw_parts_mut(self.start().add(range.start), range.len()) }
    }
}

impl Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        // SAFETY: the lines lie in memory that this value keeps, and are initialised.
        unsafe { std::slice::from_raw_parts(self.start, self.count) }
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [Line] {
        // SAFETY: as above, and nobody else has these lines.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.count) }
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} lines", self.count)
    }
}

/// Gives memory that was freed back to the system. Building a tokenizer and writing a search index free tens of megabytes, in
/// pieces that the allocator would keep.
pub fn trim_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Bytes that all threads together read from memory in a second: the best of some runs over more memory than caches hold.
pub fn read_bandwidth() -> f64 {
    const COUNT: usize = (256 << 20) / LINE;
    const RUNS: usize = 5;
    let mut lines = Lines::zeroed(COUNT);
    lines.fill(Line([1; LINE]));
    let kernels = super::kernels();
    let run = |_| {
        let (all, started) = (AtomicI32::new(0), Instant::now());
        pool().ranges(COUNT, &|range| {
            // SAFETY: the set is here.
            all.fetch_or(unsafe { (kernels.read)(&lines[range]) }, Ordering::Relaxed);
        });
        std::hint::black_box(all.into_inner());
        (COUNT * LINE) as f64 / started.elapsed().as_secs_f64()
    };
    (0..RUNS).map(run).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_zero_and_apart() {
        let mut parts: Vec<Lines> = [3, 0, 7, PIECE / LINE + 1, 5].map(Lines::zeroed).into();
        for (i, part) in parts.iter_mut().enumerate() {
            assert!(part.iter().all(|line| line.0 == [0; LINE]));
            part.fill(Line([i as u8 + 1; LINE]));
        }
        for (i, part) in parts.iter().enumerate() {
            assert!(part.iter().all(|line| line.0 == [i as u8 + 1; LINE]) && part.as_ptr().addr().is_multiple_of(LINE));
        }
    }
}
