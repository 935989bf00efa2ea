//! Lines of a text.

/// The length of the longest beginning of `text` that ends a line and has at most `most` bytes.
pub(crate) fn whole_lines_len(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    let cut = text.floor_char_boundary(most);
    text[..cut].rfind('\n').map_or(cut, |at| at + 1)
}

/// Columns of white space at the beginning of a line, a tab to the next multiple of 4.
pub(crate) fn indent_columns(line: &str) -> usize {
    let blank = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    blank.fold(0, |column, c| if c == '\t' { column / 4 * 4 + 4 } else { column + 1 })
}
