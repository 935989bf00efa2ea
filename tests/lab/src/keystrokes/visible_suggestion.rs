//! Ghost text that the typist sees, and the time since which it is visible.

use std::time::Duration;

/// Text of a visible suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DisplayedText {
    /// Rest of the suggestion, to be inserted at the cursor. One line.
    pub(super) text: String,
    /// Bytes right of the cursor that the text replaces.
    pub(super) replaced_bytes: usize,
    /// Time since which the text is visible. Typing along the text does not change it.
    visible_since: Duration,
    /// True if the line is complete.
    is_complete: bool,
}

/// At most one suggestion, as an editor shows it.
#[derive(Debug, Clone, Default)]
pub(super) struct VisibleSuggestion {
    shown: Option<DisplayedText>,
}

impl VisibleSuggestion {
    /// Hides the suggestion.
    pub(super) fn clear(&mut self) {
        self.shown = None;
    }

    /// Types a key. Editors keep a suggestion that continues with the key. Returns true if some of it is left.
    pub(super) fn type_key(&mut self, key: &str) -> bool {
        let Some(mut shown) = self.shown.take() else { return false };
        let Some(rest) = shown.text.strip_prefix(key) else { return false };
        if rest.is_empty() {
            return false;
        }
        shown.text = rest.to_owned();
        self.shown = Some(shown);
        true
    }

    /// Shows a suggestion for the current text. An empty one hides what is visible.
    pub(super) fn show(&mut self, now: Duration, text: &str, replaced_bytes: usize, is_complete: bool) {
        if text.is_empty() {
            return self.clear();
        }
        match &mut self.shown {
            Some(shown) if shown.text == text && shown.replaced_bytes == replaced_bytes => {
                shown.is_complete |= is_complete;
            }
            _ => {
                let text = text.to_owned();
                self.shown = Some(DisplayedText { text, replaced_bytes, visible_since: now, is_complete });
            }
        }
    }

    /// Returns the suggestion if the typist has read it: a complete line of at least `min_characters` that has been
    /// visible for `reaction_time`.
    pub(super) fn readable(
        &self,
        now: Duration,
        reaction_time: Duration,
        min_characters: usize,
    ) -> Option<&DisplayedText> {
        let shown = self.shown.as_ref()?;
        let has_been_seen = now.saturating_sub(shown.visible_since) >= reaction_time;
        let is_long_enough = shown.text.chars().count() >= min_characters;
        if shown.is_complete && has_been_seen && is_long_enough { Some(shown) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn readable(suggestion: &VisibleSuggestion, now: u64) -> Option<&str> {
        suggestion.readable(ms(now), ms(300), 3).map(|shown| shown.text.as_str())
    }

    #[test]
    fn a_suggestion_is_readable_after_the_reaction_time() {
        let mut suggestion = VisibleSuggestion::default();
        suggestion.show(ms(100), "answer", 0, true);
        assert_eq!((readable(&suggestion, 399), readable(&suggestion, 400)), (None, Some("answer")));
    }

    #[test]
    fn typing_along_a_suggestion_does_not_restart_the_reaction_time() {
        let mut suggestion = VisibleSuggestion::default();
        suggestion.show(ms(100), "answer", 0, true);
        assert!(suggestion.type_key("a"));
        suggestion.show(ms(250), "nswer", 0, true);
        assert_eq!(readable(&suggestion, 400), Some("nswer"));
    }

    #[test]
    fn typing_something_else_hides_the_suggestion() {
        let mut suggestion = VisibleSuggestion::default();
        suggestion.show(ms(100), "answer", 0, true);
        assert!(!suggestion.type_key("b"));
        assert_eq!(readable(&suggestion, 900), None);
    }

    #[test]
    fn typing_all_of_a_suggestion_hides_it() {
        let mut suggestion = VisibleSuggestion::default();
        suggestion.show(ms(0), "a", 0, true);
        assert!(!suggestion.type_key("a"));
        assert_eq!(suggestion.shown, None);
    }

    #[test]
    fn a_different_suggestion_restarts_the_reaction_time() {
        let mut suggestion = VisibleSuggestion::default();
        suggestion.show(ms(100), "answer", 0, true);
        suggestion.show(ms(350), "another", 0, true);
        assert_eq!((readable(&suggestion, 500), readable(&suggestion, 650)), (None, Some("another")));
    }

    #[test]
    fn incomplete_and_short_lines_are_not_readable() {
        let mut suggestion = VisibleSuggestion::default();
        suggestion.show(ms(0), "answ", 0, false);
        assert_eq!(readable(&suggestion, 900), None);
        suggestion.show(ms(0), "an", 0, true);
        assert_eq!(readable(&suggestion, 900), None);
    }

    #[test]
    fn an_empty_answer_hides_the_suggestion() {
        let mut suggestion = VisibleSuggestion::default();
        suggestion.show(ms(0), "answer", 0, true);
        suggestion.show(ms(100), "", 0, true);
        assert_eq!(readable(&suggestion, 900), None);
    }
}
