//! Token healing: the cursor usually stands inside a word, where the model never saw a text end.
//!
//! The last partial word is taken off the prompt, and the first tokens written must spell it again. While the user types
//! inside one word the prompt stays as it is and costs nothing.

use crate::tokenizer::Tokenizer;

/// The longest piece of text, in bytes, that is taken back.
const MAX_HEALED_BYTES: usize = 48;

/// The longest run of punctuation that is taken back.
const MAX_HEALED_PUNCTUATION_BYTES: usize = 4;

/// Where the text that is taken back begins: at the last word, with the one space before it, or else at the last run of
/// blanks or of punctuation. A text that ends in a line end is left whole.
pub(crate) fn healing_start(text: &str) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let start = text.trim_end_matches(word).len();
    if start < text.len() {
        let start = if text[..start].ends_with(' ') { start - 1 } else { start };
        return if text.len() - start <= MAX_HEALED_BYTES { start } else { text.len() };
    }
    let blank = text.trim_end_matches([' ', '\t']).len();
    if blank < text.len() {
        return if text.len() - blank <= MAX_HEALED_BYTES { blank } else { text.len() };
    }
    let sign = text.trim_end_matches(|c: char| c.is_ascii_punctuation()).len();
    if text.len() - sign <= MAX_HEALED_PUNCTUATION_BYTES { sign } else { text.len() }
}

/// Tokens in the order of their bytes, to find those that can spell a text.
pub(crate) struct VocabularyIndex {
    sorted_ids: Vec<u32>,
}

impl VocabularyIndex {
    /// Of all tokens that stand for bytes.
    pub(crate) fn new(tokenizer: &Tokenizer) -> Self {
        let ids = 0..tokenizer.vocab_size() as u32;
        let mut sorted: Vec<u32> = ids.filter(|id| !tokenizer.token_bytes(*id).is_empty()).collect();
        sorted.sort_by(|a, b| tokenizer.token_bytes(*a).cmp(tokenizer.token_bytes(*b)));
        Self { sorted_ids: sorted }
    }

    /// The tokens that can begin to spell `text`: those that it begins with, and those that begin with it.
    pub(crate) fn tokens_spelling(&self, tokenizer: &Tokenizer, text: &[u8]) -> Vec<u32> {
        let mut allowed = Vec::new();
        for length in 1..text.len() {
            let from = self.sorted_ids.partition_point(|id| tokenizer.token_bytes(*id) < &text[..length]);
            let same = self.sorted_ids[from..].iter().take_while(|id| tokenizer.token_bytes(**id) == &text[..length]);
            allowed.extend(same.copied());
        }
        let longer = &self.sorted_ids[self.sorted_ids.partition_point(|id| tokenizer.token_bytes(*id) < text)..];
        allowed.extend(&longer[..longer.partition_point(|id| tokenizer.token_bytes(*id).starts_with(text))]);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(marked: &str) {
        let at = marked.find('|').expect("a mark");
        assert_eq!(healing_start(&marked.replace('|', "")), at, "{marked}");
    }

    #[test]
    fn the_last_word_goes_back_with_the_space_before_it() {
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
    fn a_word_too_long_to_take_back_stays() {
        check(&format!("{}|", "w".repeat(200)));
    }

    #[test]
    fn allowed_tokens_are_those_that_fit_the_text() {
        let tokenizer = Tokenizer::byte_level(&["ret", "return", "re", "rex"], &[]);
        let spelling = VocabularyIndex::new(&tokenizer);
        let allowed = spelling.tokens_spelling(&tokenizer, b"ret");
        let mut names: Vec<_> = allowed.iter().map(|id| String::from_utf8_lossy(tokenizer.token_bytes(*id))).collect();
        names.sort();
        assert!(names.contains(&"r".into()) && !names.contains(&"x".into()), "{names:?}");
    }
}
