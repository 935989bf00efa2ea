//! Places that an answer names. A model may invent some: only those that it was shown count.

use std::ops::Range;

use super::Excerpt;

/// A place that was in the prompt, where an answer names it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Citation {
    /// Where in the answer, in bytes.
    pub range: Range<usize>,
    /// The file, relative to the workspace.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
}

/// Where `answer` names places of `excerpts` as `path:line`. A path may be cut short from the left.
pub fn find_citations(answer: &str, excerpts: &[Excerpt]) -> Vec<Citation> {
    answer.match_indices(':').filter_map(|(colon, _)| citation_at(answer, colon, excerpts)).collect()
}

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
