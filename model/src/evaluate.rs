//! How far a written text is from the expected one, and how sure a figure is. Arithmetic on text: no model is needed.
//!
//! All measures lie between 0 and 1, where 1 is best. [`score`](crate::score) has the one that asks the model.

pub mod bleu;
pub mod bootstrap;
pub mod chrf;
pub mod edit;
pub mod identifiers;

use std::collections::HashMap;
use std::hash::Hash;

/// How often each thing occurs.
fn count_occurrences<T: Eq + Hash>(things: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    things.for_each(|thing| *counts.entry(thing).or_default() += 1);
    counts
}

/// How many things two multisets share.
fn overlap<T: Eq + Hash>(one: &HashMap<T, usize>, other: &HashMap<T, usize>) -> usize {
    one.iter().map(|(thing, count)| other.get(thing).map_or(0, |own| (*own).min(*count))).sum()
}
