//! Thread pool of the kernels.
//!
//! A decode step has about two hundred phases of a few microseconds to a few hundred, so waking a sleeping thread for
//! each of them would cost more than the work. The threads spin for a short while after an operation and then sleep: a
//! decoding engine never waits for a wake-up, and an idle one costs nothing.

use std::ops::{Deref, Range};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time that a thread spins before it sleeps.
const SPIN_TIME: Duration = Duration::from_micros(400);

type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// Task with its lifetime erased. [`Pool::run`] does not return before all threads are done with it.
#[derive(Clone, Copy)]
struct ErasedTask(*const Task<'static>);

// SAFETY: the task behind the pointer is `Sync`, and `Pool::run` keeps it alive while any thread may use it.
unsafe impl Send for ErasedTask {}

struct PoolState {
    /// Number of operations; a change is the signal to start.
    epoch: AtomicUsize,
    /// Number of worker threads that have not finished this operation.
    pending: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
    work: Mutex<Option<ErasedTask>>,
}

/// Fixed number of threads, including the calling one.
pub(crate) struct Pool {
    shared: Arc<PoolState>,
    workers: Vec<(JoinHandle<()>, Thread)>,
    /// Locked during an operation: one runs at a time.
    busy: Mutex<()>,
}

impl Pool {
    /// Creates a pool of `threads` threads in all, at least one.
    pub(crate) fn new(threads: usize) -> Self {
        let shared = Arc::new(PoolState {
            epoch: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            work: Mutex::new(None),
        });
        let spawn = |index: usize| {
            let shared = shared.clone();
            let body = move || run_worker(&shared, index);
            let handle = std::thread::Builder::new().name(format!("kernel-{index}")).spawn(body).ok()?;
            let thread = handle.thread().clone();
            Some((handle, thread))
        };
        let workers = (1..threads.max(1)).map_while(spawn).collect();
        Self { shared, workers, busy: Mutex::new(()) }
    }

    /// Number of threads, including the calling one.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task(i)` once for each `i` below [`threads`](Self::threads), each on its own thread, and returns when all
    /// are done.
    pub(crate) fn run(&self, task: &Task<'_>) {
        if self.workers.is_empty() {
            return task(0);
        }
        let _busy = self.busy.lock();
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes; the task is not used after this function, which waits for every thread
        // below.
        let work = ErasedTask(unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) });
        *shared.work.lock() = Some(work);
        shared.pending.store(self.workers.len(), Ordering::Relaxed);
        shared.epoch.fetch_add(1, Ordering::Release);
        for (_, thread) in &self.workers {
            thread.unpark();
        }
        let own_result = catch_unwind(AssertUnwindSafe(|| task(0)));
        while shared.pending.load(Ordering::Acquire) > 0 {
            std::hint::spin_loop();
        }
        let panicked = shared.panicked.swap(false, Ordering::Relaxed);
        if let Err(panic) = own_result {
            resume_unwind(panic);
        }
        assert!(!panicked, "a kernel thread panicked");
    }

    /// Splits `count` items into contiguous ranges, one per thread, and runs `task` on each.
    pub(crate) fn run_ranges(&self, count: usize, task: &(dyn Fn(Range<usize>) + Sync)) {
        let threads = self.threads();
        if count <= 1 || threads == 1 {
            return task(0..count);
        }
        self.run(&|i| task(count * i / threads..count * (i + 1) / threads));
    }
}

/// Threads of one [`Pool::run`] that go through phases together.
///
/// A step is a list of phases. In each phase the threads take chunks of the work until none is left and then wait at a
/// barrier, so a slower thread takes fewer chunks.
pub(crate) struct ThreadGroup {
    threads: usize,
    arrived: CachePadded<AtomicUsize>,
    generation: CachePadded<AtomicUsize>,
    /// True after a member panicked, so that the others do not wait for it.
    has_panicked: AtomicBool,
    /// First item that no member has taken; phases use the four counters in turn.
    next_item: CachePadded<[AtomicUsize; 4]>,
}

