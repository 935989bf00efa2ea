//! Words for search: identifiers and the parts of which they consist.

use std::ops::Range;

/// Length above which a word is taken for a key or hash, and left out.
const MAX_WORD_BYTES: usize = 64;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchWord {
    /// Byte range in the text.
    pub range: Range<usize>,
    /// The word in lower case.
    pub text: String,
    /// True for a part of the identifier before it.
    pub is_part: bool,
}

/// Words of a text: each identifier, followed by its parts if it has several (`compute_total`, `compute`, `total`).
/// Letters of scripts without spaces between words are words of their own.
pub fn words(text: &str) -> impl Iterator<Item = SearchWord> + '_ {
    identifiers(text).flat_map(move |range| {
        let parts = identifier_parts(&text[range.clone()]);
        let parts: Vec<_> = parts.into_iter().map(|it| range.start + it.start..range.start + it.end).collect();
        let several = if parts.len() > 1 { parts } else { Vec::new() };
        let all = std::iter::once((range, false)).chain(several.into_iter().map(|range| (range, true)));
        let fitting = all.filter(|(range, _)| range.len() <= MAX_WORD_BYTES);
        fitting
            .map(|(range, part)| SearchWord { text: text[range.clone()].to_lowercase(), range, is_part: part })
            .collect::<Vec<_>>()
    })
}

/// Byte ranges of the identifiers of a text.
fn identifiers(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut letters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, first) = letters.find(|(_, c)| c.is_alphanumeric())?;
        let mut end = start + first.len_utf8();
        while !stands_alone(first)
            && let Some((at, c)) = letters.next_if(|(_, c)| (c.is_alphanumeric() || *c == '_') && !stands_alone(*c))
        {
            // Trailing underscores belong to no word.
            end = if c == '_' { end } else { at + c.len_utf8() };
        }
        Some(start..end)
    })
}

/// Returns true for Chinese and Japanese letters.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// Byte ranges of the parts of an identifier. A part begins after an underscore, at a capital after a lower-case
/// letter, and at the last of several capitals (`HTTPServer`).
fn identifier_parts(name: &str) -> Vec<Range<usize>> {
    let letters: Vec<(usize, char)> = name.char_indices().collect();
    let mut parts = Vec::new();
    let mut start = 0;
    for (number, (at, c)) in letters.iter().enumerate() {
        let before = number.checked_sub(1).map(|number| letters[number].1);
        let after = letters.get(number + 1).map(|(_, c)| *c);
        let small = |c: Option<char>| c.is_some_and(|c| c.is_lowercase() || c.is_numeric());
        let capital = |c: Option<char>| c.is_some_and(char::is_uppercase);
        let begins = c.is_uppercase() && (small(before) || capital(before) && after.is_some_and(char::is_lowercase));
        if *c == '_' || begins {
            parts.push(start..*at);
            start = if *c == '_' { at + 1 } else { *at };
        }
    }
    parts.push(start..name.len());
    parts.retain(|range| !range.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        let all = words(text).map(|word| {
            assert_eq!(text[word.range.clone()].to_lowercase(), word.text);
            if word.is_part { format!("+{}", word.text) } else { word.text }
        });
        all.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn identifiers_are_found_whole_and_by_their_parts() {
        assert_eq!(found("compute_total(x1, taxRate)"), "compute_total +compute +total x1 taxrate +tax +rate");
        assert_eq!(found("HTTPServer utf8 __init__"), "httpserver +http +server utf8 init");
        assert_eq!(found("Größe und MAX_LEN"), "größe und max_len +max +len");
    }

    #[test]
    fn chinese_letters_are_words_and_long_keys_are_not() {
        assert_eq!(found("计算x 和"), "计 算 x 和");
        assert_eq!(found(&format!("a {} b", "0f".repeat(50))), "a b");
    }
}
