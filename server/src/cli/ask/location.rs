//! Locations on the command line: `FILE`, `FILE:LINE` or `FILE:LINE-LINE`.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// File, with an optional range of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileLocation {
    pub(crate) path: PathBuf,
    lines: Option<(usize, usize)>,
}

impl std::str::FromStr for FileLocation {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let whole = || Self { path: text.into(), lines: None };
        let Some((path, lines)) = text.rsplit_once(':') else { return Ok(whole()) };
        let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
        let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) else { return Ok(whole()) };
        ensure!(
            first > 0 && last >= first,
            "{text:?} is not a valid range of lines: write FILE:LINE or FILE:FIRST-LAST, counted from 1"
        );
        Ok(Self { path: path.into(), lines: Some((first, last)) })
    }
}

impl FileLocation {
    /// Returns the byte range of the lines in `text`, without the indentation of the first line and the whitespace at
    /// the end of the last; `None` for the whole file.
    ///
    /// # Errors
    /// If the lines are past the end of the file.
    pub(crate) fn selection(&self, text: &str) -> Result<Option<Range<usize>>> {
        let Some((first, last)) = self.lines else { return Ok(None) };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let wrong = || format!("line {last} is past the end of {} ({} lines)", self.path.display(), lines.len());
        let start: usize = lines.get(..first - 1).with_context(wrong)?.iter().map(|line| line.len()).sum();
        let selected = lines.get(first - 1..last).with_context(wrong)?;
        let length: usize = selected.iter().map(|line| line.len()).sum();
        let whole = &text[start..start + length];
        let indent = whole.len() - whole.trim_start().len();
        Ok(Some(start + indent.min(whole.trim_end().len())..start + whole.trim_end().len()))
    }

    /// Returns the byte range as [`selection`](Self::selection) does. `forms` names the valid forms of a location with
    /// lines, for the message.
    ///
    /// # Errors
    /// If there are no lines, or they are past the end of the file.
    pub(crate) fn required_selection(&self, text: &str, forms: &str) -> Result<Range<usize>> {
        self.selection(text)?.with_context(|| format!("{:?} has no line number: write {forms}", self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(place: &str, text: &str) -> Result<Option<String>> {
        let selection = place.parse::<FileLocation>()?.selection(text)?;
        Ok(selection.map(|range| text[range].to_owned()))
    }

    #[test]
    fn lines_count_from_one_and_ranges_are_inclusive() {
        let text = "a\n  b\n\nc";
        assert_eq!(selected("f", text).expect("the file"), None);
        assert_eq!(selected("f:2", text).expect("inside").as_deref(), Some("b"));
        assert_eq!(selected("f:2-4", text).expect("inside").as_deref(), Some("b\n\nc"));
        assert_eq!(selected("f:3", text).expect("inside").as_deref(), Some(""));
    }

    #[test]
    fn lines_past_the_end_are_reported_with_the_number_of_lines() {
        let error = |place| selected(place, "a\nb\n").expect_err(place).to_string();
        assert!(error("f:3").contains("2 lines") && error("f:1-9").contains("line 9"));
        assert!(error("f:0").contains("FILE:LINE") && error("f:2-1").contains("FILE:FIRST-LAST"));
        assert_eq!("c:/x.rs".parse::<FileLocation>().expect("a path").path, PathBuf::from("c:/x.rs"));
    }
}