/// Value alone in its cache lines, so that polling it does not slow down writes to another (no false sharing). Two
/// lines, because processors prefetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct CachePadded<T>(T);

impl<T> Deref for CachePadded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl ThreadGroup {
    /// Creates a group of `threads` threads, each of which must [`join`](Self::join).
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: CachePadded::default(),
            generation: CachePadded::default(),
            has_panicked: AtomicBool::new(false),
            next_item: CachePadded::default(),
        }
    }

    /// Length of the chunk of a phase that begins at item `start`, which is below `count`.
    fn chunk_len(&self, count: usize, start: usize, min_chunk: usize) -> usize {
        let (remaining, max_chunk) = (count - start, count.div_ceil(self.threads * 4));
        (remaining / (self.threads * 2)).min(max_chunk).max(min_chunk).min(remaining)
    }

    /// Makes the calling thread a member of the group.
    pub(crate) fn join(&self, thread: usize) -> GroupMember<'_> {
        GroupMember { group: self, thread, phase: 0 }
    }
}

/// Thread of a [`ThreadGroup`].
pub(crate) struct GroupMember<'a> {
    group: &'a ThreadGroup,
    /// Index of the thread.
    pub(crate) thread: usize,
    phase: usize,
}

impl GroupMember<'_> {
    /// Runs a phase: all threads together call `work` for chunks of at least `min_chunk` items until all `count`
    /// are done, then wait at the barrier. Chunks get smaller towards the end, so that the wait is short (guided
    /// self-scheduling, Polychronopoulos and Kuck 1987).
    pub(crate) fn run_phase(&mut self, count: usize, min_chunk: usize, mut work: impl FnMut(Range<usize>)) {
        let (group, next_item) = (self.group, &self.group.next_item[self.phase % 4]);
        let chunk_end = |start: usize| start + group.chunk_len(count, start, min_chunk);
        let take_chunk = |start: usize| if start < count { Some(chunk_end(start)) } else { None };
        while let Ok(start) = next_item.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_chunk) {
            work(start..chunk_end(start));
        }
        self.barrier();
    }

    /// Waits until all threads have arrived.
    fn barrier(&mut self) {
        let group = self.group;
        // The counter after next was used two phases ago. No thread uses it before the next barrier.
        group.next_item[(self.phase + 2) % 4].store(0, Ordering::Relaxed);
        self.phase += 1;
        let generation = group.generation.load(Ordering::Acquire);
        if group.arrived.fetch_add(1, Ordering::AcqRel) + 1 == group.threads {
            group.arrived.store(0, Ordering::Relaxed);
            group.generation.fetch_add(1, Ordering::Release);
            return;
        }
        let mut spins = 0u32;
        while group.generation.load(Ordering::Acquire) == generation {
            assert!(!group.has_panicked.load(Ordering::Relaxed), "another kernel thread panicked");
            spins += 1;
            if spins.is_multiple_of(SPINS_BEFORE_YIELD) {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

/// Spins of a waiting thread before it yields its core.
const SPINS_BEFORE_YIELD: u32 = 4096;

impl Drop for GroupMember<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.group.has_panicked.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.epoch.fetch_add(1, Ordering::Release);
        for (handle, thread) in self.workers.drain(..) {
            thread.unpark();
            // A worker catches its panics, so joining cannot fail.
            let _ = handle.join();
        }
    }
}

/// Runs the tasks of a pool on thread `index` until the pool stops.
fn run_worker(shared: &PoolState, index: usize) {
    let mut epoch = 0;
    loop {
        epoch = wait_for_epoch_after(shared, epoch);
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        let work = *shared.work.lock();
        if let Some(ErasedTask(task)) = work {
            // SAFETY: `Pool::run` waits until `pending` is zero, so the task is alive until the decrement below.
            let task = unsafe { &*task };
            if catch_unwind(AssertUnwindSafe(|| task(index))).is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
        }
        shared.pending.fetch_sub(1, Ordering::Release);
    }
}

/// Waits for an epoch other than `last` and returns it: spins for [`SPIN_TIME`], then sleeps until it is unparked.
fn wait_for_epoch_after(shared: &PoolState, last: usize) -> usize {
    let mut spinning_since = Instant::now();
    let mut spins = 0u32;
    loop {
        let epoch = shared.epoch.load(Ordering::Acquire);
        if epoch != last {
            return epoch;
        }
        std::hint::spin_loop();
        spins += 1;
        if spins.is_multiple_of(64) && spinning_since.elapsed() > SPIN_TIME {
            std::thread::park();
            spinning_since = Instant::now();
        }
    }
}

static POOL: OnceLock<Pool> = OnceLock::new();

/// Pool of this process, with the number of threads that [`set_threads`] set, else one per core.
pub(crate) fn pool() -> &'static Pool {
    POOL.get_or_init(|| Pool::new(std::thread::available_parallelism().map_or(1, usize::from)))
}

