//! Measures of lines: how much of a text fits without breaking a line, and how far a line is indented.

/// Length of the longest beginning of `text` that ends at a line end and has at most `max_bytes` bytes. A first line
/// that is longer is cut at a character boundary.
pub(crate) fn whole_lines_len(text: &str, max_bytes: usize) -> usize {
    if text.len() <= max_bytes {
        return text.len();
    }
    let cut = text.floor_char_boundary(max_bytes);
    text[..cut].rfind('\n').map_or(cut, |at| at + 1)
}

/// Indentation of a line in columns; a tab reaches the next multiple of 4.
pub(crate) fn indent_columns(line: &str) -> usize {
    let blank = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    blank.fold(0, |column, c| if c == '\t' { column / 4 * 4 + 4 } else { column + 1 })
}
