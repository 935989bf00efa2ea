//! Identifier F1: agreement of the names that two texts use, whatever else they contain.
//!
//! An identifier is a run of letters, digits and underscores that does not begin with a digit. Keywords and words in
//! strings count as well, so that one rule works for every language. Names are compared as multisets: a name that
//! occurs twice in the reference is expected twice.

use super::{count_occurrences, overlap};

/// The identifiers of a text, in order.
pub fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| word.chars().next().is_some_and(|first| !first.is_numeric()))
}

/// Harmonic mean of the precision and recall of identifiers; 1 if neither text has any.
pub fn f1(expected: &str, answer: &str) -> f64 {
    let (expected, answer) = (count_occurrences(identifiers(expected)), count_occurrences(identifiers(answer)));
    let all = expected.values().chain(answer.values()).sum::<usize>();
    match all {
        0 => 1.0,
        all => 2.0 * overlap(&expected, &answer) as f64 / all as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_and_numbers_are_not() {
        let found: Vec<_> = identifiers("self.größe_2 = f(x1, 0x1f, 3)").collect();
        assert_eq!(found, ["self", "größe_2", "f", "x1"]);
    }

    #[test]
    fn f1_is_the_harmonic_mean_of_precision_and_recall() {
        // Two of three wanted, two of four written: precision 1/2, recall 2/3.
        assert!((f1("a + b + c", "a(b, d, e)") - 4.0 / 7.0).abs() < 1e-12);
        assert_eq!(f1("x = y", "x = z"), 0.5);
        assert_eq!(f1("a + a", "a"), 2.0 / 3.0);
        assert_eq!((f1("1 + 2", "(3)"), f1("1", "x"), f1("x", "")), (1.0, 0.0, 0.0));
    }
}
