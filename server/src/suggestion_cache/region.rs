//! Regions of a document in which the user types, and cursors in them.
//!
//! The text around a region is compared once for each region, not once for each generation: cursors of one region are
//! compared by a short path.

use std::sync::Arc;

/// Bytes before the cursor at which a new region starts, so that deleting stays within it.
const LEAD_BYTES: usize = 512;
/// Longest path. Beyond it a new region is started.
const MAX_PATH_BYTES: usize = 4096;
/// Bytes next to a region that are compared first, since two texts most likely differ there.
const NEARBY_BYTES: usize = 256;

/// Part of a document in which the user types while the text around it does not change.
#[derive(Debug)]
pub(crate) struct EditRegion {
    /// Text of the document when the region was created.
    text: Arc<str>,
    /// Start of the region in `text`.
    start: usize,
    /// End of the region in `text`.
    end: usize,
}

/// Cursor in a region.
#[derive(Debug, Clone)]
pub(crate) struct RegionCursor {
    pub(super) region: Arc<EditRegion>,
    /// Text from the start of the region to the cursor, without carriage returns: editors insert their own line ends.
    pub(super) path: String,
    /// Text from the cursor to the end of the region, without carriage returns.
    pub(super) tail: String,
}

impl RegionCursor {
    /// True if this is the byte offset `cursor` in `text`.
    pub(super) fn is_at(&self, text: &str, cursor: usize) -> bool {
        self.region.locate(text, cursor).is_some_and(|other| other.path == self.path && other.tail == self.tail)
    }
}

impl EditRegion {
    /// Creates a region that ends at the cursor and starts at a line up to [`LEAD_BYTES`] before it.
    pub(crate) fn ending_at(text: &Arc<str>, cursor: usize) -> Arc<Self> {
        let earliest = text.ceil_char_boundary(cursor.saturating_sub(LEAD_BYTES));
        let next_line = text[earliest..cursor].find('\n').map_or(earliest, |at| earliest + at + 1);
        let start = if earliest == 0 { 0 } else { next_line };
        Arc::new(Self { text: text.clone(), start, end: cursor })
    }

    /// Text of the region in `text`; `None` if the text around it has changed.
    pub(crate) fn interior<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (before, after) = (&self.text[..self.start], &self.text[self.end..]);
        let len = text.len().checked_sub(before.len() + after.len())?;
        let end = before.len() + len;
        let (head, tail) = (text.get(..before.len())?, text.get(end..)?);
        let nearby = |text: &str| text.len().saturating_sub(NEARBY_BYTES);
        let same_nearby = head.as_bytes()[nearby(head)..] == before.as_bytes()[nearby(before)..];
        if same_nearby && tail == after && head == before { Some(&text[before.len()..end]) } else { None }
    }

    /// Locates a byte offset of `text` in this region. Returns `None` if it lies outside, or if the text outside has
    /// changed.
    pub(crate) fn locate(self: &Arc<Self>, text: &str, cursor: usize) -> Option<RegionCursor> {
        let interior = self.interior(text)?;
        let (path, tail) = interior.split_at_checked(cursor.checked_sub(self.start)?)?;
        if path.len() > MAX_PATH_BYTES {
            return None;
        }
        Some(RegionCursor { region: self.clone(), path: path.to_owned(), tail: tail.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path and tail of `▁` in `now`, in a region that ends at `▁` in `base`.
    fn check(base: &str, now: &str) -> Option<(String, String)> {
        let place = |marked: &str| (Arc::from(marked.replace('▁', "")), marked.find('▁').expect("a cursor"));
        let (base, cursor) = place(base);
        let region = EditRegion::ending_at(&base, cursor);
        let (now, cursor) = place(now);
        region.locate(&now, cursor).map(|cursor| (cursor.path, cursor.tail))
    }

    #[test]
    fn a_region_persists_while_the_text_around_it_does() {
        let found = |path: &str, tail: &str| Some((path.to_owned(), tail.to_owned()));
        assert_eq!(check("ab▁\ncd", "abx▁\ncd"), found("abx", ""));
        assert_eq!(check("ab▁\ncd", "a▁\ncd"), found("a", ""));
        assert_eq!(check("ab▁\ncd", "ab(▁)\ncd"), found("ab(", ")"));
        assert_eq!(check("ab▁\ncd", "ab▁\ncde"), None);
        assert_eq!(check("ab▁\ncd", "ab\n▁cd"), None, "outside");
    }

    #[test]
    fn a_region_in_a_long_text_starts_at_a_line_and_has_a_limited_length() {
        let long = "ü line\n".repeat(200);
        let base = format!("{long}x▁\n{long}");
        let (path, _) = check(&base, &base).expect("the same text");
        assert!(path.len() <= LEAD_BYTES && path.starts_with("ü line\n") && path.ends_with("\nx"));
        assert!(check(&base, &format!("y{long}x▁\n{long}")).is_none());
        assert!(check(&base, &format!("{long}x{}▁\n{long}", "y".repeat(MAX_PATH_BYTES))).is_none());
    }
}
