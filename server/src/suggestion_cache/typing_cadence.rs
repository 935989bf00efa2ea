//! Typing speed, measured by the gaps between keys.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Gaps that are kept.
const MAX_GAPS: usize = 31;
/// Shortest gap that counts as a pause rather than as a gap within a burst of keys.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// Latest gaps between keys. Their median follows a change of speed within a line or two, and a single pause does not
/// move it.
#[derive(Debug, Default)]
pub(crate) struct TypingCadence {
    gaps: VecDeque<Duration>,
    last_key: Option<Instant>,
}

impl TypingCadence {
    /// Records a key.
    pub(crate) fn record_key(&mut self, at: Instant) {
        let Some(last) = self.last_key.replace(at) else { return };
        let gap = at.saturating_duration_since(last);
        if gap >= MIN_PAUSE {
            return;
        }
        self.gaps.push_back(gap);
        if self.gaps.len() > MAX_GAPS {
            self.gaps.pop_front();
        }
    }

    /// Gap within which a fraction `quantile` (0 to 1) of all keys follow the previous one; `None` without
    /// measurements.
    pub(crate) fn gap_quantile(&self, quantile: f32) -> Option<Duration> {
        let mut gaps: Vec<Duration> = self.gaps.iter().copied().collect();
        gaps.sort_unstable();
        gaps.get((gaps.len() as f32 * quantile) as usize).copied()
    }

    /// Time by which a fraction `quantile` of all keys would have followed the latest.
    pub(crate) fn next_key_due(&self, quantile: f32) -> Option<Instant> {
        Some(self.last_key? + self.gap_quantile(quantile)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Median gap in milliseconds after keys with these gaps.
    fn median_gap_ms(gaps: &[u64]) -> Option<u128> {
        let mut cadence = TypingCadence::default();
        let mut at = Instant::now();
        cadence.record_key(at);
        for gap in gaps {
            at += Duration::from_millis(*gap);
            cadence.record_key(at);
        }
        cadence.next_key_due(0.5).map(|due| (due - at).as_millis())
    }

    #[test]
    fn the_next_key_is_due_after_the_median_gap_without_pauses() {
        assert_eq!(median_gap_ms(&[]), None);
        assert_eq!(median_gap_ms(&[120, 130, 110, 5000, 125]), Some(125));
        assert_eq!(median_gap_ms(&[&[240; 40][..], &[100; 31][..]].concat()), Some(100), "the cadence may change");
    }
}
