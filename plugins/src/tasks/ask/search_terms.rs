//! Search terms for a question: its words, and with less weight the names in the code that it is about.

use std::collections::HashSet;

use super::Intent;
use crate::chunks::words;

/// A word to search for.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchTerm {
    /// The word in lower case.
    pub text: String,
    /// Weight of a match.
    pub weight: f32,
}

/// Maximum number of names from the code.
const MAX_CODE_NAMES: usize = 32;
/// Maximum number of words from the question.
const MAX_QUESTION_WORDS: usize = 64;
/// Weight of a part of an identifier.
const IDENTIFIER_PART_WEIGHT: f32 = 0.5;
/// Weight of a name in the code.
const CODE_NAME_WEIGHT: f32 = 0.2;

/// Words of questions that say nothing about code.
const STOP_WORDS: &[&str] = &[
    "a", "about", "all", "an", "and", "any", "are", "as", "at", "be", "by", "can", "code", "could", "did", "do",
    "does", "doing", "explain", "for", "from", "get", "give", "had", "happen", "happens", "has", "have", "here", "how",
    "i", "if", "in", "into", "is", "it", "its", "may", "me", "of", "on", "or", "please", "shall", "should", "show",
    "so", "tell", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to",
    "use", "used", "uses", "using", "was", "we", "were", "what", "when", "where", "which", "who", "why", "will",
    "with", "would", "you",
];

/// Part of a question after the text of an intent; all of it without one.
pub(super) fn words_after_intent(question: &str) -> &str {
    let rest = Intent::ALL.into_iter().find_map(|intent| question.trim_start().strip_prefix(intent.question()));
    rest.unwrap_or(question)
}

/// Search terms of a question about `code`, by descending weight; none if the question has no words of its own.
pub fn search_terms(question: &str, code: &str) -> Vec<SearchTerm> {
    let mut seen = HashSet::new();
    let question_words = words(words_after_intent(question)).filter(|word| !STOP_WORDS.contains(&&*word.text));
    let mut terms: Vec<SearchTerm> = question_words
        .filter(|word| seen.insert(word.text.clone()))
        .map(|word| SearchTerm { text: word.text, weight: if word.is_part { IDENTIFIER_PART_WEIGHT } else { 1.0 } })
        .take(MAX_QUESTION_WORDS)
        .collect();
    if !terms.is_empty() {
        let names = words(code).filter(|word| !word.is_part && word.text.len() > 2 && seen.insert(word.text.clone()));
        terms.extend(names.take(MAX_CODE_NAMES).map(|word| SearchTerm { text: word.text, weight: CODE_NAME_WEIGHT }));
    }
    terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(question: &str, code: &str) -> Vec<(String, f32)> {
        search_terms(question, code).into_iter().map(|word| (word.text, word.weight)).collect()
    }

    #[test]
    fn question_words_weigh_most_and_stop_words_nothing() {
        let expected = [
            ("retry", 1.0),
            ("max_delay", 1.0),
            ("max", IDENTIFIER_PART_WEIGHT),
            ("delay", IDENTIFIER_PART_WEIGHT),
            ("wait", CODE_NAME_WEIGHT),
        ];
        let expected: Vec<_> = expected.into_iter().map(|(text, weight)| (text.to_owned(), weight)).collect();
        assert_eq!(found("How does the retry use max_delay?", "wait(max_delay)"), expected);
    }

    #[test]
    fn an_intent_has_no_words_of_its_own() {
        let question = Intent::FindBugs.question();
        assert_eq!(found(question, "wait(delay)"), []);
        assert_eq!(found(&format!("{question} Threads?"), "")[0].0, "threads");
    }
}
