//! Citations in an answer. A model may invent locations, so only those in its excerpts count.

use std::ops::Range;

use super::Excerpt;

/// A location from the prompt that an answer cites.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Citation {
    /// Byte range in the answer.
    pub range: Range<usize>,
    /// Cited file, relative to the workspace.
    pub path: String,
    /// Cited line, from 1.
    pub line: usize,
}

/// Citations of `excerpts` in `answer`, written `path:line`. A path may lack leading folders.
pub fn find_citations(answer: &str, excerpts: &[Excerpt]) -> Vec<Citation> {
    answer.match_indices(':').filter_map(|(colon, _)| citation_at(answer, colon, excerpts)).collect()
}

/// The citation around the colon at a byte offset.
fn citation_at(answer: &str, colon: usize, excerpts: &[Excerpt]) -> Option<Citation> {
    let after = &answer[colon + 1..];
    let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let line: usize = after[..digits].parse().ok()?;
    let in_path = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '\\' | '+' | '@');
    let start = answer[..colon].trim_end_matches(in_path).len();
    let path = answer[start..colon].trim_start_matches("./");
    let same = |it: &&Excerpt| {
        let shorter = it.path.strip_suffix(path).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
        !path.is_empty() && shorter && (it.first_line..=it.last_line).contains(&line)
    };
    let excerpt = excerpts.iter().find(same)?;
    Some(Citation { range: start..colon + 1 + digits, path: excerpt.path.clone(), line })
}
