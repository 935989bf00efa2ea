//! Lines of a width: between words, and between the letters of scripts that put no blanks between words.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a text takes; a tab takes four.
pub(super) fn display_width(text: &str) -> usize {
    text.width() + 3 * text.matches('\t').count()
}

/// A text in lines of at most `width` columns, where the first has `first` columns before it and the others have `next`.
pub(super) fn wrap(text: &str, first: usize, next: usize, width: usize) -> Vec<String> {
    /// However deep a comment is, a word or two stand in a line.
    const LEAST: usize = 24;
    let mut lines = vec![String::new()];
    let mut room = width.saturating_sub(first).max(LEAST);
    let mut used = 0;
    for (blank, piece) in words(text) {
        let size = piece.width();
        let line = lines.len() - 1;
        if used > 0 && used + usize::from(blank) + size > room {
            room = width.saturating_sub(next).max(LEAST);
            lines.push(piece);
            used = size;
            continue;
        }
        if blank && used > 0 {
            lines[line].push(' ');
            used += 1;
        }
        lines[line].push_str(&piece);
        used += size;
    }
    lines
}

/// What cannot be taken apart, and whether a blank stands before it. What is in backticks stays together.
fn words(text: &str) -> Vec<(bool, String)> {
    let mut all: Vec<(bool, String)> = Vec::new();
    let mut blank = true;
    let mut quoted = false;
    let mut wide = false;
    for c in text.chars() {
        if c == ' ' && !quoted {
            blank = true;
            continue;
        }
        let is_wide = c.width().unwrap_or_default() > 1;
        // A line does not begin with a mark that closes something.
        let closes = "，。、；：？！）」』】》〉…ー".contains(c);
        let apart = (is_wide || wide) && !closes && !quoted;
        match all.last_mut().filter(|_| !blank && !apart) {
            Some((_, piece)) => piece.push(c),
            None => all.push((blank, c.to_string())),
        }
        quoted ^= c == '`';
        (blank, wide) = (false, is_wide);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_into_lines_and_quoted_ones_stay_together() {
        let lines = wrap("The sum of `a + b` and all of the other numbers", 10, 4, 34);
        assert_eq!(lines, ["The sum of `a + b` and", "all of the other numbers"]);
        assert_eq!(wrap("", 0, 0, 80), [""]);
        assert_eq!(wrap(&"x".repeat(90), 4, 4, 80).len(), 1);
    }

    #[test]
    fn chinese_breaks_between_letters_but_not_before_a_full_stop() {
        let lines = wrap("计算所有价格的总和，如果没有则返回零。", 0, 0, 26);
        assert_eq!(lines, ["计算所有价格的总和，如果没", "有则返回零。"]);
        let lines = wrap("一二三四五六七八九十甲乙丙。", 0, 0, 26);
        assert_eq!(lines, ["一二三四五六七八九十甲乙", "丙。"]);
    }
}
