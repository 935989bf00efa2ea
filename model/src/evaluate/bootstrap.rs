//! Bootstrap confidence intervals (Efron 1979), by the percentile method: items are resampled with replacement, and the
//! middle 95 % of the statistic over the resamples is its interval.
//!
//! To compare two systems on the same items, each resample has the same items of both (paired bootstrap), so that items
//! which are hard for both do not count as a difference.

use foretype_plugins::random::Random;

/// Number of resamples for an interval.
const RESAMPLE_COUNT: usize = 1000;

/// A 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ConfidenceInterval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl ConfidenceInterval {
    /// Returns true if zero lies outside of the interval, so that a difference is significant.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The confidence interval of a statistic of `items`; `None` if there are no items or if the statistic is undefined for
/// half of the resamples or more.
pub fn confidence_interval<T>(
    items: &[T],
    seed: u64,
    statistic: impl Fn(&[&T]) -> Option<f64>,
) -> Option<ConfidenceInterval> {
    resample(items.len(), seed, |drawn| statistic(&pick(items, drawn)))
}

/// The confidence interval of the second system's statistic minus the first's. Items with the same index form a pair;
/// surplus items of one list are ignored.
pub fn paired_difference<T>(
    first: &[T],
    second: &[T],
    seed: u64,
    statistic: impl Fn(&[&T]) -> Option<f64>,
) -> Option<ConfidenceInterval> {
    resample(first.len().min(second.len()), seed, |drawn| {
        Some(statistic(&pick(second, drawn))? - statistic(&pick(first, drawn))?)
    })
}

fn pick<'a, T>(items: &'a [T], drawn: &[usize]) -> Vec<&'a T> {
    drawn.iter().map(|at| &items[*at]).collect()
}

fn resample(count: usize, seed: u64, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<ConfidenceInterval> {
    if count == 0 {
        return None;
    }
    let mut random = Random::new(seed);
    let mut drawn = vec![0; count];
    let mut values = Vec::with_capacity(RESAMPLE_COUNT);
    for _ in 0..RESAMPLE_COUNT {
        for index in &mut drawn {
            *index = random.below(count);
        }
        values.extend(statistic(&drawn));
    }
    values.sort_by(f64::total_cmp);
    if values.len() <= RESAMPLE_COUNT / 2 {
        return None;
    }
    Some(ConfidenceInterval { low: quantile(&values, 0.025), high: quantile(&values, 0.975) })
}

/// The quantile of sorted values at `share`, which is in 0..=1, by linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[index.floor() as usize], sorted[index.ceil() as usize]);
    low + (high - low) * index.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(items: &[&f64]) -> Option<f64> {
        if items.is_empty() { None } else { Some(items.iter().copied().sum::<f64>() / items.len() as f64) }
    }

    fn shares(right: usize, of: usize) -> Vec<f64> {
        (0..of).map(|at| f64::from(u8::from(at < right))).collect()
    }

    #[test]
    fn the_interval_of_a_proportion_has_the_theoretical_width() {
        // 100 of 400: the standard error is sqrt(0.25 * 0.75 / 400) = 0.02165, the half width 1.96 times that.
        let found = confidence_interval(&shares(100, 400), 1, mean).expect("items");
        assert!((found.low - 0.2076).abs() < 0.006 && (found.high - 0.2924).abs() < 0.006, "{found:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let items = shares(30, 100);
        assert_eq!(confidence_interval(&items, 7, mean), confidence_interval(&items, 7, mean));
        assert_ne!(confidence_interval(&items, 7, mean), confidence_interval(&items, 8, mean));
    }

    #[test]
    fn pairing_detects_a_small_difference_that_hard_items_would_hide() {
        // Ten more of 400 items are right and none is lost: a real difference, although the two intervals overlap
        // widely.
        let (first, second) = (shares(200, 400), shares(210, 400));
        let found = paired_difference(&first, &second, 1, mean).expect("items");
        assert!(found.excludes_zero() && found.low > 0.0, "{found:?}");
        let intervals = (
            confidence_interval(&first, 1, mean).expect("items"),
            confidence_interval(&second, 1, mean).expect("items"),
        );
        assert!(intervals.0.high > intervals.1.low);
        let same = paired_difference(&first, &first, 1, mean).expect("items");
        assert!(!same.excludes_zero() && same.low == 0.0 && same.high == 0.0);
    }

    #[test]
    fn there_is_no_interval_without_items() {
        assert_eq!(confidence_interval(&[], 1, mean), None);
        assert_eq!(confidence_interval(&[1.0], 1, |_: &[&f64]| None), None);
    }
}
