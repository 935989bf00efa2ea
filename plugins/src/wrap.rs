//! Wrapping of comments and docstrings: greedy, between words, with a first line of its own width.

use textwrap::core::Fragment;
use textwrap::wrap_algorithms::wrap_first_fit;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A piece of text that stays on one line.
#[derive(Debug)]
pub(crate) struct Word {
    text: String,
    columns: usize,
    /// True if a space separates the word from the next one on its line.
    space_after: bool,
}

impl Fragment for Word {
    fn width(&self) -> f64 {
        self.columns as f64
    }

    fn whitespace_width(&self) -> f64 {
        f64::from(u8::from(self.space_after))
    }

    fn penalty_width(&self) -> f64 {
        0.0
    }
}

/// Returns the columns that `text` takes in a terminal or an editor; a tab takes four.
pub(crate) fn display_width(text: &str) -> usize {
    text.width() + 3 * text.matches('\t').count()
}

/// Splits `text` at white space. A word's width is its number of characters.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let word = |word: &str| Word { text: word.to_owned(), columns: word.chars().count(), space_after: true };
    text.split_whitespace().map(word).collect()
}

/// Splits prose of any script where a line may break: at spaces, and between wide characters, which have no spaces
/// between words. Text in backticks is not split. A word's width is its display width.
pub(crate) fn prose_words(text: &str) -> Vec<Word> {
    /// Marks that must not begin a line.
    const CLOSING_MARKS: &str = "，。、；：？！）」』】》〉…ー";
    let mut words: Vec<Word> = Vec::new();
    let mut after_space = false;
    let mut is_quoted = false;
    let mut after_wide = false;
    for c in text.chars() {
        if c == ' ' && !is_quoted {
            after_space = true;
            continue;
        }
        let is_wide = c.width().unwrap_or_default() > 1;
        let may_break = (is_wide || after_wide) && !CLOSING_MARKS.contains(c) && !is_quoted;
        match words.last_mut() {
            Some(word) if !after_space && !may_break => word.text.push(c),
            last => {
                if let Some(last) = last {
                    last.space_after = after_space;
                }
                words.push(Word { text: c.to_string(), columns: 0, space_after: false });
            }
        }
        if c == '`' {
            is_quoted = !is_quoted;
        }
        (after_space, after_wide) = (false, is_wide);
    }
    for word in &mut words {
        word.columns = word.text.width();
    }
    words
}

/// Fills lines with `words`: the first of at most `first` columns, the others of at most `rest`. A word that is wider
/// than a line gets a line of its own. Returns at least one line.
pub(crate) fn wrap(words: &[Word], first: usize, rest: usize) -> Vec<String> {
    let lines = wrap_first_fit(words, &[first as f64, rest as f64]);
    lines.into_iter().map(join).collect()
}

fn join(words: &[Word]) -> String {
    let mut line = String::new();
    for (index, word) in words.iter().enumerate() {
        line.push_str(&word.text);
        if word.space_after && index + 1 < words.len() {
            line.push(' ');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_but_not_inside_backticks() {
        let lines = wrap(&prose_words("The sum of `a + b` and all of the other numbers"), 24, 30);
        assert_eq!(lines, ["The sum of `a + b` and", "all of the other numbers"]);
        assert_eq!(wrap(&prose_words(""), 80, 80), [""]);
        assert_eq!(wrap(&prose_words(&"x".repeat(90)), 76, 76).len(), 1);
    }

    #[test]
    fn chinese_breaks_between_characters_but_not_before_a_full_stop() {
        let lines = wrap(&prose_words("计算所有价格的总和，如果没有则返回零。"), 26, 26);
        assert_eq!(lines, ["计算所有价格的总和，如果没", "有则返回零。"]);
        let lines = wrap(&prose_words("一二三四五六七八九十甲乙丙。"), 26, 26);
        assert_eq!(lines, ["一二三四五六七八九十甲乙", "丙。"]);
    }
}
