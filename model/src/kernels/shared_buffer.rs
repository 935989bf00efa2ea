//! Buffers that the threads of a step share: each writes its own range, all read after a barrier.

use std::cell::UnsafeCell;
use std::ops::Range;

/// Buffer that keeps its memory from step to step.
pub(crate) struct SharedBuffer<T> {
    values: Vec<UnsafeCell<T>>,
}

// SAFETY: every access goes through the unsafe functions below, whose callers rule out data races.
unsafe impl<T: Send + Sync> Sync for SharedBuffer<T> {}

impl<T> Default for SharedBuffer<T> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

impl<T: Copy + Default> SharedBuffer<T> {
    /// Grows the buffer to at least `count` values. It never shrinks.
    pub(crate) fn reserve(&mut self, count: usize) {
        if self.values.len() < count {
            self.values.resize_with(count, || UnsafeCell::new(T::default()));
        }
    }

    /// Converts the buffer into its values.
    pub(crate) fn into_vec(self) -> Vec<T> {
        self.values.into_iter().map(UnsafeCell::into_inner).collect()
    }

    /// Range of the buffer, to be read.
    ///
    /// # Safety
    /// No thread may write the range while the slice is alive.
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &[T] {
        let cells = &self.values[range];
        // SAFETY: a cell has the layout of its value; by contract no thread writes it.
        unsafe { std::slice::from_raw_parts(cells.as_ptr().cast(), cells.len()) }
    }

    /// Whole buffer, to be read.
    ///
    /// # Safety
    /// No thread may write the buffer while the slice is alive.
    pub(crate) unsafe fn as_slice(&self) -> &[T] {
        // SAFETY: by contract.
        unsafe { self.slice(0..self.values.len()) }
    }

    /// Range of the buffer, to be written.
    ///
    /// # Safety
    /// No other thread may use the range while the slice is alive.
    #[expect(clippy::mut_from_ref, reason = "threads have different ranges")]
    pub(crate) unsafe fn slice_mut(&self, range: Range<usize>) -> &mut [T] {
        let cells = &self.values[range];
        // SAFETY: a cell may be written through; by contract no other thread uses this range.
        unsafe { std::slice::from_raw_parts_mut(UnsafeCell::raw_get(cells.as_ptr()), cells.len()) }
    }
}
