//! Which words a search is asked for: those of the question, and with less weight the names in the code that it is about.

use std::collections::HashSet;

use super::Intent;
use crate::chunks::words;

/// A word to search for.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchTerm {
    /// In lower case.
    pub text: String,
    /// How much it counts.
    pub weight: f32,
}

/// Names of the code that are looked for.
const MAX_CODE_NAMES: usize = 32;
/// Words of the question that are looked for.
const MAX_QUESTION_WORDS: usize = 64;
/// What a part of an identifier counts.
const IDENTIFIER_PART_WEIGHT: f32 = 0.5;
/// What a name in the code counts.
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

/// What the user said of a question that may be a ready-made one with more words behind it.
pub(super) fn words_after_intent(question: &str) -> &str {
    let rest = Intent::ALL.into_iter().find_map(|intent| question.trim_start().strip_prefix(intent.question()));
    rest.unwrap_or(question)
}

/// The words for a question about `code`, the weightiest first; none if the question has none of its own.
pub fn search_terms(question: &str, code: &str) -> Vec<SearchTerm> {
    let mut seen = HashSet::new();
    let said = words(words_after_intent(question)).filter(|word| !STOP_WORDS.contains(&&*word.text));
    let mut all: Vec<SearchTerm> = said
        .filter(|word| seen.insert(word.text.clone()))
        .map(|word| SearchTerm { text: word.text, weight: if word.is_part { IDENTIFIER_PART_WEIGHT } else { 1.0 } })
        .take(MAX_QUESTION_WORDS)
        .collect();
    if !all.is_empty() {
        let names = words(code).filter(|word| !word.is_part && word.text.len() > 2 && seen.insert(word.text.clone()));
        all.extend(names.take(MAX_CODE_NAMES).map(|word| SearchTerm { text: word.text, weight: CODE_NAME_WEIGHT }));
    }
    all.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(question: &str, code: &str) -> Vec<(String, f32)> {
        search_terms(question, code).into_iter().map(|word| (word.text, word.weight)).collect()
    }

    #[test]
    fn words_of_the_question_count_most_and_empty_ones_nothing() {
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
    fn a_ready_made_question_has_no_words_of_its_own() {
        let question = Intent::FindBugs.question();
        assert_eq!(found(question, "wait(delay)"), []);
        assert_eq!(found(&format!("{question} Threads?"), "")[0].0, "threads");
    }
}
