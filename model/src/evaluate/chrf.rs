//! chrF2 (Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation"): n-grams of 1 to 6 characters
//! without white space, with recall weighted twice as much as precision.

use std::collections::HashMap;

use super::{count_occurrences, overlap};

const MAX_NGRAM_CHARS: usize = 6;
const RECALL_BETA: f64 = 2.0;

/// chrF2 of a candidate against one reference. N-gram lengths that exceed either text are left out of the mean.
pub fn sentence_chrf(reference: &str, candidate: &str) -> f64 {
    let (reference, candidate) = (visible_chars(reference), visible_chars(candidate));
    let lengths = MAX_NGRAM_CHARS.min(reference.len()).min(candidate.len());
    if lengths == 0 {
        return f64::from(u8::from(reference == candidate));
    }
    let (mut precision, mut recall) = (0.0, 0.0);
    for length in 1..=lengths {
        let matches = overlap(&ngrams(&reference, length), &ngrams(&candidate, length)) as f64;
        precision += matches / (candidate.len() + 1 - length) as f64;
        recall += matches / (reference.len() + 1 - length) as f64;
    }
    f_score(precision / lengths as f64, recall / lengths as f64)
}

fn f_score(precision: f64, recall: f64) -> f64 {
    let denominator = RECALL_BETA * RECALL_BETA * precision + recall;
    if denominator == 0.0 { 0.0 } else { (1.0 + RECALL_BETA * RECALL_BETA) * precision * recall / denominator }
}

fn visible_chars(text: &str) -> Vec<char> {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn ngrams(text: &[char], length: usize) -> HashMap<&[char], usize> {
    count_occurrences(text.windows(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_match_sacrebleu() {
        for (reference, candidate, expected) in [
            // By hand: (2/3 + 1/2 + 0/1) / 3.
            ("abc", "abd", 0.388_888_888_889),
            ("the cat is on the mat", "the cat sat on the mat", 0.645_779_420_626),
            ("return x + 2", "return x + 1", 0.834_060_846_082),
            (
                "Return the sum of all numbers in the list, or 0 if it is empty.",
                "Returns the sum of the numbers in a list, or zero if it is empty.",
                0.650_530_862_698,
            ),
        ] {
            let score = sentence_chrf(reference, candidate);
            assert!((score - expected).abs() < 1e-9, "{candidate}: {score}");
        }
    }

    #[test]
    fn white_space_is_ignored() {
        assert_eq!(sentence_chrf("a  b\n", "ab"), 1.0);
        assert_eq!((sentence_chrf("", " "), sentence_chrf("a", ""), sentence_chrf("", "a")), (1.0, 0.0, 0.0));
    }
}