/// Sets the number of threads of the pool. Returns false if the pool runs already: it never changes after that.
pub(crate) fn set_threads(threads: usize) -> bool {
    POOL.set(Pool::new(threads)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_by_any_number_of_threads() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads);
            for count in [0, 1, 2, 5, 100] {
                let hits: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                pool.run_ranges(count, &|range| {
                    for i in range {
                        hits[i].fetch_add(1, Ordering::Relaxed);
                    }
                });
                assert!(hits.iter().all(|hit| hit.load(Ordering::Relaxed) == 1), "{threads} threads, {count} items");
            }
        }
    }

    #[test]
    fn a_group_finishes_every_item_of_a_phase_before_the_next() {
        for threads in [1, 2, 5] {
            let (pool, group) = (Pool::new(threads), ThreadGroup::new(threads));
            let done: Vec<AtomicUsize> = (0..50).map(|_| AtomicUsize::new(0)).collect();
            pool.run(&|thread| {
                let mut member = group.join(thread);
                for (phase, done) in done.iter().enumerate() {
                    member.run_phase(phase + 1, 1 + phase % 3, |range| {
                        done.fetch_add(range.len(), Ordering::Relaxed);
                    });
                    assert_eq!(done.load(Ordering::Relaxed), phase + 1);
                }
            });
        }
    }

    #[test]
    fn chunks_shrink_towards_the_end_of_a_phase() {
        for (threads, count, min_chunk) in [(1, 304, 2), (2, 304, 2), (2, 56, 2), (2, 9496, 2), (3, 7, 1), (16, 56, 2)]
        {
            let group = ThreadGroup::new(threads);
            let mut lengths = Vec::new();
            let mut start = 0;
            while start < count {
                lengths.push(group.chunk_len(count, start, min_chunk));
                start += lengths[lengths.len() - 1];
            }
            assert_eq!(start, count);
            assert!(lengths.is_sorted_by(|a, b| a >= b), "{lengths:?}");
            assert!(lengths[lengths.len() - 1] <= min_chunk, "{lengths:?}");
            assert!(lengths[0] <= count.div_ceil(threads * 4).max(min_chunk), "{lengths:?}");
        }
    }

    #[test]
    fn a_panicking_member_releases_the_others() {
        let (pool, group) = (Pool::new(3), ThreadGroup::new(3));
        let run = || {
            pool.run(&|thread| {
                let mut member = group.join(thread);
                member.run_phase(3, 1, |_| {});
                assert!(thread != 1, "as asked");
                member.run_phase(3, 1, |_| {});
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        pool.run(&|_| {});
    }

    #[test]
    fn a_sleeping_pool_wakes_up() {
        let pool = Pool::new(3);
        let count = AtomicUsize::new(0);
        for _ in 0..3 {
            std::thread::sleep(SPIN_TIME * 5);
            pool.run(&|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(count.load(Ordering::Relaxed), 9);
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        let panicking = AssertUnwindSafe(|| pool.run(&|i| assert!(i != 1, "as asked")));
        assert!(catch_unwind(panicking).is_err());
        pool.run(&|_| {});
    }
}
