//! What is in memory already, or on its way into it: loaded once for all who want it, and side by side with others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, Weak};

use super::lock;

/// Where one thing is, or will be; locked while it is loaded.
type Place<T> = Arc<Mutex<Weak<T>>>;

/// Things by what makes them the same. They are kept in memory by those who use them.
pub(super) struct Bases<K, T>(Mutex<HashMap<K, Place<T>>>);

impl<K, T> Default for Bases<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: std::fmt::Debug, T> std::fmt::Debug for Bases<K, T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(lock(&self.0).keys()).finish()
    }
}

impl<K: Eq + Hash, T> Bases<K, T> {
    /// The thing of this key; `load` is called if it is not there. Who wants the same in the meantime waits for it, others do not.
    pub(super) fn base<E>(&self, key: K, load: impl FnOnce() -> Result<Arc<T>, E>) -> Result<Arc<T>, E> {
        let place = self.place(key);
        let mut place = lock(&place);
        if let Some(base) = place.upgrade() {
            return Ok(base);
        }
        let base = load()?;
        *place = Arc::downgrade(&base);
        Ok(base)
    }

    fn place(&self, key: K) -> Place<T> {
        let mut places = lock(&self.0);
        // A place that somebody else holds may be locked for long; it is in use anyhow.
        places.retain(|_, place| Arc::strong_count(place) > 1 || lock(place).strong_count() > 0);
        places.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use super::*;

    #[test]
    fn two_that_are_wanted_at_once_are_loaded_side_by_side() {
        let bases = Bases::default();
        let (say, heard) = channel();
        let load = |key: &'static str, wait: Box<dyn FnOnce() -> Result<(), RecvTimeoutError> + Send>| {
            let base = bases.base(key, || wait().map(|()| Arc::new(key)));
            base.map(|base| *base)
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
    fn what_several_want_is_loaded_once_and_again_when_nobody_had_it_any_more() {
        let (bases, loaded) = (Bases::default(), AtomicUsize::new(0));
        let want = || bases.base("one", || Ok::<_, ()>(Arc::new(loaded.fetch_add(1, Ordering::Relaxed))));
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(want)).collect();
            // Each is kept until all have been asked.
            threads.into_iter().map(|thread| thread.join().expect("no panic").expect("it loads")).collect()
        });
        assert!(all.iter().all(|base| **base == 0), "{all:?}");
        drop(all);
        assert_eq!(want().map(|base| *base), Ok(1));
    }

    #[test]
    fn what_could_not_be_loaded_is_tried_again() {
        let bases = Bases::default();
        assert_eq!(bases.base("one", || Err::<Arc<u32>, _>("not now")), Err("not now"));
        assert_eq!(bases.base("one", || Ok::<_, &str>(Arc::new(3))), Ok(Arc::new(3)));
    }
}
