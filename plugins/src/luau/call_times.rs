//! How long the last calls of a plugin took.

use std::collections::VecDeque;
use std::time::Duration;

/// Calls that are remembered.
const MAX_REMEMBERED_CALLS: usize = 256;

/// The times of the last calls.
#[derive(Debug, Default)]
pub(super) struct CallTimes(VecDeque<Duration>);

impl CallTimes {
    /// A call took so long.
    pub(super) fn add(&mut self, took: Duration) {
        if self.0.len() == MAX_REMEMBERED_CALLS {
            self.0.pop_front();
        }
        self.0.push_back(took);
    }

    /// The smallest time that 95 of 100 of them did not exceed; zero without calls.
    pub(super) fn p95(&self) -> Duration {
        let mut sorted: Vec<_> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 95).div_ceil(100);
        rank.checked_sub(1).map_or(Duration::ZERO, |at| sorted[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_call_of_twenty_is_not_the_p95_and_two_are() {
        let mut times = CallTimes::default();
        assert_eq!(times.p95(), Duration::ZERO);
        (0..19).for_each(|_| times.add(Duration::from_millis(1)));
        times.add(Duration::from_millis(9));
        assert_eq!(times.p95(), Duration::from_millis(1));
        times.add(Duration::from_millis(9));
        assert_eq!(times.p95(), Duration::from_millis(9));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut times = CallTimes::default();
        (0..MAX_REMEMBERED_CALLS).for_each(|_| times.add(Duration::from_millis(9)));
        (0..MAX_REMEMBERED_CALLS).for_each(|_| times.add(Duration::from_millis(1)));
        assert_eq!(times.p95(), Duration::from_millis(1));
    }
}
