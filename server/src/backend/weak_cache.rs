//! Cache of values that stay in memory while they are in use. Each is loaded once, in parallel with others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// Cell for one value, locked while the value is loaded.
type LoadCell<T> = Arc<Mutex<Weak<T>>>;

/// Values by key. The users of a value keep it in memory; the cache does not.
pub(super) struct WeakCache<K, T>(Mutex<HashMap<K, LoadCell<T>>>);

impl<K, T> Default for WeakCache<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: std::fmt::Debug, T> std::fmt::Debug for WeakCache<K, T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.0.lock().keys()).finish()
    }
}

impl<K: Eq + Hash, T> WeakCache<K, T> {
    /// Returns the value of `key`, and calls `load` if it is not in memory. Other callers with the same key wait for
    /// it; callers with other keys do not.
    ///
    /// # Errors
    /// If `load` fails.
    pub(super) fn get_or_load<E>(&self, key: K, load: impl FnOnce() -> Result<Arc<T>, E>) -> Result<Arc<T>, E> {
        let cell = self.cell(key);
        let mut cell = cell.lock();
        if let Some(value) = cell.upgrade() {
            return Ok(value);
        }
        let value = load()?;
        *cell = Arc::downgrade(&value);
        Ok(value)
    }

    fn cell(&self, key: K) -> LoadCell<T> {
        let mut cells = self.0.lock();
        // A cell that another caller holds may stay locked for long, and is in use anyway.
        cells.retain(|_, cell| Arc::strong_count(cell) > 1 || cell.lock().strong_count() > 0);
        cells.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use super::*;

    #[test]
    fn values_of_different_keys_are_loaded_in_parallel() {
        let cache = WeakCache::default();
        let (say, heard) = channel();
        let load = |key: &'static str, wait: Box<dyn FnOnce() -> Result<(), RecvTimeoutError> + Send>| {
            let value = cache.get_or_load(key, || wait().map(|()| Arc::new(key)));
            value.map(|value| *value)
        };
        std::thread::scope(|scope| {
            // The first is not loaded before the second is.
            let first = scope.spawn(|| load("first", Box::new(move || heard.recv_timeout(Duration::from_secs(30)))));
            let second = scope.spawn(|| {
                let loaded = load("second", Box::new(|| Ok(())));
                say.send(()).expect("the first waits");
                loaded
            });
            assert_eq!(second.join().expect("no panic"), Ok("second"));
            assert_eq!(first.join().expect("no panic"), Ok("first"));
        });
    }

    #[test]
    fn a_value_is_loaded_once_and_again_after_it_was_dropped() {
        let (cache, loaded) = (WeakCache::default(), AtomicUsize::new(0));
        let want = || cache.get_or_load("one", || Ok::<_, ()>(Arc::new(loaded.fetch_add(1, Ordering::Relaxed))));
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(want)).collect();
            // Each value is kept until all threads have it.
            threads.into_iter().map(|thread| thread.join().expect("no panic").expect("it loads")).collect()
        });
        assert!(all.iter().all(|value| **value == 0), "{all:?}");
        drop(all);
        assert_eq!(want().map(|value| *value), Ok(1));
    }

    #[test]
    fn a_value_that_failed_to_load_is_tried_again() {
        let cache = WeakCache::default();
        assert_eq!(cache.get_or_load("one", || Err::<Arc<u32>, _>("not now")), Err("not now"));
        assert_eq!(cache.get_or_load("one", || Ok::<_, &str>(Arc::new(3))), Ok(Arc::new(3)));
    }
}
