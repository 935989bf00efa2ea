//! The ghost text in front of the typist's eyes, and when it has been seen.

use std::time::Duration;

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DisplayedText {
    /// What would be put at the cursor; one line.
    pub(super) text: String,
    /// Bytes right of the cursor that it would replace.
    pub(super) replaced_bytes: usize,
    /// Since when exactly this could be read, the part that was typed meanwhile aside.
    since: Duration,
    /// Whether the line is complete.
    is_complete: bool,
}

/// At most one suggestion.
#[derive(Debug, Clone, Default)]
pub(super) struct VisibleSuggestion {
    shown: Option<DisplayedText>,
}

impl VisibleSuggestion {
    /// Nothing is shown any more.
    pub(super) fn clear(&mut self) {
        self.shown = None;
    }

    /// A key was typed. Editors keep a suggestion that goes on like this; says whether that was so.
    pub(super) fn type_key(&mut self, key: &str) -> bool {
        let rest = self.shown.as_ref().and_then(|shown| shown.text.strip_prefix(key)).map(str::to_owned);
        let followed = rest.as_ref().is_some_and(|rest| !rest.is_empty());
        match (&mut self.shown, rest) {
            (Some(shown), Some(rest)) if followed => shown.text = rest,
            _ => self.shown = None,
        }
        followed
    }

    /// An answer came for what stands there now.
    pub(super) fn show(&mut self, now: Duration, text: &str, replaces: usize, whole: bool) {
        if text.is_empty() {
            return self.clear();
        }
        match &mut self.shown {
            Some(shown) if shown.text == text && shown.replaced_bytes == replaces => shown.is_complete |= whole,
            _ => self.shown = Some(DisplayedText { text: text.to_owned(), replaced_bytes: replaces, since: now, is_complete: whole }),
        }
    }

    /// What the typist has read: a complete line of at least `shortest` characters that has been there for `reaction`.
    pub(super) fn readable(&self, now: Duration, reaction: Duration, shortest: usize) -> Option<&DisplayedText> {
        let seen = |shown: &&DisplayedText| now.saturating_sub(shown.since) >= reaction;
        let long = |shown: &&DisplayedText| shown.text.chars().count() >= shortest;
        self.shown.as_ref().filter(|shown| shown.is_complete).filter(seen).filter(long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn read(screen: &VisibleSuggestion, now: u64) -> Option<&str> {
        screen.readable(ms(now), ms(300), 3).map(|shown| shown.text.as_str())
    }

    #[test]
    fn a_suggestion_is_read_after_the_reaction_time() {
        let mut screen = VisibleSuggestion::default();
        screen.show(ms(100), "answer", 0, true);
        assert_eq!((read(&screen, 399), read(&screen, 400)), (None, Some("answer")));
    }

    #[test]
    fn typing_into_it_does_not_make_it_new() {
        let mut screen = VisibleSuggestion::default();
        screen.show(ms(100), "answer", 0, true);
        assert!(screen.type_key("a"));
        screen.show(ms(250), "nswer", 0, true);
        assert_eq!(read(&screen, 400), Some("nswer"));
    }

    #[test]
    fn typing_against_it_takes_it_away() {
        let mut screen = VisibleSuggestion::default();
        screen.show(ms(100), "answer", 0, true);
        assert!(!screen.type_key("b"));
        assert_eq!(read(&screen, 900), None);
    }

    #[test]
    fn typing_all_of_it_leaves_nothing() {
        let mut screen = VisibleSuggestion::default();
        screen.show(ms(0), "a", 0, true);
        assert!(!screen.type_key("a"));
        assert_eq!(screen.shown, None);
    }

    #[test]
    fn another_answer_is_new() {
        let mut screen = VisibleSuggestion::default();
        screen.show(ms(100), "answer", 0, true);
        screen.show(ms(350), "another", 0, true);
        assert_eq!((read(&screen, 500), read(&screen, 650)), (None, Some("another")));
    }

    #[test]
    fn half_a_line_and_a_short_one_are_not_taken() {
        let mut screen = VisibleSuggestion::default();
        screen.show(ms(0), "answ", 0, false);
        assert_eq!(read(&screen, 900), None);
        screen.show(ms(0), "an", 0, true);
        assert_eq!(read(&screen, 900), None);
    }

    #[test]
    fn an_empty_answer_takes_away_what_was_shown() {
        let mut screen = VisibleSuggestion::default();
        screen.show(ms(0), "answer", 0, true);
        screen.show(ms(100), "", 0, true);
        assert_eq!(read(&screen, 900), None);
    }
}
