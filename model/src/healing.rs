//! Token healing: the cursor is usually inside a word, where the model has never seen a text end.
//!
//! The last partial word is cut off the prompt, and the first generated tokens have to spell it again: it is the
//! output's healing prefix. While the user types inside one word, the prompt stays the same and needs no prefill.

use crate::tokenizer::Tokenizer;

/// Longest word or whitespace to cut off a prompt, in bytes.
const MAX_HEALED_BYTES: usize = 48;

/// Longest run of punctuation to cut off a prompt, in bytes.
const MAX_HEALED_PUNCTUATION_BYTES: usize = 4;

/// Returns the byte offset at which the healing prefix of a text begins: the last word with one space before it, or
/// else the last run of spaces and tabs, or of punctuation. A text that ends in a line break, or in a longer run, has
/// none.
pub(crate) fn healing_start(text: &str) -> usize {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let start = text.trim_end_matches(in_word).len();
    if start < text.len() {
        let start = if text[..start].ends_with(' ') { start - 1 } else { start };
        return if text.len() - start <= MAX_HEALED_BYTES { start } else { text.len() };
    }
    let start = text.trim_end_matches([' ', '\t']).len();
    if start < text.len() {
        return if text.len() - start <= MAX_HEALED_BYTES { start } else { text.len() };
    }
    let start = text.trim_end_matches(|c: char| c.is_ascii_punctuation()).len();
    if text.len() - start <= MAX_HEALED_PUNCTUATION_BYTES { start } else { text.len() }
}

/// An index of the vocabulary, to find the tokens that can spell a text.
pub(crate) struct VocabularyIndex {
    /// Tokens in the order of their bytes.
    sorted_ids: Vec<u32>,
}

impl VocabularyIndex {
    /// Indexes all tokens that stand for bytes.
    pub(crate) fn new(tokenizer: &Tokenizer) -> Self {
        let ids = 0..tokenizer.vocab_size() as u32;
        let mut sorted_ids: Vec<u32> = ids.filter(|id| !tokenizer.token_bytes(*id).is_empty()).collect();
        sorted_ids.sort_by(|a, b| tokenizer.token_bytes(*a).cmp(tokenizer.token_bytes(*b)));
        Self { sorted_ids }
    }

    /// Returns the tokens that can begin to spell `text`: those that are a prefix of it, and those that begin with it.
    pub(crate) fn allowed_tokens(&self, tokenizer: &Tokenizer, text: &[u8]) -> Vec<u32> {
        let mut allowed = Vec::new();
        for length in 1..text.len() {
            let prefix = &text[..length];
            let start = self.sorted_ids.partition_point(|id| tokenizer.token_bytes(*id) < prefix);
            let equal = self.sorted_ids[start..].iter().take_while(|id| tokenizer.token_bytes(**id) == prefix);
            allowed.extend(equal);
        }
        // In this order, the tokens that begin with the text follow each other.
        let start = self.sorted_ids.partition_point(|id| tokenizer.token_bytes(*id) < text);
        let rest = &self.sorted_ids[start..];
        allowed.extend(&rest[..rest.partition_point(|id| tokenizer.token_bytes(*id).starts_with(text))]);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(marked: &str) {
        let at = marked.find('|').expect("a marked offset");
        assert_eq!(healing_start(&marked.replace('|', "")), at, "{marked}");
    }

    #[test]
    fn the_last_word_is_cut_off_with_the_space_before_it() {
        check("x = foo.|ba");
        check("return| fo");
        check("a\n|");
        check("a\n|    ");
        check("foo|(");
        check("std|::");
        check("|wor");
        check("größe =| ");
        check("x| größ");
    }

    #[test]
    fn a_long_word_is_not_cut_off() {
        check(&format!("{}|", "w".repeat(200)));
    }

    #[test]
    fn allowed_tokens_agree_with_the_text() {
        let tokenizer = Tokenizer::byte_level(&["ret", "return", "re", "rex"], &[]);
        let spelling = VocabularyIndex::new(&tokenizer);
        let allowed = spelling.allowed_tokens(&tokenizer, b"ret");
        let mut names: Vec<_> = allowed.iter().map(|id| String::from_utf8_lossy(tokenizer.token_bytes(*id))).collect();
        names.sort();
        assert!(names.contains(&"r".into()) && !names.contains(&"x".into()), "{names:?}");
    }
}
