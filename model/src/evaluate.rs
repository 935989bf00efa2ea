//! Metrics that compare a generated text with a reference, and confidence intervals. They need no model.
//!
//! All metrics lie between 0 and 1, where 1 is best. [`score`](crate::score) has the metric that needs a model.

pub mod bleu;
pub mod bootstrap;
pub mod chrf;
pub mod edit;
pub mod identifiers;

use std::collections::HashMap;
use std::hash::Hash;

/// Counts the occurrences of each item.
fn count_occurrences<T: Eq + Hash>(items: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

/// Size of the intersection of two multisets.
fn overlap<T: Eq + Hash>(one: &HashMap<T, usize>, other: &HashMap<T, usize>) -> usize {
    one.iter().map(|(item, count)| other.get(item).map_or(0, |own| (*own).min(*count))).sum()
}
