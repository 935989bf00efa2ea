//! Durations of a plugin's recent calls.

use std::collections::VecDeque;
use std::time::Duration;

/// Calls that are remembered.
const MAX_REMEMBERED_CALLS: usize = 256;

/// Durations of the most recent calls.
#[derive(Debug, Default)]
pub(super) struct CallTimes(VecDeque<Duration>);

impl CallTimes {
    /// Adds the duration of a call and forgets the oldest one if there are too many.
    pub(super) fn add(&mut self, elapsed: Duration) {
        if self.0.len() == MAX_REMEMBERED_CALLS {
            self.0.pop_front();
        }
        self.0.push_back(elapsed);
    }

    /// Returns the 95th percentile (nearest rank); zero without calls.
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
    fn one_slow_call_of_twenty_does_not_change_the_p95_and_two_do() {
        let mut times = CallTimes::default();
        assert_eq!(times.p95(), Duration::ZERO);
        for _ in 0..19 {
            times.add(Duration::from_millis(1));
        }
        times.add(Duration::from_millis(9));
        assert_eq!(times.p95(), Duration::from_millis(1));
        times.add(Duration::from_millis(9));
        assert_eq!(times.p95(), Duration::from_millis(9));
    }

    #[test]
    fn old_calls_are_forgotten() {
        let mut times = CallTimes::default();
        for milliseconds in [9, 1] {
            for _ in 0..MAX_REMEMBERED_CALLS {
                times.add(Duration::from_millis(milliseconds));
            }
        }
        assert_eq!(times.p95(), Duration::from_millis(1));
    }
}
