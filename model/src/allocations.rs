//! A counter of memory allocations per thread, for tests.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count of its calls.
struct CountingAllocator;

thread_local! {
    static ALLOCATION_COUNT: Cell<usize> = const { Cell::new(0) };
}

fn increment() {
    ALLOCATION_COUNT.with(|count| count.set(count.get() + 1));
}

// SAFETY: all calls go to the system's allocator; the counter is a `const` thread-local and does not allocate.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        increment();
        // SAFETY: the caller's obligations are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        increment();
        // SAFETY: the caller's obligations are the system allocator's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        increment();
        // SAFETY: the caller's obligations are the system allocator's.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's obligations are the system allocator's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Returns the number of allocations of `work` on this thread.
pub(crate) fn count_allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATION_COUNT.get();
    work();
    ALLOCATION_COUNT.get() - before
}

#[test]
fn allocations_are_counted() {
    assert_eq!(count_allocations(|| drop(std::hint::black_box(vec![1u8; 100]))), 1);
    assert_eq!(count_allocations(|| assert!(std::hint::black_box(true))), 0);
}
