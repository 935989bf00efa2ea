//! Where comments and docstrings are, and where the content of each of their lines begins and ends.

use tree_sitter::Tree;

use crate::syntax::nodes;
use crate::{Language, syntax};

/// A comment, or several comments of one line below each other.
#[derive(Debug)]
pub(super) struct Comment {
    pub(super) lines: Vec<CommentLine>,
    /// Whether further lines may be added.
    pub(super) multiline: bool,
}

/// A line of a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommentLine {
    /// Where its content begins, in bytes: behind marks and blanks.
    pub(super) start: usize,
    /// Where it ends, without marks and blanks.
    pub(super) end: usize,
    /// What a line below it begins with.
    pub(super) prefix: String,
    /// Whether its content follows its mark without a blank.
    pub(super) no_space: bool,
}

/// All comments, in the order of the text.
pub(super) fn find_comments(language: Language, tree: &Tree, text: &str) -> Vec<Comment> {
    let docstrings =
        if language == Language::Python { syntax::docstring_ranges(tree, text, usize::MAX) } else { Vec::new() };
    let mut all: Vec<Comment> = Vec::new();
    // The row and the column of the comment of one line that was last.
    let mut last = None;
    // What lies in a comment belongs to it.
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
        let own = text.get(node.byte_range()).unwrap_or_default().trim_end();
        let at = node.start_position();
        let alone = starts_line(text, node.start_byte());
        match delimiter_lengths(own) {
            Some((open, close)) => {
                let inner = node.start_byte() + open..node.start_byte() + own.len() - close;
                all.push(delimited_comment(text, inner.start, inner.end.max(inner.start), own.contains('\n')));
                last = None;
            }
            None => {
                let line = line_comment(text, node.start_byte(), node.start_byte() + own.len(), alone);
                match all.last_mut() {
                    Some(above) if alone && last == at.row.checked_sub(1).map(|row| (row, at.column)) => {
                        above.lines.push(line);
                    }
                    _ => all.push(Comment { lines: vec![line], multiline: alone }),
                }
                last = alone.then_some((at.row, at.column));
            }
        }
    }
    all
}

fn starts_line(text: &str, at: usize) -> bool {
    text[..at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty())
}

/// The lengths of the marks at both ends of a comment that has some.
fn delimiter_lengths(own: &str) -> Option<(usize, usize)> {
    const MARKS: &[(&str, &str)] =
        &[("/**", "*/"), ("/*!", "*/"), ("/*", "*/"), ("<!--", "-->"), ("--[[", "]]"), ("=begin", "=end")];
    let fits = |(open, close): &&(&str, &str)| {
        own.len() >= open.len() + close.len() && own.starts_with(open) && own.ends_with(close)
    };
    MARKS.iter().find(fits).map(|(open, close)| (open.len(), close.len()))
}

/// A comment of one line with a mark at its beginning.
fn line_comment(text: &str, start: usize, end: usize, alone: bool) -> CommentLine {
    let own = &text[start..end];
    let marks: &[char] = match own.chars().next() {
        Some('#') => &['#', '!', ':'],
        Some('/') => &['/', '!'],
        Some('-') => &['-'],
        _ => &['%', ';'],
    };
    let marked = own.len() - own.trim_start_matches(marks).len();
    let content = start + marked + leading_blanks(&own[marked..]);
    let from = if alone { text[..start].rfind('\n').map_or(0, |at| at + 1) } else { start };
    CommentLine {
        start: content,
        end: end.max(content),
        prefix: text[from..content].to_owned(),
        no_space: content == start + marked,
    }
}

/// What stands between marks: a docstring, or a comment of one or more lines.
fn delimited_comment(text: &str, start: usize, end: usize, grows: bool) -> Comment {
    let mut lines = Vec::new();
    let mut at = start;
    for own in text[start..end].split('\n') {
        let first = at == start;
        let blank = leading_blanks(own);
        let star = !first && own[blank..].starts_with('*');
        let marked = blank + usize::from(star);
        let content = at + marked + leading_blanks(&own[marked..]);
        let close = at + own.trim_end().len();
        let from = if first { content } else { at };
        lines.push(CommentLine {
            start: content,
            end: close.max(content),
            prefix: text[from..content].to_owned(),
            no_space: star && content == at + marked,
        });
        at += own.len() + 1;
    }
    // A line below the first one begins like the next that has content, else like the comment.
    let below = lines.iter().skip(1).find(|it| it.end > it.start).map(|it| it.prefix.clone());
    let line = &text[text[..start].rfind('\n').map_or(0, |at| at + 1)..];
    let indent = || line[..leading_blanks(line)].to_owned();
    if let Some(first) = lines.first_mut() {
        first.prefix = below.unwrap_or_else(indent);
    }
    Comment { lines, multiline: grows }
}

/// Bytes of blanks and tabs at the beginning.
fn leading_blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}
