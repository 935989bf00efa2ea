//! How fast somebody types.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Gaps that are remembered.
const GAPS: usize = 31;
/// A longer gap is a pause, not a gap between two keys of a burst.
const PAUSE: Duration = Duration::from_secs(1);

/// The latest gaps between keys. Their median follows a typist within a line or two, and a single pause does not move it.
#[derive(Debug, Default)]
pub struct Typist {
    gaps: VecDeque<Duration>,
    last: Option<Instant>,
}

impl Typist {
    /// A key was typed.
    pub fn typed(&mut self, at: Instant) {
        if let Some(gap) =
            self.last.replace(at).map(|last| at.saturating_duration_since(last)).filter(|gap| *gap < PAUSE)
        {
            self.gaps.push_back(gap);
            if self.gaps.len() > GAPS {
                self.gaps.pop_front();
            }
        }
    }

    /// The time within which this share (0 to 1) of all keys follows the one before; `None` before anything is known.
    pub fn gap(&self, share: f32) -> Option<Duration> {
        let mut gaps: Vec<Duration> = self.gaps.iter().copied().collect();
        gaps.sort_unstable();
        gaps.get((gaps.len() as f32 * share) as usize).copied()
    }

    /// By when this share of all keys follows the latest.
    pub fn due(&self, share: f32) -> Option<Instant> {
        Some(self.last? + self.gap(share)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When half of all next keys are due after keys with these gaps, in milliseconds since the last.
    fn due(gaps: &[u64]) -> Option<u128> {
        let mut typist = Typist::default();
        let mut at = Instant::now();
        typist.typed(at);
        for gap in gaps {
            at += Duration::from_millis(*gap);
            typist.typed(at);
        }
        typist.due(0.5).map(|due| (due - at).as_millis())
    }

    #[test]
    fn the_next_key_is_due_after_the_median_gap_and_pauses_do_not_count() {
        assert_eq!(due(&[]), None);
        assert_eq!(due(&[120, 130, 110, 5000, 125]), Some(125));
        assert_eq!(due(&[&[240; 40][..], &[100; 31][..]].concat()), Some(100), "a typist may change");
    }
}
