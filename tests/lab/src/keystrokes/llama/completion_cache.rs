//! The completions that a client remembers, as llama.vim does: 250 of them, found again for the same place and for places
//! up to 128 typed characters further on.

use std::collections::VecDeque;

/// Completions kept.
const MAX_ENTRIES: usize = 250;
/// Characters that may have been typed since.
const MAX_TYPED_CHARACTERS: usize = 128;

/// Where a completion belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CursorContext {
    /// Text before the cursor, as the request has it.
    pub(super) before: String,
    /// Text after the cursor, as the request has it.
    pub(super) after: String,
}

impl CursorContext {
    /// What of a completion for an earlier place is left here: all of it for the same place, what follows the typed text
    /// if it agrees with that.
    pub(super) fn rest_of<'a>(&self, text: &'a str, earlier: &Self) -> Option<&'a str> {
        let typed = self.before.strip_prefix(&earlier.before).filter(|_| self.after == earlier.after)?;
        let rest = text.strip_prefix(typed).filter(|_| typed.chars().count() <= MAX_TYPED_CHARACTERS)?;
        (typed.is_empty() || !rest.is_empty()).then_some(rest)
    }
}

/// Completions, the newest last.
#[derive(Debug, Default)]
pub(super) struct CompletionCache {
    kept: VecDeque<(CursorContext, String)>,
}

impl CompletionCache {
    /// Keeps a completion.
    pub(super) fn insert(&mut self, place: CursorContext, text: String) {
        self.kept.push_back((place, text));
        if self.kept.len() > MAX_ENTRIES {
            self.kept.pop_front();
        }
    }

    /// Whether there is one for exactly this place.
    pub(super) fn contains(&self, place: &CursorContext) -> bool {
        self.kept.iter().any(|(other, _)| other == place)
    }

    /// What there is for a place: its own, else the longest that goes on from before.
    pub(super) fn find(&self, place: &CursorContext) -> Option<&str> {
        let own = self.kept.iter().rev().find(|(other, _)| other == place).map(|(_, text)| text.as_str());
        let rests = self.kept.iter().filter_map(|(other, text)| place.rest_of(text, other));
        own.or_else(|| rests.max_by_key(|rest| rest.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(before: &str, after: &str) -> CursorContext {
        CursorContext { before: before.to_owned(), after: after.to_owned() }
    }

    #[test]
    fn a_completion_is_found_while_its_text_is_typed() {
        let mut memory = CompletionCache::default();
        memory.insert(place("let ", "\n"), "answer = 42;".into());
        for (before, after, found) in [
            ("let ", "\n", Some("answer = 42;")),
            ("let ans", "\n", Some("wer = 42;")),
            ("let b", "\n", None),
            ("let ans", "\n\n", None),
            ("let answer = 42;", "\n", None),
            ("le", "\n", None),
        ] {
            assert_eq!(memory.find(&place(before, after)), found, "{before}");
        }
        assert!(memory.contains(&place("let ", "\n")) && !memory.contains(&place("let a", "\n")));
    }

    #[test]
    fn that_there_is_nothing_is_remembered_too() {
        let mut memory = CompletionCache::default();
        memory.insert(place("x;", "\n"), String::new());
        assert_eq!(memory.find(&place("x;", "\n")), Some(""));
    }

    #[test]
    fn old_completions_are_forgotten() {
        let mut memory = CompletionCache::default();
        (0..=MAX_ENTRIES).for_each(|number| memory.insert(place(&number.to_string(), ""), "x".into()));
        assert!(!memory.contains(&place("0", "")) && memory.contains(&place("1", "")));
    }
}
