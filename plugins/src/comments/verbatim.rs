//! Parts of prose that a translation must keep as they are.

use std::ops::Range;

/// Returns the byte ranges of the text that a translation must keep: text in backticks or braces, URLs, markup tags,
/// and names that only code has.
pub(super) fn verbatim_ranges(text: &str) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let length = match c {
            '`' => text[at + 1..].find('`').map(|end| end + 2),
            '{' => text[at + 1..].find('}').map(|end| end + 2),
            '<' if text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') => {
                text[at + 1..].find('>').map(|end| end + 2)
            }
            _ => verbatim_name_length(&text[at..]),
        };
        match length {
            Some(length) => {
                all.push(at..at + length);
                at += length;
            }
            // The rest of a word is not a name.
            None if c.is_alphanumeric() => at += leading_word(&text[at..]).len(),
            None => at += c.len_utf8(),
        }
    }
    all
}

/// Returns the length of the URL or the name of code that `text` begins with.
fn verbatim_name_length(text: &str) -> Option<usize> {
    if text.starts_with("http://") || text.starts_with("https://") {
        let end = text.find(|c: char| c.is_whitespace() || "<>\"".contains(c)).unwrap_or(text.len());
        return Some(text[..end].trim_end_matches(['.', ',', ')', ';', ':']).len());
    }
    let word = leading_word(text);
    let call = text[word.len()..].starts_with("()");
    let inner = word.trim_matches('_');
    let name = !word.is_empty() && (call || inner.contains('_') || word.starts_with("__"));
    if !name {
        return None;
    }
    Some(word.len() + if call { 2 } else { 0 })
}

/// Returns the word that `text` begins with.
fn leading_word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// Returns `text` without the ranges that a translation must keep.
pub(super) fn without_verbatim(text: &str) -> String {
    let mut bare = String::new();
    let mut at = 0;
    for range in verbatim_ranges(text) {
        bare.push_str(&text[at..range.start]);
        at = range.end;
    }
    bare + &text[at..]
}
