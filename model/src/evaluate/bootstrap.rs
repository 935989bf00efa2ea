//! Intervals by the bootstrap (Efron 1979): the items are drawn anew with replacement, and the middle 95 % of what the figure
//! becomes is its interval (percentile method). For two systems on the same items each resample has the same items of
//! both (paired), so that what is hard for both does not count as a difference.

/// Resamples that an interval is taken from.
pub const RESAMPLE_COUNT: usize = 1000;

/// Where a figure lies with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ConfidenceInterval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl ConfidenceInterval {
    /// Whether zero lies outside, so that a difference is more than chance.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The interval of a figure of `items`. `None` without items, and where half of the resamples have no such figure.
pub fn confidence_interval<T>(items: &[T], seed: u64, figure: impl Fn(&[&T]) -> Option<f64>) -> Option<ConfidenceInterval> {
    resample(items.len(), seed, |drawn| figure(&pick(items, drawn)))
}

/// The interval of the difference, the second system's figure less the first's. Items at the same place belong together; what
/// one list has more than the other is left out.
pub fn paired_difference<T>(first: &[T], second: &[T], seed: u64, figure: impl Fn(&[&T]) -> Option<f64>) -> Option<ConfidenceInterval> {
    resample(first.len().min(second.len()), seed, |drawn| {
        Some(figure(&pick(second, drawn))? - figure(&pick(first, drawn))?)
    })
}

fn pick<'a, T>(items: &'a [T], drawn: &[usize]) -> Vec<&'a T> {
    drawn.iter().map(|at| &items[*at]).collect()
}

fn resample(count: usize, seed: u64, figure: impl Fn(&[usize]) -> Option<f64>) -> Option<ConfidenceInterval> {
    if count == 0 {
        return None;
    }
    let mut state = seed;
    let mut drawn = vec![0; count];
    let mut figures = Vec::with_capacity(RESAMPLE_COUNT);
    for _ in 0..RESAMPLE_COUNT {
        drawn.iter_mut().for_each(|at| *at = below(&mut state, count));
        figures.extend(figure(&drawn));
    }
    figures.sort_by(f64::total_cmp);
    (figures.len() > RESAMPLE_COUNT / 2).then(|| ConfidenceInterval { low: percentile(&figures, 0.025), high: percentile(&figures, 0.975) })
}

/// The value that this share of the sorted values lies below, between two neighbours in proportion.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// A number from 0 to below `count` (SplitMix64, Steele et al. 2014).
fn below(state: &mut u64, count: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (((u128::from(z ^ (z >> 31))) * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(items: &[&f64]) -> Option<f64> {
        (!items.is_empty()).then(|| items.iter().copied().sum::<f64>() / items.len() as f64)
    }

    fn shares(right: usize, of: usize) -> Vec<f64> {
        (0..of).map(|at| f64::from(u8::from(at < right))).collect()
    }

    #[test]
    fn the_interval_of_a_share_is_as_wide_as_theory_says() {
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
    fn pairs_see_a_small_difference_that_hard_items_would_hide() {
        // Ten more of 400 items are right and none is lost: real, although the two intervals overlap widely.
        let (first, second) = (shares(200, 400), shares(210, 400));
        let found = paired_difference(&first, &second, 1, mean).expect("items");
        assert!(found.excludes_zero() && found.low > 0.0, "{found:?}");
        let apart = (confidence_interval(&first, 1, mean).expect("items"), confidence_interval(&second, 1, mean).expect("items"));
        assert!(apart.0.high > apart.1.low);
        let same = paired_difference(&first, &first, 1, mean).expect("items");
        assert!(!same.excludes_zero() && same.low == 0.0 && same.high == 0.0);
    }

    #[test]
    fn without_items_there_is_no_interval() {
        assert_eq!(confidence_interval(&[], 1, mean), None);
        assert_eq!(confidence_interval(&[1.0], 1, |_: &[&f64]| None), None);
    }
}
