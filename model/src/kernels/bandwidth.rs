//! Measurement of the read bandwidth of memory, to compare decoding with.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use super::layout::LINE_BYTES;
use super::memory::{Line, LineBuffer};
use super::pool::pool;
use super::table::kernels;

/// Measures the read bandwidth of all threads together in bytes per second. The result is the best of several runs over
/// more memory than the caches hold.
pub fn read_bandwidth() -> f64 {
    const COUNT: usize = (256 << 20) / LINE_BYTES;
    const RUNS: usize = 5;
    let mut lines = LineBuffer::zeroed(COUNT);
    lines.fill(Line([1; LINE_BYTES]));
    let kernels = kernels();
    let measure = |_| {
        let (bits, started) = (AtomicI32::new(0), Instant::now());
        pool().run_ranges(COUNT, &|range| {
            // SAFETY: the set is supported.
            bits.fetch_or(unsafe { (kernels.read_lines)(&lines[range]) }, Ordering::Relaxed);
        });
        std::hint::black_box(bits.into_inner());
        (COUNT * LINE_BYTES) as f64 / started.elapsed().as_secs_f64()
    };
    (0..RUNS).map(measure).fold(0.0, f64::max)
}
