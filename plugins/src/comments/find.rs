//! Comments and docstrings of a text, with the byte range of the content of each line.

use tree_sitter::Tree;

use crate::syntax::nodes;
use crate::{Language, syntax};

/// A comment with delimiters, a docstring, or a run of line comments below each other.
#[derive(Debug)]
pub(super) struct Comment {
    /// Its lines, from top to bottom.
    pub(super) lines: Vec<CommentLine>,
    /// True if it may get further lines.
    pub(super) multiline: bool,
}

/// A line of a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommentLine {
    /// Byte at which its content begins, after marks and blanks.
    pub(super) start: usize,
    /// Byte at which its content ends, before blanks and closing marks.
    pub(super) end: usize,
    /// Marks and blanks that a line below it begins with.
    pub(super) prefix: String,
    /// True if no blank separates its content from its mark.
    pub(super) no_space: bool,
}

/// Returns all comments in the order of the text, and the docstrings of Python with them.
pub(super) fn find_comments(language: Language, tree: &Tree, text: &str) -> Vec<Comment> {
    let docstrings =
        if language == Language::Python { syntax::docstring_ranges(tree, text, usize::MAX) } else { Vec::new() };
    let mut all: Vec<Comment> = Vec::new();
    // Row and column of the line comment above, which a line comment at the same column continues.
    let mut last = None;
    // Nodes inside a comment are part of it.
    for node in nodes(tree.root_node(), |node| !node.kind().contains("comment")) {
        if let Some(inner) =
            docstrings.iter().find(|it| node.kind() == "string" && node.byte_range().contains(&it.start))
        {
            all.push(delimited_comment(text, inner.start, inner.end, true));
            last = None;
            continue;
        }
        if !node.kind().contains("comment") {
            continue;
        }
        let comment = text.get(node.byte_range()).unwrap_or_default().trim_end();
        let start = node.start_position();
        let alone = starts_line(text, node.start_byte());
        match delimiter_lengths(comment) {
            Some((open, close)) => {
                let inner = node.start_byte() + open..node.start_byte() + comment.len() - close;
                all.push(delimited_comment(text, inner.start, inner.end.max(inner.start), comment.contains('\n')));
                last = None;
            }
            None => {
                let line = line_comment(text, node.start_byte(), node.start_byte() + comment.len(), alone);
                match all.last_mut() {
                    Some(above) if alone && last == start.row.checked_sub(1).map(|row| (row, start.column)) => {
                        above.lines.push(line);
                    }
                    _ => all.push(Comment { lines: vec![line], multiline: alone }),
                }
                last = if alone { Some((start.row, start.column)) } else { None };
            }
        }
    }
    all
}

fn starts_line(text: &str, at: usize) -> bool {
    text[..at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty())
}

/// Returns the lengths of the opening and the closing mark; `None` for a line comment.
fn delimiter_lengths(comment: &str) -> Option<(usize, usize)> {
    const MARKS: &[(&str, &str)] =
        &[("/**", "*/"), ("/*!", "*/"), ("/*", "*/"), ("<!--", "-->"), ("--[[", "]]"), ("=begin", "=end")];
    let fits = |(open, close): &&(&str, &str)| {
        comment.len() >= open.len() + close.len() && comment.starts_with(open) && comment.ends_with(close)
    };
    MARKS.iter().find(fits).map(|(open, close)| (open.len(), close.len()))
}

/// Returns the line comment at `start..end`; `alone` says that it begins its line.
fn line_comment(text: &str, start: usize, end: usize, alone: bool) -> CommentLine {
    let comment = &text[start..end];
    let marks: &[char] = match comment.chars().next() {
        Some('#') => &['#', '!', ':'],
        Some('/') => &['/', '!'],
        Some('-') => &['-'],
        _ => &['%', ';'],
    };
    let mark_length = comment.len() - comment.trim_start_matches(marks).len();
    let content = start + mark_length + leading_blanks(&comment[mark_length..]);
    let prefix_start = if alone { text[..start].rfind('\n').map_or(0, |at| at + 1) } else { start };
    CommentLine {
        start: content,
        end: end.max(content),
        prefix: text[prefix_start..content].to_owned(),
        no_space: content == start + mark_length,
    }
}

/// Returns the docstring or comment whose text between its delimiters is `start..end`.
fn delimited_comment(text: &str, start: usize, end: usize, multiline: bool) -> Comment {
    let mut lines = Vec::new();
    let mut line_start = start;
    for line in text[start..end].split('\n') {
        let is_first = line_start == start;
        let blanks = leading_blanks(line);
        let has_star = !is_first && line[blanks..].starts_with('*');
        let mark_end = blanks + usize::from(has_star);
        let content = line_start + mark_end + leading_blanks(&line[mark_end..]);
        let content_end = line_start + line.trim_end().len();
        let prefix_start = if is_first { content } else { line_start };
        lines.push(CommentLine {
            start: content,
            end: content_end.max(content),
            prefix: text[prefix_start..content].to_owned(),
            no_space: has_star && content == line_start + mark_end,
        });
        line_start += line.len() + 1;
    }
    // A line below the first begins like the next line that has content, or else with the comment's indentation.
    let below = lines.iter().skip(1).find(|line| line.end > line.start).map(|line| line.prefix.clone());
    let opening_line = &text[text[..start].rfind('\n').map_or(0, |at| at + 1)..];
    let indentation = || opening_line[..leading_blanks(opening_line)].to_owned();
    if let Some(first) = lines.first_mut() {
        first.prefix = below.unwrap_or_else(indentation);
    }
    Comment { lines, multiline }
}

/// Returns the number of spaces and tabs at the beginning.
fn leading_blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}
