//! Memory that the threads of a step share: each writes its own part, all read after a barrier.

use std::cell::UnsafeCell;
use std::ops::Range;

/// A buffer that keeps its memory from step to step.
pub(crate) struct SharedBuffer<T> {
    values: Vec<UnsafeCell<T>>,
}

// SAFETY: every access goes through the unsafe functions below, whose callers keep threads apart.
unsafe impl<T: Send + Sync> Sync for SharedBuffer<T> {}

impl<T> Default for SharedBuffer<T> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

impl<T: Copy + Default> SharedBuffer<T> {
    /// Makes room for so many values; it never shrinks.
    pub(crate) fn reserve(&mut self, count: usize) {
        if self.values.len() < count {
            self.values.resize_with(count, || UnsafeCell::new(T::default()));
        }
    }

    /// The values.
    pub(crate) fn into_vec(self) -> Vec<T> {
        self.values.into_iter().map(UnsafeCell::into_inner).collect()
    }

    /// A part, to be read.
    ///
    /// # Safety
    /// Nobody may write it meanwhile.
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &[T] {
        let part = &self.values[range];
        // SAFETY: a cell has the layout of its value; by contract nobody writes it.
        unsafe { std::slice::from_raw_parts(part.as_ptr().cast(), part.len()) }
    }

    /// All of it, to be read.
    ///
    /// # Safety
    /// Nobody may write it meanwhile.
    pub(crate) unsafe fn as_slice(&self) -> &[T] {
        // SAFETY: by contract.
        unsafe { self.slice(0..self.values.len()) }
    }

    /// A part, to be written.
    ///
    /// # Safety
    /// Nobody else may use it meanwhile.
    #[expect(clippy::mut_from_ref, reason = "threads have different parts")]
    pub(crate) unsafe fn slice_mut(&self, range: Range<usize>) -> &mut [T] {
        let part = &self.values[range];
        // SAFETY: a cell may be written through; by contract nobody else uses this part.
        unsafe { std::slice::from_raw_parts_mut(UnsafeCell::raw_get(part.as_ptr()), part.len()) }
    }
}
