//! The threads that share out the work of one operation.
//!
//! A decode step has some two hundred operations of a few hundred microseconds each, so waking a sleeping thread for each
//! of them costs more than the work. These threads spin for a short while after an operation and sleep after that: a
//! decoding engine never waits for a wake-up, an idle one costs nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a thread spins before it sleeps.
const SPIN: Duration = Duration::from_micros(400);

type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// A task with its lifetime taken away; [`Pool::run`] does not return before all threads are done with it.
#[derive(Clone, Copy)]
struct Work(*const Task<'static>);

// SAFETY: the task behind the pointer is `Sync`, and `Pool::run` keeps it alive while any thread may use it.
unsafe impl Send for Work {}

struct Shared {
    /// Counts operations; a change is the signal to begin.
    epoch: AtomicUsize,
    /// Threads that have not finished this operation.
    pending: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
    work: Mutex<Option<Work>>,
}

/// A fixed number of threads, the calling one among them.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<(JoinHandle<()>, Thread)>,
    /// One operation at a time.
    busy: Mutex<()>,
}

impl Pool {
    /// A pool of `threads` threads in all, at least one.
    pub(crate) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            work: Mutex::new(None),
        });
        let spawn = |index: usize| {
            let shared = shared.clone();
            let body = move || worker(&shared, index);
            let handle = std::thread::Builder::new().name(format!("kernel-{index}")).spawn(body).ok()?;
            let thread = handle.thread().clone();
            Some((handle, thread))
        };
        let workers = (1..threads.max(1)).map_while(spawn).collect();
        Self { shared, workers, busy: Mutex::new(()) }
    }

    /// Number of threads, the calling one among them.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task(i)` once for each `i` below [`threads`](Self::threads), each on a thread of its own, and returns when
    /// all are done.
    pub(crate) fn run(&self, task: &Task<'_>) {
        if self.workers.is_empty() {
            return task(0);
        }
        let _busy = self.busy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes; the task is not used after this function, which waits for every thread below.
        let work = Work(unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) });
        *lock(&shared.work) = Some(work);
        shared.pending.store(self.workers.len(), Ordering::Relaxed);
        shared.epoch.fetch_add(1, Ordering::Release);
        for (_, thread) in &self.workers {
            thread.unpark();
        }
        let own = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task(0)));
        while shared.pending.load(Ordering::Acquire) > 0 {
            std::hint::spin_loop();
        }
        let panicked = shared.panicked.swap(false, Ordering::Relaxed);
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!panicked, "a kernel thread panicked");
    }

    /// Shares `count` items out in contiguous ranges, one for each thread.
    pub(crate) fn ranges(&self, count: usize, task: &(dyn Fn(std::ops::Range<usize>) + Sync)) {
        let threads = self.threads();
        if count <= 1 || threads == 1 {
            return task(0..count);
        }
        self.run(&|i| task(count * i / threads..count * (i + 1) / threads));
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn worker(shared: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        seen = next_epoch(shared, seen);
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        let work = *lock(&shared.work);
        if let Some(Work(task)) = work {
            // SAFETY: `Pool::run` waits until `pending` is zero, so the task is alive until the decrement below.
            let task = unsafe { &*task };
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task(index))).is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
        }
        shared.pending.fetch_sub(1, Ordering::Release);
    }
}

fn next_epoch(shared: &Shared, seen: usize) -> usize {
    let mut since = Instant::now();
    let mut spins = 0u32;
    loop {
        let epoch = shared.epoch.load(Ordering::Acquire);
        if epoch != seen {
            return epoch;
        }
        std::hint::spin_loop();
        spins += 1;
        if spins.is_multiple_of(64) && since.elapsed() > SPIN {
            std::thread::park();
            since = Instant::now();
        }
    }
}

static POOL: OnceLock<Pool> = OnceLock::new();

/// The pool of this process, with as many threads as [`set_threads`] said or else as the machine has cores.
pub(crate) fn pool() -> &'static Pool {
    POOL.get_or_init(|| Pool::new(std::thread::available_parallelism().map_or(1, usize::from)))
}

/// Sets the number of threads; false when the pool already runs, since it never changes after that.
pub fn set_threads(threads: usize) -> bool {
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
                pool.ranges(count, &|range| {
                    for i in range {
                        hits[i].fetch_add(1, Ordering::Relaxed);
                    }
                });
                assert!(hits.iter().all(|hit| hit.load(Ordering::Relaxed) == 1), "{threads} threads, {count} items");
            }
        }
    }

    #[test]
    fn a_pool_that_slept_works_on() {
        let pool = Pool::new(3);
        let count = AtomicUsize::new(0);
        for _ in 0..3 {
            std::thread::sleep(SPIN * 5);
            pool.run(&|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(count.load(Ordering::Relaxed), 9);
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        let panicking = std::panic::AssertUnwindSafe(|| pool.run(&|i| assert!(i != 1, "as asked")));
        assert!(std::panic::catch_unwind(panicking).is_err());
        pool.run(&|_| {});
    }
}
