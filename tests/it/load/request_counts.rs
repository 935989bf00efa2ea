//! Counters of requests and answers, and the latency of suggestions.

/// Counters of one window or of several.
#[derive(Debug, Default, Clone)]
pub(super) struct RequestCounts {
    pub(super) asked: u64,
    pub(super) answered: u64,
    pub(super) suggested: u64,
    pub(super) cancelled: u64,
    pub(super) windows: u64,
    /// Milliseconds from request to suggestion.
    pub(super) waits: Vec<f64>,
}

impl RequestCounts {
    /// Adds the counters of another window.
    pub(super) fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.suggested += other.suggested;
        self.cancelled += other.cancelled;
        self.windows += other.windows;
        self.waits.extend(other.waits);
    }
}

/// Percentile of the waits in milliseconds; `share` is in 0..1.
pub(super) fn percentile(waits: &mut [f64], share: f64) -> f64 {
    waits.sort_by(f64::total_cmp);
    waits.get((waits.len() as f64 * share) as usize).or(waits.last()).copied().unwrap_or_default()
}
