//! Where in a document the user types, in words that cost nothing to compare: the text around the stretch that changes is
//! looked at once for each stretch, not once for each suggestion.

use std::sync::Arc;

/// Bytes before the cursor that a frame leaves free, so that deleting stays within it.
const LEAD: usize = 512;
/// A stretch longer than this is left for a new one.
const LONGEST: usize = 4096;

/// A stretch of a document in which the user types, while all around it stands still.
#[derive(Debug)]
pub struct Frame {
    text: Arc<str>,
    /// Where the stretch begins in `text`.
    start: usize,
    /// Where it ended when the frame was made.
    end: usize,
}

/// A cursor in a frame.
#[derive(Debug, Clone)]
pub struct Spot {
    pub(super) frame: Arc<Frame>,
    /// The text from the beginning of the stretch to the cursor, without carriage returns: editors bring their own line ends.
    pub(super) path: String,
    /// The text from the cursor to the end of the stretch.
    pub(super) tail: String,
}

impl Spot {
    /// Whether it is the place of `cursor` in `text`.
    pub(super) fn leads_to(&self, text: &str, cursor: usize) -> bool {
        self.frame.spot(text, cursor).is_some_and(|spot| spot.path == self.path && spot.tail == self.tail)
    }
}

impl Frame {
    /// A frame that ends at the cursor.
    pub fn around(text: &Arc<str>, cursor: usize) -> Arc<Self> {
        let near = (cursor.saturating_sub(LEAD)..=cursor).find(|at| text.is_char_boundary(*at)).unwrap_or(cursor);
        let start = text[near..cursor].find('\n').map_or(near, |at| near + at + 1);
        Arc::new(Self { text: text.clone(), start: if near == 0 { 0 } else { start }, end: cursor })
    }

    /// The stretch as it is in `text`; `None` if anything around it is different.
    pub fn stretch<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (before, after) = (&self.text[..self.start], &self.text[self.end..]);
        let inner = text.len().checked_sub(before.len() + after.len())?;
        let end = before.len() + inner;
        // The texts differ most likely near the stretch, if they do.
        let (head, tail) = (text.get(..before.len())?, text.get(end..)?);
        let near = |text: &str, other: &str| text.bytes().rev().take(256).eq(other.bytes().rev().take(256));
        (near(head, before) && tail == after && head == before).then(|| &text[before.len()..end])
    }

    /// The cursor as a place in this frame; `None` if it lies outside or anything outside is different.
    pub fn spot(self: &Arc<Self>, text: &str, cursor: usize) -> Option<Spot> {
        let stretch = self.stretch(text)?;
        let (path, tail) = stretch.split_at_checked(cursor.checked_sub(self.start)?)?;
        let clean = |text: &str| text.replace('\r', "");
        (path.len() <= LONGEST).then(|| Spot { frame: self.clone(), path: clean(path), tail: clean(tail) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path and the tail of `▁` in `now`, in a frame around `▁` in `base`.
    fn check(base: &str, now: &str) -> Option<(String, String)> {
        let place = |marked: &str| (Arc::from(marked.replace('▁', "")), marked.find('▁').expect("a cursor"));
        let (base, cursor) = place(base);
        let frame = Frame::around(&base, cursor);
        let (now, cursor) = place(now);
        frame.spot(&now, cursor).map(|spot| (spot.path, spot.tail))
    }

    #[test]
    fn a_frame_holds_while_all_around_it_stands_still() {
        let found = |path: &str, tail: &str| Some((path.to_owned(), tail.to_owned()));
        assert_eq!(check("ab▁\ncd", "abx▁\ncd"), found("abx", ""));
        assert_eq!(check("ab▁\ncd", "a▁\ncd"), found("a", ""));
        assert_eq!(check("ab▁\ncd", "ab(▁)\ncd"), found("ab(", ")"));
        assert_eq!(check("ab▁\ncd", "ab▁\ncde"), None);
        assert_eq!(check("ab▁\ncd", "ab\n▁cd"), None, "outside");
        assert_eq!(check("ab▁\r\ncd", "ab\r\n▁\r\ncd"), found("ab\n", ""));
    }

    #[test]
    fn a_frame_in_a_long_text_begins_at_a_line_and_ends_with_its_stretch() {
        let long = "ü line\n".repeat(200);
        let base = format!("{long}x▁\n{long}");
        let (path, _) = check(&base, &base).expect("the same text");
        assert!(path.len() <= LEAD && path.starts_with("ü line\n") && path.ends_with("\nx"));
        assert!(check(&base, &format!("y{long}x▁\n{long}")).is_none());
        assert!(check(&base, &format!("{long}x{}▁\n{long}", "y".repeat(LONGEST))).is_none());
    }
}
