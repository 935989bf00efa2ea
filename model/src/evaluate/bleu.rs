//! Smoothed sentence BLEU-4 (Papineni et al. 2002) in the variant that CodeXGLUE (Lu et al. 2021) reports for
//! docstrings.
//!
//! Words are lower-cased. Add-one smoothing (Lin and Och 2004, "ORANGE") applies to n-grams of two and more words, and
//! the brevity penalty also counts both lengths one higher. The score of a corpus is the mean over its sentences.

use std::collections::HashMap;

use super::{count_occurrences, overlap};

const MAX_NGRAM_WORDS: usize = 4;

/// BLEU of a candidate against one reference.
pub fn sentence_bleu(reference: &str, candidate: &str) -> f64 {
    let (reference, candidate) = (words(reference), words(candidate));
    let precisions: f64 = (1..=MAX_NGRAM_WORDS).map(|length| log_precision(&reference, &candidate, length)).sum();
    let brevity = (1.0 - (reference.len() + 1) as f64 / (candidate.len() + 1) as f64).min(0.0);
    (precisions / MAX_NGRAM_WORDS as f64 + brevity).exp()
}

/// Natural logarithm of the smoothed n-gram precision.
fn log_precision(reference: &[String], candidate: &[String], length: usize) -> f64 {
    let smoothing = f64::from(u8::from(length > 1));
    let both = overlap(&ngrams(reference, length), &ngrams(candidate, length)) as f64;
    let all = (candidate.len() + 1).saturating_sub(length) as f64;
    // As in the original, the smallest positive float keeps the score of a text without any matching word finite.
    (both + smoothing + f64::MIN_POSITIVE).ln() - (all + smoothing + f64::MIN_POSITIVE).ln()
}

fn ngrams(words: &[String], length: usize) -> HashMap<&[String], usize> {
    count_occurrences(words.windows(length))
}

/// Splits a text into words like NIST's mteval: punctuation is split off, except for apostrophes, hyphens inside words,
/// and points and commas inside numbers.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text = text.replace("-\n", "").to_lowercase();
    let characters: Vec<char> = text.chars().collect();
    let mut spaced = String::new();
    for (at, c) in characters.iter().enumerate() {
        let digit = |at: Option<usize>| at.and_then(|at| characters.get(at)).is_some_and(char::is_ascii_digit);
        let (before, after) = (digit(at.checked_sub(1)), digit(Some(at + 1)));
        let alone = match c {
            '\'' => false,
            '-' => before,
            '.' | ',' => !(before && after),
            c => c.is_ascii_punctuation(),
        };
        if alone {
            spaced.extend([' ', *c, ' ']);
        } else {
            spaced.push(*c);
        }
    }
    spaced.split_whitespace().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_like_mteval() {
        assert_eq!(words("Returns 3.14, or x."), ["returns", "3.14", ",", "or", "x", "."]);
        assert_eq!(words("well-known don't f(x_1)"), ["well-known", "don't", "f", "(", "x", "_", "1", ")"]);
        assert_eq!(words("pages 3-4"), ["pages", "3", "-", "4"]);
    }

    #[test]
    fn identical_sentences_score_one() {
        assert!((sentence_bleu("Return the sum.", "return the sum.") - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_smoothed_score_follows_the_formula() {
        // "the cat sat" against "the cat sits": 2/3, (1+1)/(2+1), (0+1)/(1+1), (0+1)/(0+1), no brevity penalty.
        let expected = (2.0 / 3.0 * 2.0 / 3.0 * 0.5f64).powf(0.25);
        assert!((sentence_bleu("the cat sits", "the cat sat") - expected).abs() < 1e-12);
        // "the cat" against the same three words: 2/2, (1+1)/(1+1), 1/1, 1/1, and exp(1 - 4/3).
        let expected = (1.0f64 - 4.0 / 3.0).exp();
        assert!((sentence_bleu("the cat sits", "the cat") - expected).abs() < 1e-12);
    }

    #[test]
    fn candidates_that_are_not_shorter_score_as_in_sacrebleu() {
        // sacrebleu 2.6.0: sentence_score with smooth_method='add-k', smooth_value=1, lowercase=True. Scores of shorter
        // candidates differ by design, because this variant counts lengths one higher.
        for (reference, candidate, expected) in [
            (
                "Return the sum of all numbers in the list, or 0 if it is empty.",
                "Returns the sum of the numbers in a list, or zero if it is empty.",
                0.436_589_075_151,
            ),
            (
                "Check if any two numbers are closer to each other than the threshold.",
                "Check whether any two of the numbers are closer than threshold is, each.",
                0.215_306_524_951,
            ),
        ] {
            let score = sentence_bleu(reference, candidate);
            assert!((score - expected).abs() < 1e-9, "{candidate}: {score}");
        }
    }

    #[test]
    fn sentences_without_a_common_word_score_almost_zero() {
        let score = sentence_bleu("a b c d", "x y z");
        assert!(score.is_finite() && score < 1e-6, "{score}");
        assert!(sentence_bleu("a b c d", "") < 0.03);
    }
}
